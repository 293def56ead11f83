"""The key: how many semitones bring a source to where a voice sounds right. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import Text

Floats = NDArray[np.floating[Any]]
KeyStep = Literal["semitones", "octaves"]
"""Speech may move by semitones; a song that keeps its accompaniment only by octaves."""

CONFIDENT = 0.5
"""Frames with less confidence say nothing about a source's pitch."""

FEWEST_FRAMES = 50
"""Half a second of voice; less is not enough for a key."""

LARGEST_SHIFT = 24
LOW_VOICE_HZ, HIGH_VOICE_HZ = 110.0, 220.0
"""Where the user can say no more about a voice than that it is low or high."""

_OCTAVE = 12
_WORTH_AN_OCTAVE = 7.0
"""Semitones: at 6 both choices are equally far away, and one of them changes nothing."""

_TOLERATED_OUTSIDE = {1: 0.5, _OCTAVE: 3.0}
"""Semitones outside of a voice's range that are not worth another step, by the step's size."""

_LEARNT_SHARE = 0.85
_LEARNT_STEP_SEMITONES = 6.5
"""Trials of a voice that are further apart do not belong to one range."""


@dataclass(frozen=True)
class SourcePitch:
    """The pitch of a source, over its confidently voiced frames.

    Attributes
    ----------
    median_hz : on a logarithmic scale
    low_hz, high_hz : 5th and 95th percentile
    """

    median_hz: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class VoicePitch:
    """Where a voice sounds right.

    Attributes
    ----------
    target_hz : the best median
    low_hz, high_hz : the medians that it follows well; None where only the target is known
    origin : ``given`` by the user, ``stated`` in the checkpoint, ``learnt`` by rendering
    """

    target_hz: float
    low_hz: float | None = None
    high_hz: float | None = None
    origin: Literal["given", "stated", "learnt"] = "given"


@dataclass(frozen=True)
class Key:
    """A suggestion.

    Attributes
    ----------
    semitones : to be used instead of, never added to, what the user has chosen
    reason : a sentence with the numbers it rests on
    """

    semitones: int
    reason: Text


def sure_frames(f0_hz: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which frames say something about the pitch of a sound, bool [T]; see `source_pitch`."""
    sure: NDArray[np.bool_] = (confidence >= CONFIDENT) & (f0_hz > 0)
    return sure


def source_pitch(f0_hz: Floats, confidence: Floats) -> SourcePitch | None:
    """The pitch of a source; None with fewer than `FEWEST_FRAMES` confident frames.

    Median of log f0 over those frames alone: 88 % of generated speech and singing within half a
    semitone, against 51 to 61 % for a mean in Hz or a median after interpolation.

    Parameters
    ----------
    f0_hz, confidence : [T] at 100 frames a second, before any rule fills or removes frames
    """
    sure = sure_frames(f0_hz, confidence)
    if np.count_nonzero(sure) < FEWEST_FRAMES:
        return None
    low, median, high = np.exp2(np.percentile(np.log2(f0_hz[sure]), (5, 50, 95)))
    return SourcePitch(float(median), float(low), float(high))


def learnt_pitch(trials: dict[float, float]) -> VoicePitch | None:
    """The range of a voice from trial renderings.

    Parameters
    ----------
    trials : asked median in Hz -> share of frames, 0..1, rendered within 50 cents of the asked f0

    Returns
    -------
    From the lowest to the highest of the neighbouring trials that reach 85 %, with their geometric
    middle; the widest range if there are several; None if no trial reaches that
    """
    runs: list[list[float]] = []
    for median_hz in sorted(hz for hz, share in trials.items() if share >= _LEARNT_SHARE):
        near = runs and _semitones(runs[-1][-1], median_hz) <= _LEARNT_STEP_SEMITONES
        if near:
            runs[-1].append(median_hz)
        else:
            runs.append([median_hz])
    if not runs:
        return None
    widest = max(runs, key=len)
    low, high = widest[0], widest[-1]
    return VoicePitch(math.sqrt(low * high), low, high, "learnt")


def suggest_key(source: SourcePitch | None, voice: VoicePitch, step: KeyStep = "semitones") -> Key:
    """The shift that brings a source to a voice's target and, if it can, into its range.

    Parameters
    ----------
    source : from `source_pitch`
    """
    if source is None:
        reason = Text(
            "0 (the source has less than {seconds} s of clear pitch)", seconds=FEWEST_FRAMES / 100
        )
        return Key(0, reason)
    away = _semitones(source.median_hz, voice.target_hz)
    if step == "semitones":
        wanted, grid = round(away), 1
    else:
        grid = _OCTAVE
        wanted = 0 if abs(away) < _WORTH_AN_OCTAVE else _OCTAVE * round(away / _OCTAVE)
    wanted = max(-LARGEST_SHIFT, min(LARGEST_SHIFT, wanted))

    def outside(k: int) -> float:
        leaves = _outside(source, voice, k)
        return leaves if leaves > _TOLERATED_OUTSIDE[grid] else 0.0

    choices = range(-LARGEST_SHIFT, LARGEST_SHIFT + 1, grid)
    semitones = min(choices, key=lambda k: (outside(k), abs(k - wanted), abs(k)))
    reason = Text(
        "{semitones} (yours ≈ {source} Hz, voice ≈ {voice} Hz)",
        semitones=signed(semitones),
        source=round(source.median_hz),
        voice=round(voice.target_hz),
    )
    return Key(semitones, reason)


def signed(semitones: int) -> str:
    """With a plus or a real minus sign, as the app writes it."""
    return f"{semitones:+d}".replace("-", "−") if semitones else "0"


def _outside(source: SourcePitch, voice: VoicePitch, semitones: int) -> float:
    """By how many semitones a shifted source leaves the range of a voice, at both ends together."""
    if voice.low_hz is None or voice.high_hz is None:
        return 0.0
    below = _semitones(source.low_hz, voice.low_hz) - semitones
    above = semitones - _semitones(source.high_hz, voice.high_hz)
    return round(max(below, 0.0) + max(above, 0.0), 6)


def _semitones(from_hz: float, to_hz: float) -> float:
    return 12.0 * math.log2(to_hz / from_hz)
