"""Conversions by MLX, and what happens where it is missing or fails."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from engine import (
    ConversionOptions,
    Converter,
    OptimizationConfig,
    StageProgress,
    accelerators,
)
from engine.options import ConversionResult
from tests.engine.small_set import SmallSet
from tests.sound import signal_to_error_db

if sys.platform == "darwin" and find_spec("mlx") is None:
    pytest.skip("MLX is not installed on this Mac", allow_module_level=True)

SAMPLES = (0.1 * np.random.default_rng(3).standard_normal(24_000)).astype(np.float32)
NETWORK_STAGES = ("content", "synthesis")


@pytest.fixture(autouse=True)
def _no_failures_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "failures", {})


def convert(small: SmallSet, heard: dict[str, str], **flags: Any) -> ConversionResult:
    """Without an examination: here MLX has slow kernels only."""

    def listen(step: StageProgress) -> None:
        heard[step.stage] = step.device

    config = OptimizationConfig(device="cpu", **flags)
    converter = Converter(small.models_dir, config, examine_device=False)
    return converter.convert(
        SAMPLES, 16_000, small.voice, ConversionOptions(seed=5), listener=listen
    )


def test_a_conversion_by_mlx_sounds_as_by_torch(small: SmallSet) -> None:
    by_torch: dict[str, str] = {}
    expected = convert(small, by_torch)
    assert {by_torch[each] for each in NETWORK_STAGES} == {"cpu"}
    for half, least_db in ((False, 60), (True, 35)):
        heard: dict[str, str] = {}
        result = convert(small, heard, backend="mlx", use_fp16=half)
        assert {heard[each] for each in NETWORK_STAGES} == {"mlx"}
        assert heard["pitch"] == "cpu"  # SwiftF0 runs there on every machine
        assert result.notes == ()
        assert signal_to_error_db(expected.samples, result.samples) > least_db


class Unloadable:
    """Finds MLX, but one of its libraries is missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "mlx.core":
            raise ImportError("libmlx.so cannot be opened\nmore of no interest")


def test_where_mlx_is_missing_or_damaged_torch_runs_everything_and_the_result_says_so(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = convert(small, {})
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    missing = convert(small, {}, backend="mlx")
    assert missing.notes == (
        'PyTorch was used, because MLX is missing; get it by "urvc models download mlx"',
    )
    monkeypatch.delitem(sys.modules, "mlx.core")
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    damaged = convert(small, {}, backend="mlx")
    assert damaged.notes == (
        "PyTorch was used, because MLX cannot be loaded (libmlx.so cannot be opened)",
    )
    for result in (missing, damaged):
        assert np.array_equal(result.samples, expected.samples)


def test_a_part_that_mlx_cannot_build_runs_on_torch_and_the_others_stay(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no kernel for this\nmore of no interest")

    monkeypatch.setattr("engine.accelerators.mlx.vocoder.Vocoder", fail)
    heard: dict[str, str] = {}
    result = convert(small, heard, backend="mlx")
    assert result.notes == (
        "the vocoder runs on torch, because mlx cannot run it (no kernel for this)",
    )
    assert (heard["content"], heard["synthesis"]) == ("mlx", "mlx+cpu")
    plain = convert(small, {})
    assert signal_to_error_db(plain.samples, result.samples) > 60
    assert plain.notes == ()  # whoever does not ask for MLX need not know


def test_without_the_flag_mlx_is_never_loaded(small: SmallSet) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from engine import Converter, OptimizationConfig, VoiceFiles\n"
        "for backend in ('torch', 'auto'):\n"
        "    config = OptimizationConfig(device='cpu', backend=backend)\n"
        "    converter = Converter(Path(sys.argv[1]), config, examine_device=False)\n"
        "    voice = VoiceFiles(Path(sys.argv[2]), None)\n"
        "    converter.convert(np.ones(4000, np.float32), 16000, voice)\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'mlx'])\n"
    )
    command = [sys.executable, "-c", code, str(small.models_dir), str(small.voice.weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
