"""Notes that a voice cannot sing, taken an octave lower."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.options import ConversionOptions
from engine.pitch.methods import METHODS

Floats = NDArray[np.float32]

CEILING_HZ = 1250.0
"""Voices are trained with a pitch of at most 1100 Hz, and break up not far above it."""

FOLD_ENDS_OCTAVES = 1.0 / 6.0
"""A note that was taken an octave lower stays there until it is two semitones below the ceiling,
so that vibrato around the ceiling does not leap."""


def hears_high_notes(method: str, options: ConversionOptions) -> bool:
    """Whether the pitch is right above the ceiling too, so that it can be told what is there."""
    found = METHODS.get(method)
    return found is not None and (found.hears_high_notes or options.check_octaves)


def within_reach(f0_hz: Tensor, options: ConversionOptions) -> Tensor:
    """Pitch with the notes that the voice cannot sing an octave lower, float32 [T].

    A shift down brings high notes into reach. One up is what the user asked for and is kept: only
    notes that are too high by themselves are taken lower.
    """
    if options.reaches_higher:
        return f0_hz
    ceiling_hz = CEILING_HZ * max(1.0, 2.0 ** (-options.semitones / 12.0))
    return torch.from_numpy(folded(f0_hz.cpu().numpy(), ceiling_hz)).to(f0_hz.device)


def folded(f0_hz: Floats, ceiling_hz: float) -> Floats:
    """Pitch in which notes above a ceiling are an octave lower, float32 [T]."""
    starts = f0_hz > ceiling_hz
    if not starts.any():
        return f0_hz
    ends = f0_hz < ceiling_hz * 2.0**-FOLD_ENDS_OCTAVES  # also where unvoiced
    # Each frame is as the last one before it that started or ended a fold.
    last = np.maximum.accumulate(np.where(starts | ends, np.arange(len(f0_hz)), 0))
    low = np.where(starts[last], np.float32(0.5), np.float32(1.0))
    halved: Floats = f0_hz * low
    return halved
