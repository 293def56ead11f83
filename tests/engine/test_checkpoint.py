"""Checkpoints: the same tensors as PyTorch's own reader gives, and nothing is ever run."""

from __future__ import annotations

import argparse
import contextlib
import copyreg
import datetime as dt
import io
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import types
import zipfile
from collections import Counter, OrderedDict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.checkpoint import read_state_file
from engine.encoder_layout import read_sizes
from engine.errors import NotAFileError, VoiceFileError, WeightsError
from engine.files import file_sha256
from engine.inert_pickle import Inert, PickleError, Storage, read_pickle
from engine.library.installed_voice import read_voice
from engine.library.picture import read_picture_header
from engine.library.voice_range import learnt_range
from engine.machine import read_object
from engine.voice import encoder_pair_id
from tests.engine import hostile_checkpoints

WAYS: dict[str, dict[str, Any]] = {
    "zip": {},
    "zip, protocol 4": {"pickle_protocol": 4},
    "zip, protocol 5": {"pickle_protocol": 5},
    "legacy": {"_use_new_zipfile_serialization": False},
    "legacy, protocol 4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}


def odd_tensors() -> OrderedDict[str, torch.Tensor]:
    torch.manual_seed(0)
    whole = torch.randn(4, 6)
    return OrderedDict(
        half=torch.randn(3, 4).half(),
        brain=torch.randn(3).bfloat16(),
        double=torch.randn(2, 2, 2).double(),
        counts=torch.arange(5),
        flags=torch.tensor([True, False, True]),
        transposed=whole.T,
        part=whole[1:, 2:4],
        parameter=torch.nn.Parameter(torch.randn(2)),
        single=torch.tensor(3.0),
        none=torch.empty(0),
    )


@pytest.mark.parametrize("way", WAYS)
def test_every_layout_of_torch_save_is_read_as_torch_reads_it(tmp_path: Path, way: str) -> None:
    tensors = odd_tensors()
    labels = {"config": [1, [2, (3, "x")]], "loss": np.float64(0.5), "step": np.int64(7), "n": None}
    labels["metric"] = np.float32(2.5)
    path = tmp_path / "a.pth"
    torch.save({"weight": tensors, **labels}, path, **WAYS[way])
    read = read_state_file(path, VoiceFileError)
    for name, tensor in tensors.items():
        assert torch.equal(read["weight"][name], tensor), name
        assert read["weight"][name].dtype == tensor.dtype, name
    assert {name: value for name, value in read.items() if name != "weight"} == labels


def test_safetensors_are_recognised_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    save_file({"x": torch.arange(6.0)}, path)
    assert torch.equal(read_state_file(path, WeightsError)["x"], torch.arange(6.0))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightsError, match="damaged or incomplete"):
        read_state_file(path, WeightsError)


def test_a_safetensors_file_that_changes_after_it_was_read_harms_nothing(tmp_path: Path) -> None:
    """A mapped file would change with it, and end the process once it is shorter."""
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(100_000)}, path)
    read = read_state_file(path, WeightsError)["x"]
    with path.open("r+b") as file:
        file.seek(-400_000, os.SEEK_END)
        file.write(bytes(400_000))
    assert read.sum() == 100_000


def test_every_type_of_a_safetensors_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {name: tensor.detach().contiguous() for name, tensor in odd_tensors().items()}
    save_file(tensors, path, metadata={"format": "pt"})
    read = read_state_file(path, WeightsError)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor), name
        assert read[name].dtype == tensor.dtype, name


def safetensors(header: str, numbers: bytes = bytes(64)) -> bytes:
    return len(header.encode()).to_bytes(8, "little") + header.encode() + numbers


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "{}",  # numbers without a tensor
        '{"a": 1}',
        '{"a": {"dtype": "F32", "shape": [16]}}',
        '{"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 1e1]}}',
        '{"a": {"dtype": "F32", "shape": [16], "data_offsets": [-64, 0]}}',
        '{"a": {"dtype": "F32", "shape": [15], "data_offsets": [0, 64]}}',
        '{"a": {"dtype": "F32", "shape": [32], "data_offsets": [0, 128]}}',
        '{"a": {"dtype": "F32", "shape": [-4, -4], "data_offsets": [0, 64]}}',
        '{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 64]}}',
        '{"a": {"dtype": ["F32"], "shape": [16], "data_offsets": [0, 64]}}',
        '{"a": {"dtype": "F4", "shape": [16], "data_offsets": [0, 64]}}',
        '{"a": {"dtype": "F32", "shape": [16,1,1,1,1,1,1,1,1,1], "data_offsets": [0, 64]}}',
        (
            '{"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]},'
            ' "b": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}'
        ),
        '{"a": {"dtype": "U8", "shape": [32], "data_offsets": [32, 64]}}',
        '{"a": ' + "[" * 100_000,
        '{"a": "' + "x" * 5_000_000 + '"}',
    ],
)
def test_a_false_safetensors_header_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(header))
    with pytest.raises(VoiceFileError, match="damaged or incomplete"):
        read_state_file(path, VoiceFileError)


def test_foreign_settings_beside_the_weights_stay_inert(tmp_path: Path) -> None:
    """As in fairseq's hubert_base.pt: omegaconf and argparse objects, one with a __setstate__."""
    ran: list[object] = []

    class Config:
        def __setstate__(self, state: object) -> None:
            ran.append(state)

        def __getstate__(self) -> dict[str, int]:
            return {"a": 1}

    module = types.ModuleType("omegaconf.dictconfig")
    Config.__module__, Config.__qualname__ = module.__name__, "Config"
    module.Config = Config  # type: ignore[attr-defined]
    sys.modules["omegaconf"], sys.modules[module.__name__] = types.ModuleType("omegaconf"), module
    path = tmp_path / "hubert_base.pt"
    try:
        record = {"args": argparse.Namespace(a=1), "cfg": Config(), "model": {"w": torch.ones(2)}}
        torch.save(record, path)
        read = read_state_file(path, WeightsError)
    finally:
        del sys.modules["omegaconf"], sys.modules[module.__name__]
    assert torch.equal(read["model"]["w"], torch.ones(2))
    assert ran == []


class Evil:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "function",
    [os.system, eval, getattr, torch.hub.load],
    ids=lambda function: function.__qualname__,
)
def test_a_file_that_asks_to_run_something_is_refused_and_nothing_runs(
    tmp_path: Path, way: str, function: Any
) -> None:
    path, sentinel = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"weight": Evil(function, f"touch {sentinel}")}, path, **WAYS[way])
    with pytest.raises(VoiceFileError, match=r'"evil.pth": it asks to run .*malicious'):
        read_state_file(path, VoiceFileError)
    assert not sentinel.exists()


KINDS = {
    "empty": (b"", "it is empty"),
    "page": (b"\n<!DOCTYPE html><html>" + b"x" * 200, "web page"),
    "text": (b"hello, this is my voice " * 20, "it is a text"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n" * 3, "Git LFS"),
    "short": (b"\x80\x02}q\x00.", "only 6 bytes"),
    "wave": (b"RIFF\x00\x01\x02\x03WAVE" + bytes(500), "not a PyTorch checkpoint"),
    "rar": (b"Rar!\x1a\x07\x00" + bytes(500), "packed archive"),
    "pickle": (pickle.dumps(list(range(100)), 2), "a pickle but not a PyTorch checkpoint"),
    "zeros": (bytes(4096), "not a PyTorch checkpoint"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_other_kinds_are_refused_by_kind(tmp_path: Path, kind: str) -> None:
    data, why = KINDS[kind]
    path = tmp_path / "voice.pth"
    path.write_bytes(data)
    with pytest.raises(VoiceFileError, match=why):
        read_state_file(path, VoiceFileError)


def test_a_zip_of_voices_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "voices.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("singer.pth", b"x" * 100)
    with pytest.raises(VoiceFileError, match="zip archive of other files; unpack"):
        read_state_file(path, VoiceFileError)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceFileError, match=r'"gone.pth": the file does not exist'):
        read_state_file(tmp_path / "gone.pth", VoiceFileError)
    with pytest.raises(VoiceFileError, match="it is a folder"):
        read_state_file(tmp_path, VoiceFileError)


def test_a_list_instead_of_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save([torch.ones(3)], path)
    with pytest.raises(VoiceFileError, match="not contain a table of weights"):
        read_state_file(path, VoiceFileError)


@pytest.mark.parametrize("way", ["zip", "legacy"])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, way: str) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"weight": odd_tensors()}, path, **WAYS[way])
    whole = path.read_bytes()
    for kept in range(100, len(whole) - 1, len(whole) // 40):
        path.write_bytes(whole[:kept])
        with pytest.raises(
            VoiceFileError, match=r'Cannot read "cut.pth": .*(download the file again|choose a)'
        ):
            read_state_file(path, VoiceFileError)


class Claim:
    """Pickled as a tensor over a storage of any length, whatever is there."""

    def __init__(self, count: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage = ("storage", torch.FloatStorage, "0", "cpu", count)
        self.size, self.stride = size, stride

    def __reduce__(self) -> Any:
        args: Any = (self.storage, 0, self.size, self.stride, False, OrderedDict())
        return torch._utils._rebuild_tensor_v2, args


class ClaimPickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> Any:
        return obj if isinstance(obj, tuple) and obj[:1] == ("storage",) else None


def write_claim(path: Path, obj: object, *, legacy: bool) -> None:
    stream = io.BytesIO()
    ClaimPickler(stream, 2).dump(obj)
    if legacy:
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        start = [0x1950A86A20F9469CFC6C, 1001, system]
        head = b"".join(pickle.dumps(value, 2) for value in start)
        count = (2**29).to_bytes(8, "little")
        path.write_bytes(head + stream.getvalue() + pickle.dumps(["0"], 2) + count + bytes(64))
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", stream.getvalue())
        archive.writestr("a/data/0", bytes(64))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("count", "size", "stride"),
    [
        (2**29, (2**29,), (1,)),  # 2 GB that are not there
        (16, (2**29,), (1,)),
        (16, (2**29,), (0,)),  # one number, repeated
        (16, (4, 4), (2**40, 1)),
        (16, (2,) * 60, (0,) * 60),
        (-1, (1,), (1,)),
        (2**70, (1,), (1,)),
    ],
)
def test_a_tensor_larger_than_the_file_is_refused_without_taking_memory(
    tmp_path: Path, count: int, size: tuple[int, ...], stride: tuple[int, ...], legacy: bool
) -> None:
    path = tmp_path / "huge.pth"
    write_claim(path, {"weight": {"a": Claim(count, size, stride)}}, legacy=legacy)
    assert path.stat().st_size < 2000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VoiceFileError, match="damaged or incomplete"):
        read_state_file(path, VoiceFileError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_tensors_repeated_under_many_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.pth"
    shared = torch.zeros(100_000)
    torch.save({"weight": {str(i): shared for i in range(1000)}}, path)
    with pytest.raises(VoiceFileError, match="repeats its numbers"):
        read_state_file(path, VoiceFileError)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each hostile file in one process; that of the first also holds "before"."""
    folder = tmp_path_factory.mktemp("hostile")
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.hostile_checkpoints", str(folder)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-2000:]
    assert list(folder.iterdir()) == []
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", hostile_checkpoints.FILES)
def test_a_small_file_that_would_take_minutes_or_gigabytes_is_refused(
    hostile: dict[str, dict[str, Any]], name: str
) -> None:
    refusal = hostile[name]["refusal"]
    assert refusal is not None
    assert re.search("damaged or incomplete|far more objects|asks to run", refusal)
    growth = hostile[name]["peak_bytes"] - hostile[hostile_checkpoints.BASELINE]["peak_bytes"]
    assert growth < 200 * 2**20


def test_no_foreign_module_is_imported_and_no_extension_code_is_registered() -> None:
    before = set(sys.modules)
    copyreg.add_extension("os", "system", 1)
    try:
        for table in (b"}" + b"X\x01\0\0\0a" + b"cargparse_extra\nNamespace\ns.", b"\x82\x01."):
            with contextlib.suppress(PickleError, KeyError):
                read_pickle(io.BytesIO(b"\x80\x02" + table), lambda _: Storage(torch.empty(0)))
    finally:
        copyreg.remove_extension("os", "system", 1)
    assert set(sys.modules) <= before
    assert 1 not in copyreg._extension_cache  # type: ignore[attr-defined]


def test_a_signal_interrupts_the_reading(tmp_path: Path) -> None:
    """As Cancel and SIGTERM need it: a file that takes long to read does not block them."""

    class Stop(BaseException):
        pass

    def stop(_: int, __: object) -> None:
        raise Stop

    path = tmp_path / "long.pth"
    path.write_bytes(hostile_checkpoints.FILES["eight million sets"]())
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(Stop):
            read_state_file(path, VoiceFileError)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_ordinary_objects_beside_the_weights_stay_inert(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    beside = [Path("/music/aria"), dt.date(2026, 1, 2), Counter("ab"), deque([1])]
    torch.save({"weight": {"a": torch.ones(2)}, "beside": beside}, path)
    read = read_state_file(path, VoiceFileError)
    assert [type(value) for value in read["beside"]] == [Inert] * len(beside)
    assert torch.equal(read["weight"]["a"], torch.ones(2))


def test_a_pipe_or_device_is_refused_at_once_wherever_a_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(VoiceFileError, match="not a regular file"):
            read_state_file(path, VoiceFileError)
        with pytest.raises(NotAFileError):
            read_picture_header(path)
        with pytest.raises(NotAFileError):
            file_sha256(path)
        assert read_object(path) == {}
    os.mkfifo(tmp_path / "config.json")
    assert encoder_pair_id(tmp_path) is None
    with pytest.raises(WeightsError, match="cannot be opened"):
        read_sizes(tmp_path / "config.json")


def test_a_voice_whose_card_or_picture_is_a_pipe_is_listed_without_them(tmp_path: Path) -> None:
    (tmp_path / "voice.safetensors").write_bytes(b"x")
    for name in ("card.json", "picture.png", "range.json", "voice.index"):
        os.mkfifo(tmp_path / name)
    voice = read_voice(tmp_path)
    assert voice is not None
    assert (voice.name, voice.picture, voice.index) == (tmp_path.name, None, None)
    assert learnt_range(voice) is None


def test_a_large_training_checkpoint_is_within_the_budget(tmp_path: Path) -> None:
    """3,000 parameters and what an optimizer keeps of each."""
    weights = {f"layer.{number}.weight": torch.ones(2) for number in range(3_000)}
    moments = {n: {"exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)} for n in range(3_000)}
    optimizer = {"state": moments, "param_groups": [{"params": list(range(3_000))}]}
    path = tmp_path / "G_2333.pth"
    for way in (WAYS["zip"], WAYS["legacy"]):
        torch.save({"model": weights, "optimizer": optimizer}, path, **way)
        assert len(read_state_file(path, VoiceFileError)["model"]) == 3_000


@pytest.mark.parametrize("compressed", [True, False])
def test_a_compressed_or_incomplete_zip_is_refused(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in records.items():
            archive.writestr(name, data if compressed or not name.endswith("data/0") else data[:9])
    with pytest.raises(VoiceFileError, match="damaged or incomplete"):
        read_state_file(path, VoiceFileError)
