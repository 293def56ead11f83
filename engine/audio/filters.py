"""The high-pass that removes rumble before the analysis."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, lfilter_zi

from engine.segments import ANALYSIS_RATE_HZ

CUTOFF_HZ = 48
_ORDER = 5
EDGE_SAMPLES = 3 * (_ORDER + 1)
"""Odd reflection at both ends, as long as `scipy.signal.filtfilt` makes it."""

_BLOCK_SAMPLES = 1 << 18

_Float = TypeVar("_Float", np.float32, np.float64)


def highpass_48hz(samples: NDArray[_Float]) -> NDArray[_Float]:
    """Butterworth of order 5 at 48 Hz, forward and backward, so without a shift in time.

    Equal to ``scipy.signal.filtfilt`` on float64, which needs more than 18 samples; a shorter
    sound is reflected as far as it goes, and a single sample becomes 0. Runs in blocks over one
    float64 copy: 0.46 GB for an hour.

    Parameters
    ----------
    samples : float32 or float64 [n]  at 16 kHz

    Returns
    -------
    [n] of the same type; computed in float64
    """
    n = samples.shape[0]
    if n == 0:
        return samples.copy()
    edge = min(EDGE_SAMPLES, n - 1)
    work = np.empty(n + 2 * edge, dtype=np.float64)
    work[edge : edge + n] = samples
    first, last = work[edge], work[edge + n - 1]
    work[:edge] = 2 * first - work[2 * edge : edge : -1]
    work[edge + n :] = 2 * last - work[edge + n - 2 : n - 2 : -1]
    _filter_in_place(work)
    _filter_in_place(work[::-1])
    return work[edge : edge + n].astype(samples.dtype)


def _filter_in_place(work: NDArray[np.float64]) -> None:
    b, a = highpass_coefficients()
    state = lfilter_zi(b, a) * work[0]
    for start in range(0, work.shape[0], _BLOCK_SAMPLES):
        block = work[start : start + _BLOCK_SAMPLES]
        block[:], state = lfilter(b, a, block, zi=state)


def highpass_coefficients() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numerator and denominator of the filter, float64 [6] each."""
    b, a = butter(_ORDER, CUTOFF_HZ, btype="highpass", fs=ANALYSIS_RATE_HZ)
    return b, a
