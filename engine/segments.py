"""Cut a long source into pieces, find its silence, and join the results without a seam.

Positions are counted in frames of 10 ms (160 samples at 16 kHz), the step of pitch and synthesis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ANALYSIS_RATE_HZ = 16_000
"""What the content encoder and the pitch networks were trained on."""

HOP_SAMPLES = 160
FRAMES_PER_SECOND = ANALYSIS_RATE_HZ // HOP_SAMPLES
CONTEXT_FRAMES = 100
"""One second of neighbouring sound on both sides of each piece, synthesised and dropped."""

MAX_PIECE_FRAMES = 4100
"""Files up to 41 s go through in one piece, as in the reference implementations."""
CUT_EVERY_FRAMES = 3800
CUT_SEARCH_FRAMES = 600
"""A cut is made at the quietest point within 6 s of every 38 s."""

BUCKET_FRAMES = (600, 1100, 2100, 4600)
"""Lengths of pieces with their context: 6, 11, 21 and 46 s."""

SILENCE_RMS = 1e-3
"""-60 dB of full scale: louder frames are never silent."""
SILENCE_BELOW_LOUD = 1e-2
"""-40 dB against the loud frames of the same source, for sources that are quiet as a whole."""
LOUD_PERCENTILE = 95
SILENCE_GUARD_FRAMES = 10
"""100 ms on both sides of audible sound, for attack and decay."""
MIN_SILENCE_FRAMES = 30
"""Shorter gaps are synthesised: skipping them saves nothing."""

_STEP_FRAMES = 6_000
"""A minute is measured at a time."""

Floats = NDArray[np.float32]
Read = Callable[[int, int], Floats]
"""Gives samples from a start to before a stop; zero beyond the end."""


@dataclass(frozen=True)
class Piece:
    """Frames ``[start, stop)`` of the source that are synthesised together."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        """Length without context."""
        return self.stop - self.start


def count_frames(n_samples: int, rate_hz: int) -> int:
    """Frames of 10 ms that cover a source, the last one perhaps only partly."""
    return -(-n_samples * FRAMES_PER_SECOND // rate_hz)


def plan_pieces(read: Read, frames: int) -> tuple[Piece, ...]:
    """Cut a source at its quietest points.

    Parameters
    ----------
    read : gives float32 [m], mono, 16 kHz
    frames : length of the source

    Returns
    -------
    pieces that cover ``[0, frames)`` without gap or overlap
    """
    if frames <= MAX_PIECE_FRAMES:
        return (Piece(0, frames),)
    loudness = frame_loudness(read, frames)
    cuts = [0]
    while frames - cuts[-1] > MAX_PIECE_FRAMES:
        aim = cuts[-1] + CUT_EVERY_FRAMES
        low = aim - CUT_SEARCH_FRAMES
        high = min(aim + CUT_SEARCH_FRAMES, frames - CONTEXT_FRAMES)
        cuts.append(low + int(np.argmin(loudness[low:high])))
    cuts.append(frames)
    return tuple(Piece(start, stop) for start, stop in pairwise(cuts))


def frame_loudness(read: Read, frames: int) -> NDArray[np.float64]:
    """Sum of |x| over the 160 samples centred on the start of each frame, float64 [frames]."""
    half = HOP_SAMPLES // 2
    halves = np.zeros(2 * frames)
    for first in range(0, frames, _STEP_FRAMES):
        last = min(first + _STEP_FRAMES, frames)
        part = np.abs(read(first * HOP_SAMPLES, last * HOP_SAMPLES))
        sums = part.reshape(-1, half).sum(1, dtype=np.float64)
        halves[2 * first : 2 * last] = sums
    halves[2::2] += halves[1:-1:2]
    return halves[::2]


def active_frames(read: Read, frames: int) -> NDArray[np.bool_]:
    """Where a source is not silent, bool [frames].

    A frame is silent where it and everything within `SILENCE_GUARD_FRAMES` is below the
    threshold, and that lasts longer than `MIN_SILENCE_FRAMES`.

    Parameters
    ----------
    read : gives float32 [m, channels], 16 kHz
    frames : length of the source
    """
    power = np.zeros(frames)
    for first in range(0, frames, _STEP_FRAMES):
        last = min(first + _STEP_FRAMES, frames)
        part = np.ascontiguousarray(read(first * HOP_SAMPLES, last * HOP_SAMPLES).T)
        squares = np.square(part.reshape(len(part), -1, HOP_SAMPLES)).mean(2)
        power[first:last] = squares.max(0)
    usual = np.percentile(power, LOUD_PERCENTILE) * SILENCE_BELOW_LOUD**2
    loud = np.flatnonzero(power > min(SILENCE_RMS**2, float(usual)))
    active = np.zeros(frames, np.bool_)
    if not len(loud):
        return active
    gap = 2 * SILENCE_GUARD_FRAMES + MIN_SILENCE_FRAMES
    starts = np.flatnonzero(np.diff(loud, prepend=loud[0] - gap - 1) > gap)
    stops = np.append(starts[1:], len(loud))
    for start, stop in zip(starts, stops, strict=True):
        low = max(loud[start] - SILENCE_GUARD_FRAMES, 0)
        active[low : loud[stop - 1] + SILENCE_GUARD_FRAMES + 1] = True
    return active


def silence_gain(active: NDArray[np.bool_], start: int, stop: int, hop_samples: int) -> Floats:
    """Gain of each output sample of frames ``[start, stop)``: 1 where active, 0 where not.

    Between them a straight line over the outermost active frame, which is guard.
    """
    inner = active[:-1] & active[1:]
    at_edges = np.concatenate([active[:1], inner, active[-1:]]).astype(np.float32)
    positions = start + np.arange((stop - start) * hop_samples) / hop_samples
    gain = np.interp(positions, np.arange(start, stop + 1), at_edges[start : stop + 1])
    return gain.astype(np.float32)


def window_frames(piece: Piece, *, buckets: bool) -> int:
    """Frames that go through the networks for a piece: itself and its context.

    With ``buckets`` this is rounded up to one of a few lengths, by taking more context.
    """
    needed = piece.frames + 2 * CONTEXT_FRAMES
    if not buckets:
        return needed
    return next((size for size in BUCKET_FRAMES if size >= needed), needed)
