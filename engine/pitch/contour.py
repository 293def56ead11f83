"""The pitch that a conversion sings: tracked or given, shifted, tuned, and laid out in frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from engine.options import ConversionOptions
from engine.pitch.autotune import autotune
from engine.pitch.curve import coarse_pitch, read_curve_file, shift
from engine.pitch.tracker import PitchTracker
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES


@dataclass(frozen=True)
class PitchContour:
    """Pitch per frame of 10 ms, the mirrored context of one second on both sides included.

    Attributes
    ----------
    f0_hz : float32 [F]  0 where unvoiced
    coarse : int64 [F]  1..255, 1 where unvoiced
    """

    f0_hz: NDArray[np.float32]
    coarse: NDArray[np.int64]


def pitch_contour(
    padded: torch.Tensor, frames: int, tracker: PitchTracker | None, options: ConversionOptions
) -> PitchContour:
    """Find, shift and tune the pitch of a source.

    Parameters
    ----------
    padded : float32 [F * 160]  mono, 16 kHz, a second of context before and at least one after
    frames : of the source alone
    tracker : not needed where ``options.f0_file`` is given

    Raises
    ------
    PitchCurveError : the curve file cannot be read
    """
    total = padded.shape[-1] // HOP_SAMPLES
    if options.f0_file is not None:
        given = read_curve_file(options.f0_file).at_frames(frames)
        after = total - frames - CONTEXT_FRAMES
        mode: Literal["reflect", "edge"] = "reflect" if frames > 1 else "edge"
        f0_hz = torch.from_numpy(np.pad(given, (CONTEXT_FRAMES, after), mode=mode))
    elif tracker is not None:
        f0_hz = tracker(padded)[:total].cpu()
    else:
        raise ValueError("neither a pitch tracker nor a pitch curve was given")
    if options.autotune > 0:
        f0_hz = autotune(f0_hz, options.autotune)
    f0_hz = shift(f0_hz, options.semitones)
    return PitchContour(f0_hz.numpy(), coarse_pitch(f0_hz).numpy())
