"""Songs in half precision: close to float32, and in float32 where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import Converter, OptimizationConfig
from engine import device as devices
from engine.cover.cover import Cover
from engine.cover.options import CoverNetworks, CoverOptions
from engine.models.precision import to_half
from engine.separation import examination
from engine.separation.network_file import read_network
from engine.separation.separator import Separator
from engine.separation.song import Song, separate
from tests.engine.separation.small_networks import CHUNK, KINDS, song_samples, write_network
from tests.sound import agreement_db

OVERFLOW = (
    "the separation runs in full precision, because half precision returned NaN or infinite values"
)


@pytest.fixture(autouse=True)
def _bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine computes faster in 16 bits, whatever it is."""
    monkeypatch.setattr(devices, "half_type", lambda _: torch.bfloat16)


@pytest.mark.parametrize(("dtype", "least_db"), [(torch.float16, 50), (torch.bfloat16, 30)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_in_half_precision_is_close_to_float32(
    kind: str, dtype: torch.dtype, least_db: float, tmp_path: Path
) -> None:
    network = read_network(write_network(kind, tmp_path)).network
    audio = torch.from_numpy(song_samples(CHUNK).T.copy())
    expected = network.separate(audio, slice(0, 1))
    sizes = [sum(each.numel() * each.element_size() for each in network.parameters())]
    to_half(network, dtype)
    sizes.append(sum(each.numel() * each.element_size() for each in network.parameters()))
    found = network.separate(audio, slice(0, 1))
    level_db = agreement_db(found.numpy(), expected.numpy())
    print(f"{kind}, {dtype}: {level_db:.0f} dB, {sizes[1] / sizes[0]:.2f} of the weights")
    assert found.dtype == torch.float32
    assert least_db < level_db < 110  # another precision, but the same network
    assert sizes[1] < 0.6 * sizes[0]


def separated(separator: Separator) -> np.ndarray:
    return separator.separate(song_samples(CHUNK))


def test_a_separator_is_rounded_once_and_stays_so(tmp_path: Path) -> None:
    path = write_network("mel", tmp_path)
    exact, rounded = Separator.open(path), Separator.open(path)
    for _ in range(2):
        rounded.to("cpu", half=True)
    assert rounded.is_half
    assert rounded.notes == []
    assert 25 < agreement_db(separated(rounded), separated(exact)) < 110
    exact.to("cpu")
    assert not exact.is_half


def test_where_half_precision_changes_too_much_float32_is_used_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "LEAST_HALF_DB", 200.0)
    path = write_network("htdemucs", tmp_path)
    separator = Separator.open(path)
    for _ in range(2):
        separator.to("cpu", half=True)
    assert not separator.is_half
    assert [str(note) for note in separator.notes] == [
        "the separation runs in full precision, because half precision changes the result too much"
    ]
    np.testing.assert_array_equal(separated(separator), separated(Separator.open(path)))


def overflowing(network: nn.Module, after: int) -> Callable[..., Tensor]:
    """A network that returns infinite values once it was called so often."""
    calls: list[None] = []
    separate_piece = network.separate

    def give(audio: Tensor, stems: slice) -> Tensor:
        calls.append(None)
        made = torch.as_tensor(separate_piece(audio, stems))
        return made if len(calls) <= after else made * float("inf")

    return give


def test_a_piece_that_overflows_is_separated_again_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_network("htdemucs", tmp_path)
    separator = Separator.open(path)
    separator.to("cpu", half=True)
    monkeypatch.setattr(
        separator._network, "separate", overflowing(separator._network, 0), raising=False
    )
    song_samples(CHUNK).tofile(tmp_path / "song")
    song = Song.open(tmp_path / "song")
    found = separate(song, separator, tmp_path / "found", half=True)
    assert [str(note) for note in separator.notes] == [OVERFLOW]
    expected = separate(song, path, tmp_path / "expected")
    assert found.path.read_bytes() == expected.path.read_bytes()


def test_stems_of_another_precision_are_others(tmp_path: Path) -> None:
    networks = CoverNetworks(write_network("mel", tmp_path))
    keys = set()
    for half in (False, True):
        config = OptimizationConfig(device="cpu", use_fp16=half)
        stems = Cover(Converter(tmp_path, config), networks, tmp_path / "cache").stems
        network = stems.used(CoverOptions())[0]
        assert network is not None
        keys.add(stems.network_key(network, None))
    assert len(keys) == 2
