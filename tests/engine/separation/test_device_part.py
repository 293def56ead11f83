"""Inside a piece nothing leaves the device, all numbers are real, and Metal can do all of it."""

from __future__ import annotations

import copy
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import ConversionCancelled, DeviceError
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.layers import without_weights
from engine.models.precision import to_half
from engine.models.roformer import N_FFT, Roformer, RoformerSizes
from engine.separation import examination
from engine.separation.separator import Separator
from engine.separation.song import Song, separate
from tests.engine.operator_table import runs_on_metal
from tests.engine.residency import Recorder
from tests.engine.second_device import SECOND
from tests.engine.separation.small_networks import CHUNK, song_samples

METAL_LIMIT = 65_536
KIM = RoformerSizes(mel=True, width=384, depth=6, mask_layers=3, mask_hidden=1536)
NETWORKS = {
    "htdemucs": HTDemucsSizes(),
    "mel": KIM,
    "bs": replace(KIM, mel=False, width=512, depth=12, mask_layers=2, mask_hidden=2048, stems=2),
}


def empty(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def record(kind: str, *, half: bool) -> Recorder:
    """A network of full size at work on one of its pieces."""
    sizes = NETWORKS[kind]
    # All blocks are alike, and so are every second of the other one's layers.
    sizes = replace(sizes, layers=2) if kind == "htdemucs" else replace(sizes, depth=1)
    with without_weights():
        network = HTDemucs(sizes) if isinstance(sizes, HTDemucsSizes) else Roformer(sizes)
    if half:
        to_half(network)
    with torch.inference_mode(), Recorder() as recorder:
        if isinstance(sizes, HTDemucsSizes):
            n = sizes.segment_samples
            bins, wave = network(empty(2048, 336, 4), empty(n, 2), slice(3, 4))
            assert (bins.shape, wave.shape) == ((2048, 336, 4), (n, 2))
        else:
            bins = network(empty(801, N_FFT // 2 + 1, 2, 2), slice(0, 1))
            assert bins.shape == (1, 801, 1025, 2, 2)
        assert (bins.is_meta, bins.dtype) == (True, torch.float32)
    return recorder


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_piece_stays_on_its_device_and_metal_can_run_it(kind: str, half: bool) -> None:
    recorder = record(kind, half=half)
    assert recorder.operators
    assert recorder.reads == []
    assert recorder.doubles == []
    assert {name for name in recorder.operators if not runs_on_metal(name)} == set()
    assert not any("complex" in name or "fft" in name for name in recorder.operators)
    assert recorder.longest_conv <= METAL_LIMIT


def test_the_published_sizes_follow_from_ours() -> None:
    """Numbers of parameters that covers are known to need; four bytes each."""
    expected = {"htdemucs": 41_984_456, "mel": 228_202_852, "bs": 159_758_092}
    for kind, sizes in NETWORKS.items():
        with without_weights():
            if isinstance(sizes, HTDemucsSizes):
                network: torch.nn.Module = HTDemucs(sizes)
            else:
                network = Roformer(replace(sizes, stems=1))
        state = network.state_dict()
        sizes_of = [tensor.numel() for name, tensor in state.items() if "rotary" not in name]
        shared = 0 if kind == "htdemucs" else 2 * 32  # every block has the same two rotations
        assert sum(sizes_of) + shared == expected[kind]


class TwoDevices(Separator):
    """The second device, here another name of the CPU, may return other numbers or fail."""

    fault = ""

    @classmethod
    def like(cls, separator: Separator) -> TwoDevices:
        """The same network, not compared yet."""
        fresh = cls.__new__(cls)
        fresh.__dict__.update(separator.__dict__)
        fresh.notes, fresh._choices, fresh._refused = [], {}, set()
        return fresh

    def run_noise(self, device: str, frames: int) -> Tensor:
        result = super().run_noise(device, frames)
        if device == "cpu":
            return result
        if self.fault == "fails":
            raise NotImplementedError("The operator is not implemented")
        return {"wrong": result + 0.1, "nan": result * torch.nan}.get(self.fault, result)


@pytest.fixture(autouse=True)
def _any_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only results count here: both devices are the same processor."""
    monkeypatch.setattr(examination, "SLOWER_RATIO", float("inf"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("", None),
        ("wrong", "cpu:0 gives other numbers than the CPU (.* dB)"),
        ("nan", "cpu:0 returned NaN or infinite values"),
        ("fails", "cpu:0 cannot run it (The operator is not implemented)"),
    ],
)
@pytest.mark.parametrize("kind", ["htdemucs", "mel"])
def test_a_device_is_compared_with_the_cpu_before_its_first_use(
    kind: str, fault: str, words: str | None, separators: dict[str, Separator]
) -> None:
    separator = TwoDevices.like(separators[kind])
    separator.fault = fault
    separator.to(SECOND)
    assert separator.device == ("cpu" if words else SECOND)
    if words:
        (note,) = separator.notes
        words = words.replace("(", r"\(").replace(")", r"\)")
        assert re.fullmatch(f"the separation runs on the CPU, because {words}", str(note))
        separator.to(SECOND)
        assert (separator.device, len(separator.notes)) == ("cpu", 1)


def test_a_move_that_fails_half_way_is_undone(
    separators: dict[str, Separator], monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = copy.copy(separators["mel"])
    separator.notes, separator._choices, separator._refused = [], {}, set()
    moves: list[str] = []

    def move(device: str) -> None:
        moves.append(device)
        if device == "meta":
            raise RuntimeError("out of memory")

    monkeypatch.setattr(separator._network, "to", move)
    separator.to("meta")
    assert moves == ["meta", "cpu"]
    assert separator.device == "cpu"


def test_a_cancel_is_heard_in_the_middle_of_a_piece_where_a_device_is_refused(
    separators: dict[str, Separator], tmp_path: Path
) -> None:
    separator = TwoDevices.like(separators["mel"])
    separator.fault = "fails"
    separator.to(SECOND)
    song_samples(4410).tofile(tmp_path / "song")
    asked: list[None] = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) > 20

    with pytest.raises(ConversionCancelled):
        separate(
            Song.open(tmp_path / "song"), separator, tmp_path / "v", device=SECOND,
            cancelled=cancelled,
        )  # fmt: skip
    assert len(asked) == 21


def test_a_device_without_memory_gives_way_to_the_cpu(
    separators: dict[str, Separator], monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = TwoDevices.like(separators["htdemucs"])
    piece = song_samples(CHUNK)
    expected = separator.separate(piece)
    separator.to(SECOND)
    network = separator._network.separate
    calls: list[str] = []

    def full(*arguments: object) -> Tensor:
        calls.append(separator.device)
        assert sys.exception() is None  # which would keep the tensors of its frames
        if separator.device == SECOND:
            raise RuntimeError("MPS backend out of memory")
        return network(*arguments)

    monkeypatch.setattr(separator._network, "separate", full)
    assert np.array_equal(separator.separate(piece), expected)
    assert calls == [SECOND, "cpu"]
    assert "not enough memory on cpu:0" in str(separator.notes[0])
    separator.to(SECOND)
    assert separator.device == "cpu"

    def fuller(*_: object) -> Tensor:
        raise MemoryError

    monkeypatch.setattr(separator._network, "separate", fuller)
    with pytest.raises(DeviceError, match="there is not enough memory"):
        separator.separate(piece)
