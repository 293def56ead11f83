"""Loudness of stems: energies of short frames, K-weighting, and the integrated level of BS.1770."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Energies = NDArray[np.float64]

GRID_HZ = 44_100
"""All stems of a cover have this rate; sample 0 is the song's first."""

FRAME_SAMPLES = 441
"""10 ms: the grid on which levels are judged."""
FRAMES_PER_S = GRID_HZ // FRAME_SAMPLES

_BLOCK_SAMPLES = 64 * FRAME_SAMPLES

_GATE_FRAMES = 40
_GATE_STEP = 10
_LOWEST_LUFS = -70.0
_RELATIVE_LU = 10.0
_OFFSET_LUFS = -0.691


class Track(Protocol):
    """Samples that can be read anywhere, e.g. `engine.audio.spool.Spool`."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end."""
        ...


@dataclass(frozen=True)
class Cut:
    """A part of a track as a track of its own; 0 <= start <= stop <= its length."""

    track: Track
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end."""
        block = self.track.read(self.start + start, self.start + stop)
        block[max(len(self) - start, 0) :] = 0
        return block


def blocks_of(track: Track, size: int = _BLOCK_SAMPLES) -> Iterator[Floats]:
    """All of a track, float32 [m, channels] at a time, m <= ``size``."""
    for start in range(0, len(track), size):
        yield track.read(start, min(start + size, len(track)))


def frame_energies(track: Track, *, weighted: bool = False) -> Energies:
    """Mean square of each frame of 10 ms; the last one is filled up with zeros.

    Parameters
    ----------
    track : at 44.1 kHz
    weighted : apply the K-weighting of ITU-R BS.1770 first

    Returns
    -------
    float64 [frames, channels], at least one frame
    """
    from scipy.signal import sosfilt

    sections = _k_weighting(GRID_HZ)
    state = None
    energies = []
    for block in blocks_of(track):
        samples = block.astype(np.float64)
        if weighted:
            if state is None:
                state = np.zeros((len(sections), 2, samples.shape[1]))
            samples, state = sosfilt(sections, samples, axis=0, zi=state)
        missing = -len(samples) % FRAME_SAMPLES
        framed = np.pad(samples, ((0, missing), (0, 0))).reshape(-1, FRAME_SAMPLES, block.shape[1])
        energies.append(np.einsum("ksc,ksc->kc", framed, framed) / FRAME_SAMPLES)
    return np.concatenate(energies) if energies else np.zeros((1, 1))


def integrated_lufs(weighted: Energies) -> float:
    """Loudness of a whole track by BS.1770-4: windows of 0.4 s, absolute and relative gate.

    Parameters
    ----------
    weighted : `frame_energies` with K-weighting; a mono track has one column

    Returns
    -------
    -70 where nothing is louder than that; a track shorter than 0.4 s is one window
    """
    total = weighted.sum(1)
    if len(total) < _GATE_FRAMES:
        windows = total.mean(keepdims=True)
    else:
        sums = np.concatenate([[0.0], np.cumsum(total)])
        windows = (sums[_GATE_FRAMES:] - sums[:-_GATE_FRAMES])[::_GATE_STEP] / _GATE_FRAMES
    audible = windows[lufs(windows) > _LOWEST_LUFS]
    if not len(audible):
        return _LOWEST_LUFS
    kept = audible[lufs(audible) > lufs(audible.mean()) - _RELATIVE_LU]
    return float(lufs(kept.mean()))


def lufs(energy: Energies | float) -> Energies:
    """K-weighted energy, summed over the channels, as loudness."""
    level: Energies = _OFFSET_LUFS + decibels(energy)
    return level


def decibels(energy: Energies | float) -> Energies:
    """Ten times the logarithm, at least -200."""
    level: Energies = 10 * np.log10(np.maximum(energy, 1e-20))
    return level


def _k_weighting(rate_hz: int) -> Energies:
    """Second-order sections of the two filters of BS.1770, float64 [2, 6].

    The standard lists coefficients for 48 kHz; these are the analogue filters behind them,
    transformed to any rate.
    """
    high_hz, gain_db, quality = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = np.tan(np.pi * high_hz / rate_hz)
    over = 10 ** (gain_db / 20)
    band = over**0.4996667741545416
    norm = 1 + k / quality + k * k
    shelf = [
        (over + band * k / quality + k * k) / norm,
        2 * (k * k - over) / norm,
        (over - band * k / quality + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / quality + k * k) / norm,
    ]
    low_hz, quality = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * low_hz / rate_hz)
    norm = 1 + k / quality + k * k
    pass_high = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / quality + k * k) / norm]
    return np.array([shelf, pass_high])
