"""Cutting a long source into pieces, their context, and joining the results without a seam.

Positions are counted in frames of 10 ms (160 samples at 16 kHz), the step of pitch and synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ANALYSIS_RATE_HZ = 16_000
"""What the content encoder and the pitch networks were trained on."""

HOP_SAMPLES = 160
FRAMES_PER_SECOND = ANALYSIS_RATE_HZ // HOP_SAMPLES
CONTEXT_FRAMES = 100
"""One second of neighbouring sound on both sides of each piece, synthesised and thrown away."""

MAX_PIECE_FRAMES = 4100
"""Files up to 41 s go through in one piece, as in the reference implementations."""
CUT_EVERY_FRAMES = 3800
CUT_SEARCH_FRAMES = 600
"""A cut is made at the quietest point within 6 s of every 38 s."""

BUCKET_FRAMES = (600, 1100, 2100, 4600)
"""Lengths of pieces with their context: 6, 11, 21 and 46 s."""

SILENCE_RMS = 1e-3
"""-60 dB of full scale: louder is never taken for silence."""
SILENCE_BELOW_LOUD = 1e-2
"""-40 dB against the loud frames of the same source, which matters where it is quiet as a whole."""
LOUD_PERCENTILE = 95
SILENCE_GUARD_FRAMES = 10
"""100 ms on both sides of what is heard: room for the attack and the tail."""
MIN_SILENCE_FRAMES = 30
"""Shorter gaps are synthesised: nothing would be gained."""

_HALVES_AT_A_TIME = 12_000
"""Halves of frames, 5 ms each, that are looked at together: a minute."""

CROSSFADE_FRAMES = 2
"""20 ms round each joint, in which one piece fades into the next (both run on in phase)."""


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


def plan_pieces(audio: NDArray[np.float32], frames: int) -> tuple[Piece, ...]:
    """Cut a source at its quietest points.

    Parameters
    ----------
    audio : float32 [n]  mono, 16 kHz
    frames : its length in frames

    Returns
    -------
    pieces that cover ``[0, frames)`` without gap or overlap
    """
    if frames <= MAX_PIECE_FRAMES:
        return (Piece(0, frames),)
    loudness = _frame_loudness(audio, frames)
    cuts = [0]
    while frames - cuts[-1] > MAX_PIECE_FRAMES:
        aim = cuts[-1] + CUT_EVERY_FRAMES
        low = aim - CUT_SEARCH_FRAMES
        high = min(aim + CUT_SEARCH_FRAMES, frames - CONTEXT_FRAMES)
        cuts.append(low + int(np.argmin(loudness[low:high])))
    cuts.append(frames)
    return tuple(Piece(start, stop) for start, stop in pairwise(cuts))


def _frame_loudness(audio: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Sum of |x| over the 160 samples centred on the start of each frame, float64 [frames]."""
    half = HOP_SAMPLES // 2
    halves = np.zeros(2 * frames)
    # A minute at a time: at once, numpy would keep every other thread waiting for seconds.
    for first in range(0, 2 * frames, _HALVES_AT_A_TIME):
        part = np.abs(audio[first * half : (first + _HALVES_AT_A_TIME) * half])
        sums = np.add.reduceat(part, np.arange(0, len(part), half), dtype=np.float64)
        sums = sums[: 2 * frames - first]
        halves[first : first + len(sums)] = sums
    halves[2::2] += halves[1:-1:2]
    return halves[::2]


def pad_context(
    audio: NDArray[np.float32], frames: int, padded_frames: int | None = None
) -> NDArray[np.float32]:
    """Mirror one second of sound at both ends and fill up the last frame.

    Parameters
    ----------
    audio : float32 [..., n]
    frames : of the source
    padded_frames : wanted length, if more than ``frames + 2 * CONTEXT_FRAMES``; what is missing
        is mirrored at the end

    Returns
    -------
    float32 [..., padded_frames * HOP_SAMPLES]
    """
    context = CONTEXT_FRAMES * HOP_SAMPLES
    total = (padded_frames or frames + 2 * CONTEXT_FRAMES) * HOP_SAMPLES
    audio = audio[..., : frames * HOP_SAMPLES]
    mode = "reflect" if audio.shape[-1] > 1 else "edge"
    widths = [(0, 0)] * (audio.ndim - 1) + [(context, total - context - audio.shape[-1])]
    padded: NDArray[np.float32] = np.pad(audio, widths, mode=mode)  # type: ignore[call-overload]
    return padded


def window_frames(piece: Piece, *, buckets: bool) -> int:
    """Frames that go through the networks for a piece: itself and its context.

    With ``buckets`` this is rounded up to one of a few lengths, by taking more context.
    """
    needed = piece.frames + 2 * CONTEXT_FRAMES
    if not buckets:
        return needed
    return next((size for size in BUCKET_FRAMES if size >= needed), needed)


def active_frames(audio: NDArray[np.float32], frames: int) -> NDArray[np.bool_]:
    """Where a source is not silent, bool [frames].

    A frame is silent where it and everything within `SILENCE_GUARD_FRAMES` is below the
    threshold, and that lasts longer than `MIN_SILENCE_FRAMES`.

    Parameters
    ----------
    audio : float32 [channels, n]  16 kHz
    frames : its length in frames
    """
    n = frames * HOP_SAMPLES
    power = np.zeros(frames)
    for channel in audio:
        padded = np.zeros(n, np.float32)
        covered = min(len(channel), n)
        padded[:covered] = channel[:covered]
        power = np.maximum(power, np.square(padded.reshape(frames, HOP_SAMPLES)).mean(1))
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


def silence_gain(
    active: NDArray[np.bool_], start: int, stop: int, hop_samples: int
) -> NDArray[np.float32]:
    """Gain of each output sample of frames ``[start, stop)``: 1 where active, 0 where not.

    Between them a straight line over the outermost active frame, which is guard.
    """
    inner = active[:-1] & active[1:]
    at_edges = np.concatenate([active[:1], inner, active[-1:]]).astype(np.float32)
    positions = start + np.arange((stop - start) * hop_samples) / hop_samples
    gain = np.interp(positions, np.arange(start, stop + 1), at_edges[start : stop + 1])
    return gain.astype(np.float32)


class Joiner:
    """Puts synthesised pieces together with a short crossfade at each joint.

    Each piece arrives with `CROSSFADE_FRAMES` / 2 frames more on either side than it covers; at
    a joint the two overlapping stretches, which carry the same pitch in the same phase, are mixed
    linearly.

    Parameters
    ----------
    channels, frames : size of the whole result
    hop_samples : output samples of a frame
    """

    def __init__(self, channels: int, frames: int, hop_samples: int) -> None:
        self.output = np.zeros((channels, frames * hop_samples), np.float32)
        self._frames = frames
        self._hop = hop_samples
        self._half = CROSSFADE_FRAMES // 2

    def window(self, piece: Piece) -> tuple[int, int]:
        """Frames ``[start, stop)`` that `add` wants for a piece."""
        return max(piece.start - self._half, 0), min(piece.stop + self._half, self._frames)

    def add(self, piece: Piece, samples: NDArray[np.float32]) -> None:
        """Add ``samples`` float32 [channels, n] covering `window` of ``piece``."""
        start, stop = self.window(piece)
        samples = samples.copy()
        fade = np.linspace(0.0, 1.0, 2 * self._half * self._hop + 2, dtype=np.float32)[1:-1]
        if start < piece.start:
            samples[:, : len(fade)] *= fade
        if stop > piece.stop:
            samples[:, -len(fade) :] *= fade[::-1]
        self.output[:, start * self._hop : stop * self._hop] += samples
