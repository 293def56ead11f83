"""A true-peak limiter that touches a mix only where it is too loud, and shortly around that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.cover.loudness import Cut, Track, blocks_of

Floats = NDArray[np.float32]

CEILING = 10 ** (-1.0 / 20)
"""-1 dB true peak: what lossy encoders need in order not to clip."""

_MARGIN = 10 ** (-0.1 / 20)
"""Aimed below the ceiling: the gain changes between the samples that were examined."""

_OVERSAMPLING = 4
_CONTEXT_SAMPLES = 64
"""Neighbours that the interpolation of a block's first and last samples needs."""

_STEP_SAMPLES = 48
"""The gain is found on this grid, about 1 ms."""
_BLOCK_STEPS = 1 << 8
_MOST_ROUNDS = 4
_LOOK_AHEAD_STEPS = 5
_RELEASE_STEPS = 80
_REACH_BEFORE_STEPS = _MOST_ROUNDS * (_RELEASE_STEPS + 4) + _BLOCK_STEPS
"""How far back what is too loud can change the gain; a block more, for its own edge is inexact."""
_REACH_AFTER_STEPS = _MOST_ROUNDS * (_LOOK_AHEAD_STEPS + 4) + _BLOCK_STEPS


def true_peaks(track: Track, only: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Greatest value also between the samples, four times oversampled, over all channels.

    Parameters
    ----------
    track : float32 [n, channels] at any rate
    only : bool [steps]  where it is needed; elsewhere a part may be left at 0

    Returns
    -------
    float64 [steps], one value for each 48 samples
    """
    from scipy.signal import resample_poly

    n_steps = -(-len(track) // _STEP_SAMPLES)
    peaks = np.zeros(n_steps)
    for first in range(0, n_steps, _BLOCK_STEPS):
        last = min(first + _BLOCK_STEPS, n_steps)
        if only is not None and not only[first:last].any():
            continue
        start, stop = first * _STEP_SAMPLES, last * _STEP_SAMPLES
        low = max(start - _CONTEXT_SAMPLES, 0)
        wide = track.read(low, min(stop + _CONTEXT_SAMPLES, len(track)))
        wide = np.pad(wide, ((0, stop + _CONTEXT_SAMPLES - low - len(wide)), (0, 0)))
        fine = np.abs(resample_poly(wide.astype(np.float64), _OVERSAMPLING, 1, axis=0)).max(1)
        fine = fine[(start - low) * _OVERSAMPLING :][: (stop - start) * _OVERSAMPLING]
        peaks[first:last] = fine.reshape(last - first, -1).max(1)
    return peaks


def limited_blocks(track: Track, ceiling: float = CEILING) -> Iterator[Floats]:
    """The track with its overs turned down: 5 ms before each, back to full gain 80 ms after it.

    Elsewhere the samples are the same bits. All channels share one gain.

    Parameters
    ----------
    track : float32 [n, channels]
    ceiling : greatest true peak of the result

    Yields
    ------
    float32 [m, channels], n in all
    """
    aim = ceiling * _MARGIN
    peaks = true_peaks(track)
    wanted = np.ones(len(peaks))
    limited: Track = track
    for _ in range(_MOST_ROUNDS):
        over = peaks > (ceiling if limited is track else aim)
        if not over.any():
            break
        wanted[over] *= aim / peaks[over]
        limited = _Limited(track, _spread(1.0 - wanted))
        # A gain that changes shifts the peaks between samples a little: look again.
        peaks = true_peaks(limited, only=wanted < 1.0)
    return blocks_of(limited)


def limited_stretch(track: Track, start: int, stop: int, ceiling: float = CEILING) -> Floats:
    """A stretch of what `limited_blocks` gives, the same bits, without reading all of the track.

    Parameters
    ----------
    track : float32 [n, channels]
    start, stop : 0 <= start < stop <= n

    Returns
    -------
    float32 [stop - start, channels]
    """
    block = _BLOCK_STEPS * _STEP_SAMPLES  # whole ones: what is looked at again depends on them
    first = max(start - _REACH_BEFORE_STEPS * _STEP_SAMPLES, 0) // block * block
    last = min(-(-(stop + _REACH_AFTER_STEPS * _STEP_SAMPLES) // block) * block, len(track))
    made = np.concatenate([*limited_blocks(Cut(track, first, last), ceiling)])
    return made[start - first : stop - first]


class _Limited:
    """A track with a gain of its own for each step."""

    def __init__(self, track: Track, reduction: NDArray[np.float64]) -> None:
        self._track = track
        # Between two steps the greater reduction holds, so that a straight line covers both.
        self._edges = np.maximum(np.pad(reduction, (1, 0)), np.pad(reduction, (0, 1)))

    def __len__(self) -> int:
        return len(self._track)

    def read(self, start: int, stop: int) -> Floats:
        block = self._track.read(start, stop)
        first, last = start // _STEP_SAMPLES, -(-stop // _STEP_SAMPLES)
        edges = self._edges[first : last + 1]
        if not edges.any():
            return block
        places = np.arange(first, first + len(edges)) * _STEP_SAMPLES
        gain = 1.0 - np.interp(np.arange(start, stop), places, edges)
        limited: Floats = (block * gain[:, None]).astype(np.float32)
        return limited


def _spread(reduction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Begin each reduction earlier and let it fade out slowly."""
    widest = reduction.copy()
    if not reduction.any():
        return widest
    attack = 1 - np.arange(1, _LOOK_AHEAD_STEPS + 1) / (_LOOK_AHEAD_STEPS + 1)
    for steps, share in enumerate(attack, start=1):
        np.maximum(widest[:-steps], reduction[steps:] * share, out=widest[:-steps])
    release = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, _RELEASE_STEPS) / _RELEASE_STEPS)
    for steps, share in enumerate(release, start=1):
        np.maximum(widest[steps:], reduction[:-steps] * share, out=widest[steps:])
    return widest
