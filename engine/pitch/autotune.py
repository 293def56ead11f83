"""Pulling a sung pitch towards the notes of the scale."""

from __future__ import annotations

import torch
from torch import Tensor

A4_HZ = 440.0


def autotune(f0_hz: Tensor, strength: float) -> Tensor:
    """Move each voiced frame towards the nearest note of equal temperament (A4 = 440 Hz).

    Apply it to the pitch that was *sung*, before `engine.pitch.curve.shift`: then the shift is a
    transposition whatever its size. The other way round a shift by a third of a semitone (to match
    a band tuned lower) would be pulled back onto the notes and lost.

    Parameters
    ----------
    f0_hz : float32 [T]  0 where unvoiced
    strength : 0 leaves the pitch, 1 puts it onto the note; between, that part of the interval

    Returns
    -------
    f0_hz : float32 [T]  0 stays 0
    """
    semitones = 12.0 * torch.log2(f0_hz.clamp(min=1e-3) / A4_HZ)
    correction = strength * (torch.round(semitones) - semitones)
    return f0_hz * torch.exp2(correction / 12.0)
