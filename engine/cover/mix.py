"""Tracks that are made while they are read, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from engine.audio.resampling import fit_length, resample_blocks, resampled_length
from engine.audio.source import Sound
from engine.audio.spool import Spool
from engine.cover.loudness import GRID_HZ, Floats, Track, blocks_of
from engine.cover.options import PARTS, Part
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


def rendered(
    bed: Sound | None,
    vocals: Track | None,
    voices: Mapping[Part, Track],
    rate_hz: int,
    channels: int,
) -> dict[Part, Sound]:
    """The parts of a cover at its own rate, all of one length.

    The bed is never resampled where it has that rate. Where the voices are what was taken out of
    it, the sum of the parts is the bed.

    Parameters
    ----------
    bed : what the voices are added to; None where there is nothing
    vocals : at 44.1 kHz, what has to be taken out of the bed; None where there is nothing
    voices : the other parts at 44.1 kHz
    rate_hz : of the result
    channels : of the result, 1 or 2

    Returns
    -------
    float32 [n, channels] each, as long as the longest of all
    """
    tracks = [*voices.values(), *([] if vocals is None else [vocals])]
    n = max((resampled_length(len(each), GRID_HZ, rate_hz) for each in tracks), default=0)
    if bed is not None:
        n = max(n, resampled_length(bed.n_frames, bed.rate_hz, rate_hz))

    def at_rate(sound: Sound) -> Iterator[Floats]:
        blocks = resample_blocks(sound.blocks(), sound.rate_hz, rate_hz)
        for block in fit_length(blocks, n, sound.channels):
            yield _fitted(block, channels)

    def instruments(bed: Sound, vocals: Track) -> Iterator[Floats]:
        removed, start = Spool(channels), 0
        for block in at_rate(sound_of(vocals, 2)):
            removed.append(block)
        for block in at_rate(bed):
            yield block - removed.read(start, start + len(block))
            start += len(block)

    made: dict[Part, Callable[[], Iterator[Floats]]] = {
        part: partial(at_rate, sound_of(track, 2)) for part, track in voices.items()
    }
    if bed is not None:
        whole = partial(at_rate, bed)
        made["instrumental"] = whole if vocals is None else partial(instruments, bed, vocals)
    return {part: Sound(rate_hz, n, channels, made[part]) for part in PARTS if part in made}


@dataclass(frozen=True)
class Mix:
    """The sum of the parts of a cover, made while it is read.

    Attributes
    ----------
    parts : float32 [n, channels] each
    gains : factor of each part
    """

    parts: Mapping[Part, Track]
    gains: Mapping[Part, float]
    channels: int

    def __len__(self) -> int:
        return max(map(len, self.parts.values()), default=0)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end."""
        heard = {
            part: track.read(start, stop) for part, track in self.parts.items() if self.gains[part]
        }
        return added(heard, self.gains, np.zeros((stop - start, self.channels), np.float32))


def added(blocks: Mapping[Part, Floats], gains: Mapping[Part, float], total: Floats) -> Floats:
    """Add blocks of parts with their gains to ``total``, float32 [n, channels], and return it."""
    for part in PARTS:
        if part in blocks and gains[part]:
            total += np.float32(gains[part]) * blocks[part]
    return total


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


def spooled(sound: Sound) -> Spool:
    """All of a sound as a track, in memory while it is short."""
    kept = Spool(sound.channels)
    for block in sound.blocks():
        kept.append(block)
    return kept


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
