"""Tracks that are made while they are read, and their sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.audio.resampling import fit_length, resample_blocks, resampled_length
from engine.audio.source import Sound
from engine.audio.spool import Spool
from engine.cover.loudness import GRID_HZ, Floats, Track, blocks_of
from engine.cover.placement import VoicePlacement


@dataclass(frozen=True)
class Difference:
    """One track minus another: what separation left over, on the very same samples."""

    whole: Track
    part: Track

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end."""
        difference: Floats = self.whole.read(start, stop) - self.part.read(start, stop)
        return difference


@dataclass(frozen=True)
class PlacedVoice:
    """A converted voice with its gains, float32 [n, 2]."""

    voice: Track
    placement: VoicePlacement

    def __len__(self) -> int:
        return len(self.voice)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, 2], zero beyond the end."""
        return self.placement.applied(start, self.voice.read(start, stop))


@dataclass(frozen=True)
class Layer:
    """A track at 44.1 kHz with its factor in the mix."""

    track: Track
    gain: float


def mixed(
    bed: Sound | None, bed_gain: float, layers: Sequence[Layer], rate_hz: int, channels: int
) -> Spool:
    """Add layers at 44.1 kHz to a sound at any rate.

    The bed is never resampled where it has the rate of the result, so a mix whose layers add up
    to nothing is the bed, bit for bit.

    Parameters
    ----------
    bed : what the layers are added to; None is silence
    rate_hz : of the result
    channels : of the result, 1 or 2

    Returns
    -------
    float32 [n, channels], as long as the longest of all
    """
    n_grid = max((len(layer.track) for layer in layers), default=0)
    n = resampled_length(n_grid, GRID_HZ, rate_hz)
    if bed is not None:
        n = max(n, resampled_length(bed.n_frames, bed.rate_hz, rate_hz))
    result = Spool(channels)
    added = resample_blocks(_sum(layers, n_grid), GRID_HZ, rate_hz)
    for block in fit_length(added, n):
        result.append(_fitted(block, channels))
    if bed is None:
        return result
    start = 0
    blocks = bed.blocks() if bed.rate_hz == rate_hz else _resampled(bed, rate_hz)
    for block in blocks:
        block = _fitted(block, channels)[: n - start]
        there = result.read(start, start + len(block))
        result.write(start, there + np.float32(bed_gain) * block)
        start += len(block)
    return result


def _resampled(bed: Sound, rate_hz: int) -> Iterator[Floats]:
    n = resampled_length(bed.n_frames, bed.rate_hz, rate_hz)
    return fit_length(resample_blocks(bed.blocks(), bed.rate_hz, rate_hz), n)


def _sum(layers: Sequence[Layer], n: int) -> Iterator[Floats]:
    heard = [layer for layer in layers if layer.gain]
    size = 1 << 16
    for start in range(0, n, size):
        stop = min(start + size, n)
        total = np.zeros((stop - start, 2), np.float32)
        for layer in heard:
            total += np.float32(layer.gain) * layer.track.read(start, stop)
        yield total


def _fitted(block: Floats, channels: int) -> Floats:
    """The block spread or mixed to a number of channels."""
    if block.shape[1] == channels:
        return block
    if channels == 1:
        mean: Floats = block.mean(1, keepdims=True)
        return mean
    return np.repeat(block, channels, axis=1)


def sound_of(track: Track, channels: int, rate_hz: int = GRID_HZ) -> Sound:
    """A track as a sound that can be written or converted."""
    return Sound(rate_hz, len(track), channels, lambda: blocks_of(track))


def energy_of(track: Track) -> float:
    """Sum of squares."""
    return float(sum(_energy(block) for block in blocks_of(track)))


def _energy(block: Floats) -> float:
    return float(np.einsum("nc,nc->", block, block, dtype=np.float64))


def window_correlation(first: Track, second: Track, window: int = GRID_HZ // 2) -> float:
    """Median of the correlation of two tracks over windows of half a second; 0 where none is loud.

    Windows in which either track is more than 40 dB below its loudest are left out.
    """
    rows = []
    for one, other in zip(blocks_of(first, window), blocks_of(second, window), strict=True):
        a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
        rows.append((a @ b, a @ a, b @ b))
    if not rows:
        return 0.0
    cross, left, right = np.array(rows).T
    loud = (left > 1e-4 * left.max()) & (right > 1e-4 * right.max()) & (left > 0) & (right > 0)
    if not loud.any():
        return 0.0
    return float(np.median(cross[loud] / np.sqrt(left[loud] * right[loud])))
