"""The high-pass of `engine.audio.filters` on the device that does the rest of the arithmetic.

Float32 only (Metal has no float64), so the recursion is replaced by its impulse response, which is
worked out in float64 and cut where it has died away.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from engine.audio.filters import EDGE_SAMPLES, highpass_coefficients

_BLOCK_SAMPLES = 1 << 16
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
    spectrum = torch.fft.rfft(taps, _BLOCK_SAMPLES)
    moved = torch.nn.functional.pad(samples - samples[..., :1], (before, 0))
    step = _BLOCK_SAMPLES - before
    blocks = []
    for start in range(0, samples.shape[-1], step):
        block = torch.fft.rfft(moved[..., start : start + _BLOCK_SAMPLES], _BLOCK_SAMPLES)
        # The first samples of a block are mixed with its end: the block before has them.
        blocks.append(torch.fft.irfft(block * spectrum, _BLOCK_SAMPLES)[..., before:])
    return torch.cat(blocks, dim=-1)[..., : samples.shape[-1]]


@cache
def _impulse_response() -> Tensor:
    """Answer to a single one, as long as it matters: float32 [about 3,000] from float64."""
    b, a = highpass_coefficients()
    impulse = np.zeros(_BLOCK_SAMPLES // 2)
    impulse[0] = 1.0
    response = lfilter(b, a, impulse)
    matters = np.flatnonzero(np.abs(response) > _NEGLIGIBLE)
    return torch.from_numpy(response[: matters[-1] + 1].astype(np.float32))
