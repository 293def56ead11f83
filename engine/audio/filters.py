"""The high-pass that removes rumble before the analysis, by scipy and on a device."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, lfilter_zi
from torch import Tensor

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


_TRANSFORM_SAMPLES = 1 << 16
"""Length of one Fourier transform: four seconds."""

_NEGLIGIBLE = 1e-8
"""What the impulse response still holds, of 1, where it is cut."""


def highpass_48hz_on_device(samples: Tensor) -> Tensor:
    """`engine.audio.filters.highpass_48hz` in float32 on the tensor's own device.

    Equal to it to 1e-4 of the peak, for any length; nothing is read back to the host.

    Parameters
    ----------
    samples : float32 ``[..., n]``  at 16 kHz

    Returns
    -------
    float32 ``[..., n]``
    """
    n = samples.shape[-1]
    if n == 0:
        return samples.clone()
    edge = min(EDGE_SAMPLES, n - 1)
    first, last = samples[..., :1], samples[..., -1:]
    head = 2 * first - samples[..., 1 : edge + 1].flip(-1)
    tail = 2 * last - samples[..., n - 1 - edge : n - 1].flip(-1)
    forward = _filter(torch.cat([head, samples, tail], dim=-1))
    return _filter(forward.flip(-1)).flip(-1)[..., edge : edge + n]


def _filter(samples: Tensor) -> Tensor:
    """Filter forwards, as if the first sample had lasted for ever before: ``[..., n]``.

    That is the state which `filtfilt` begins with. The filter takes no constant through, so the
    constant may as well be subtracted and silence come before.
    """
    taps = _impulse_response().to(samples.device)
    before = len(taps) - 1
    spectrum = torch.fft.rfft(taps, _TRANSFORM_SAMPLES)
    moved = torch.nn.functional.pad(samples - samples[..., :1], (before, 0))
    step = _TRANSFORM_SAMPLES - before
    blocks = []
    for start in range(0, samples.shape[-1], step):
        block = torch.fft.rfft(moved[..., start : start + _TRANSFORM_SAMPLES], _TRANSFORM_SAMPLES)
        # The first samples of a block are mixed with its end: the block before has them.
        blocks.append(torch.fft.irfft(block * spectrum, _TRANSFORM_SAMPLES)[..., before:])
    return torch.cat(blocks, dim=-1)[..., : samples.shape[-1]]


@cache
def _impulse_response() -> Tensor:
    """Answer to a single one, as long as it matters: float32 [about 3,000] from float64."""
    b, a = highpass_coefficients()
    impulse = np.zeros(_TRANSFORM_SAMPLES // 2)
    impulse[0] = 1.0
    response = lfilter(b, a, impulse)
    matters = np.flatnonzero(np.abs(response) > _NEGLIGIBLE)
    return torch.from_numpy(response[: matters[-1] + 1].astype(np.float32))
