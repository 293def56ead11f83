"""What can be shown without an accelerator; the rest of device.py needs a Mac or a GPU."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from engine import device as devices
from engine.errors import DeviceError
from tests.engine.operator_table import runs_on_metal

CPU = torch.device("cpu")
WITHOUT_METAL = pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is Metal")
WITHOUT_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")


def in_fresh_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | environment,
    )
    return done.stdout.strip()


def test_auto_takes_metal_then_cuda_then_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for metal, cuda in [(True, True), (False, True), (False, False)]:
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=metal: there)
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        found.append(devices.choose_device("auto").type)
    assert found == ["mps", "cuda", "cpu"]


@WITHOUT_METAL
def test_asking_for_metal_where_there_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(DeviceError, match=r'"mps".*(Mac|Metal|macOS).*"cpu"'):
        devices.choose_device("mps")


@WITHOUT_CUDA
def test_asking_for_cuda_where_there_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(DeviceError, match=r'"cuda".*(CUDA|NVIDIA).*"cpu"'):
        devices.choose_device("cuda")


def test_an_unknown_device_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(DeviceError, match=r'"tpu".*auto, mps, cuda, cpu'):
        devices.choose_device("tpu")  # type: ignore[arg-type]


def test_the_cpu_is_always_there_and_has_a_name() -> None:
    device = devices.choose_device("cpu")
    assert device == CPU
    name = devices.describe(device)
    assert name.endswith(" (CPU)")
    assert len(name) > len(" (CPU)")


def test_importing_it_does_not_load_torch() -> None:
    code = "import sys, engine.device; print('torch' in sys.modules)"
    assert in_fresh_python(code) == "False"


FALLBACK = "PYTORCH_ENABLE_MPS_FALLBACK"
OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize(
    "start",
    [
        "from engine import Converter",
        "from engine.device import choose_device; choose_device()",
        "from engine.cli import main; main(['doctor'])",
        "from desktop.__main__ import main; main(['--engine', 'doctor'])",
    ],
)
def test_metal_falls_back_and_openmps_idle_threads_soon_sleep_unless_the_user_wants_otherwise(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are read when torch is imported; children inherit them."""
    code = f"""
        import os, sys
        class Watch:
            def find_spec(self, name, *_):
                if name == "torch":
                    print([os.environ.get(each) for each in {(FALLBACK, *OPENMP)}], flush=True)
                    os._exit(0)
        sys.meta_path.insert(0, Watch())
        {start}
    """
    for variable in (FALLBACK, *OPENMP):
        monkeypatch.delenv(variable, raising=False)
    assert in_fresh_python(dedent(code)) == "['1', None, '1000', '1']"
    if "Converter" in start:
        chosen = in_fresh_python(dedent(code), GOMP_SPINCOUNT="7", **{FALLBACK: "0"})
        assert chosen == "['0', None, '7', '1']"
        chosen = in_fresh_python(dedent(code), OMP_WAIT_POLICY="PASSIVE")
        assert chosen == "['1', 'PASSIVE', None, None]"


def test_memory_held_follows_what_is_allocated_and_the_peak_stays() -> None:
    """In a process of its own: in this one, memory that was freed may be handed out again."""
    code = """
        import torch
        from engine import device as devices
        cpu = torch.device("cpu")
        before = devices.memory_bytes(cpu)
        block = torch.ones(64 * 2**20, dtype=torch.uint8)
        held = devices.memory_bytes(cpu)
        grown = held - before > 0.9 * block.nbytes
        seen = devices.peak_memory_bytes() >= 0.99 * held
        del block
        given_back = devices.memory_bytes(cpu) < held
        print(grown, seen, given_back, devices.peak_memory_bytes(cpu) >= 0.99 * held)
    """
    assert in_fresh_python(dedent(code)) == "True True True True"


def test_the_way_macos_is_asked_gives_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/bin/ps").exists() or not Path("/proc").exists():
        pytest.skip("needs both ways")
    direct = devices.memory_bytes(CPU)

    def no_proc(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", no_proc)
    assert devices.memory_bytes(CPU) == pytest.approx(direct, rel=0.02)


def test_waiting_and_emptying_are_harmless_on_the_cpu() -> None:
    values = torch.arange(5)
    devices.synchronize(CPU)
    devices.empty_cache(CPU)
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_a_real_failure_for_want_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert devices.is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"), True),
        (RuntimeError("Invalid buffer size: 14.90 GB"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_only_want_of_memory_counts_as_that(error: Exception, expected: bool) -> None:
    assert devices.is_out_of_memory(error) is expected


def test_recurrent_layers_stay_on_the_processor_where_the_device_has_no_kernel_for_them() -> None:
    assert devices.recurrent_device("mps") == "cpu"
    assert devices.recurrent_device("mps:0") == "cpu"
    assert devices.recurrent_device("cuda") == "cuda"
    assert not runs_on_metal("aten::_thnn_fused_gru_cell")
