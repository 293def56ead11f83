"""Windows are self-contained, and their joined sound has no seam."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine import ConversionOptions
from engine.audio.spool import Spool
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES, Piece
from engine.window import CROSSFADE_FRAMES, SMALLEST_PIECE_FRAMES, Joiner, Window

RNG = np.random.default_rng(2)


def window(start: int, stop: int, frames: int, channels: int = 1) -> Window:
    """A window on a source of this length; each value tells its place in the source."""
    length = stop - start + 2 * CONTEXT_FRAMES
    places = torch.arange(start, start + length)
    samples = torch.arange(length * HOP_SAMPLES) + start * HOP_SAMPLES
    return Window(
        options=ConversionOptions(),
        piece=Piece(start, stop),
        start=start,
        samples=samples.float().expand(channels, -1),
        f0_hz=places.float(),
        coarse=places,
        phase_cycles=places.float(),
        active=np.ones(length, np.bool_),
        fade_in=start > 0,
        fade_out=stop < frames,
    )


def joined(whole: np.ndarray, hop: int, windows: list[Window]) -> np.ndarray:
    output = Spool(len(whole))
    joiner = Joiner(output, hop)
    for each in windows:
        first = each.first_frame * hop
        low, high = each.used_frames()
        joiner.add(each, whole[:, first : first + (high - low) * hop])
    return output.read(0, whole.shape[1]).T


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_joined_windows_of_one_signal_are_that_signal(order: tuple[int, ...]) -> None:
    hop, frames = 40, 1000
    whole = RNG.standard_normal((2, frames * hop)).astype(np.float32)
    cuts = [(0, 317), (317, 700), (700, 1000)]
    windows = [window(*cuts[k], frames, 2) for k in order]
    assert np.abs(joined(whole, hop, windows) - whole).max() < 1e-6


def test_the_halves_of_a_window_are_windows_of_the_same_source() -> None:
    hop, frames = 40, 1500
    whole = RNG.standard_normal((1, frames * hop)).astype(np.float32)
    first, second = window(0, 700, frames), window(700, 1500, frames)
    halves = second.halves()
    assert halves is not None
    for half in halves:
        expected = window(half.piece.start, half.piece.stop, frames)
        assert half.start == expected.start
        assert half.frames == expected.frames
        assert (half.fade_in, half.fade_out) == (expected.fade_in, expected.fade_out)
        for name in ("samples", "f0_hz", "coarse", "phase_cycles"):
            assert torch.equal(getattr(half, name), getattr(expected, name))
    assert np.abs(joined(whole, hop, [first, *halves]) - whole).max() < 1e-6


def test_a_short_window_is_not_halved() -> None:
    assert window(0, 2 * SMALLEST_PIECE_FRAMES - 1, 5000).halves() is None
    assert window(0, 2 * SMALLEST_PIECE_FRAMES, 5000).halves() is not None


def test_a_step_between_pieces_becomes_a_ramp_of_20_ms() -> None:
    hop, frames = 100, 40
    output = Spool(1)
    joiner = Joiner(output, hop)
    for each, level in ((window(0, 20, frames), 0.0), (window(20, 40, frames), 1.0)):
        low, high = each.used_frames()
        joiner.add(each, np.full((1, (high - low) * hop), level, np.float32))
    sound = output.read(0, frames * hop)[:, 0]
    assert np.abs(np.diff(sound)).max() < 1.5 / (CROSSFADE_FRAMES * hop)
    assert sound[0] == 0
    assert sound[-1] == 1
