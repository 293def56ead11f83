"""The pitch that a conversion uses: tracked or given, tuned, shifted, and as levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.options import ConversionOptions
from engine.pitch.curve import read_curve_file
from engine.segments import CONTEXT_FRAMES

_COARSE_MIN_HZ = 50.0
_COARSE_MAX_HZ = 1100.0
_COARSE_LEVELS = 255
_A4_HZ = 440.0


@dataclass(frozen=True)
class PitchContour:
    """Pitch of each frame of 10 ms, with one second of mirrored context on both sides.

    Attributes
    ----------
    f0_hz : float32 [F]  0 where unvoiced
    coarse : int64 [F]  1..255, 1 where unvoiced
    """

    f0_hz: NDArray[np.float32]
    coarse: NDArray[np.int64]


def pitch_contour(
    tracked: torch.Tensor | None, frames: int, total: int, options: ConversionOptions
) -> PitchContour:
    """Tune and shift the pitch of a source.

    Parameters
    ----------
    tracked : float32 [F] in Hz, 0 where unvoiced; None if ``options.f0_file`` is given
    frames : of the source, without context
    total : F, with a second of context before and at least one after

    Raises
    ------
    PitchCurveError : the curve file cannot be read
    """
    if options.f0_file is not None:
        given = read_curve_file(options.f0_file).at_frames(frames)
        after = total - frames - CONTEXT_FRAMES
        mode: Literal["reflect", "edge"] = "reflect" if frames > 1 else "edge"
        f0_hz = torch.from_numpy(np.pad(given, (CONTEXT_FRAMES, after), mode=mode))
    elif tracked is not None:
        f0_hz = tracked
    else:
        raise ValueError("neither a tracked pitch nor a pitch curve was given")
    if options.autotune > 0:
        f0_hz = autotune(f0_hz, options.autotune)
    f0_hz = shift(f0_hz, options.semitones)
    return PitchContour(f0_hz.numpy(), coarse_pitch(f0_hz).numpy())


def autotune(f0_hz: Tensor, strength: float) -> Tensor:
    """Move each voiced frame towards the nearest note of equal temperament (A4 = 440 Hz).

    It comes before `shift`, so that the shift keeps its size: the other way round a shift by a
    third of a semitone (to match a band tuned lower) would be pulled back onto the notes.

    Parameters
    ----------
    f0_hz : float32 [T]  0 where unvoiced
    strength : 0 keeps the pitch, 1 puts it onto the note; between, that part of the interval

    Returns
    -------
    f0_hz : float32 [T]  0 stays 0
    """
    semitones = 12.0 * torch.log2(f0_hz.clamp(min=1e-3) / _A4_HZ)
    correction = strength * (torch.round(semitones) - semitones)
    return f0_hz * torch.exp2(correction / 12.0)


def coarse_pitch(f0_hz: Tensor) -> Tensor:
    """The pitch as one of 255 levels, evenly spaced in mel from 50 to 1100 Hz.

    Parameters
    ----------
    f0_hz : float32 [...]  0 where unvoiced

    Returns
    -------
    int64 [...]  1..255; 1 where unvoiced or below 50 Hz
    """
    low, high = (1127.0 * math.log(1.0 + hz / 700.0) for hz in (_COARSE_MIN_HZ, _COARSE_MAX_HZ))
    mel = 1127.0 * torch.log(1.0 + f0_hz / 700.0)
    level = (mel - low) * (_COARSE_LEVELS - 1) / (high - low) + 1.0
    return torch.round(level.clamp(1.0, float(_COARSE_LEVELS))).long()


def shift(f0_hz: Tensor, semitones: float) -> Tensor:
    """Transpose: f0 · 2^(semitones / 12); 0 (unvoiced) stays 0."""
    factor: float = 2.0 ** (semitones / 12.0)
    return f0_hz * factor
