"""High notes: octave errors of a network put right by a guide.

Networks that were trained on speech and ordinary singing (RMVPE, FCPE) name fundamentals above
about 1000 Hz an octave or a twelfth too low, or call them unvoiced. SwiftF0, which reads them, is
the guide.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.pitch.swift import swift_frames
from engine.pitch.tracker import Pause, no_pause, pause_at_end
from engine.segments import HOP_SAMPLES

Floats = NDArray[np.float32]

NEAR_OCTAVES = 150.0 / 1200.0
DOUBLED_FROM_HZ = 460.0
REPLACED_FROM_HZ = 990.0
LOUD_DB = 30.0
"""Gaps are filled only within this distance from the loud frames: not between notes."""

_LOUD_PERCENTILE = 95
_HALF_HOPS_AROUND = 5
"""50 ms, in half frames to either side."""


def with_guide(
    audio: Tensor,
    f0_hz: Tensor,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
    pause: Pause = no_pause,
) -> Tensor:
    """A network's pitch with its high notes put right by SwiftF0.

    Parameters
    ----------
    audio : float32 [N]  mono, 16 kHz
    f0_hz : float32 [N // 160 + 1]  of that sound, 0 where unvoiced
    f0_min_hz, f0_max_hz : the guide looks for nothing outside
    pause : may raise to stop

    Returns
    -------
    float32 [N // 160 + 1]
    """
    samples = audio.detach().cpu().numpy()
    guide = swift_frames(
        samples, f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz, pause=pause_at_end(pause)
    ).f0_hz
    made = repaired(f0_hz.cpu().numpy(), guide, loud_frames(samples))
    return torch.from_numpy(made).to(f0_hz.device)


def repaired(f0_hz: Floats, guide_hz: Floats, loud: NDArray[np.bool_]) -> Floats:
    """Pitch whose octave agrees with the guide's where that is high, float32 [T].

    Where both agree nothing changes. An octave below the guide is doubled from 460 Hz on; from
    990 Hz on the guide also replaces what is in any other relation to it, and what is missing in
    loud frames.
    """
    voiced, guided = f0_hz > 0, guide_hz > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        octaves = np.log2(guide_hz / f0_hz)
    both = voiced & guided
    equal = both & (np.abs(octaves) <= NEAR_OCTAVES)
    below = both & (np.abs(octaves - 1.0) <= NEAR_OCTAVES) & (guide_hz >= DOUBLED_FROM_HZ)
    high = guided & (guide_hz >= REPLACED_FROM_HZ)
    other = both & ~equal & ~below & high
    missing = ~voiced & high & loud
    made = np.where(below, 2.0 * f0_hz, f0_hz)
    return np.where(other | missing, guide_hz, made).astype(np.float32)


def loud_frames(samples: Floats) -> NDArray[np.bool_]:
    """Which frames of 10 ms are among the louder ones of a sound, bool [N // 160 + 1]."""
    n_frames, half = len(samples) // HOP_SAMPLES + 1, HOP_SAMPLES // 2
    around = _HALF_HOPS_AROUND * half
    padded = np.pad(samples, (around, around + n_frames * HOP_SAMPLES - len(samples)))
    squares = np.square(padded[: len(padded) // half * half]).reshape(-1, half)
    sums = np.concatenate(([0.0], np.cumsum(squares.sum(1, dtype=np.float64))))
    first = np.arange(n_frames) * 2
    power = sums[first + 2 * _HALF_HOPS_AROUND] - sums[first]
    loud = np.percentile(power, _LOUD_PERCENTILE) * 10.0 ** (-LOUD_DB / 10.0)
    among: NDArray[np.bool_] = (power > 0) & (power >= loud)
    return among
