"""Bringing a signal down to an integer fraction of its rate, with a steep low-pass filter."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.layers import convolve_in_stretches

ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492


def decimation_filter(rate: int) -> NDArray[np.float64]:
    """A sinc under a Kaiser window, cut off at 0.948 of the new Nyquist frequency.

    Tap n lies at input sample ``n - centre`` from the output's; ``centre`` is
    ``ceil(64 rate / 0.948)``, so both ends of the window are inside. The constants are those of
    torchaudio's "kaiser_best", which chained RefineGAN voices are trained with.
    """
    centre = filter_centre(rate)
    offset_samples = np.arange(-centre, centre + rate, dtype=np.float64)
    crossings = np.clip(offset_samples * ROLLOFF / rate, -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.i0(KAISER_BETA * np.sqrt(1 - (crossings / ZERO_CROSSINGS) ** 2))
    taps: NDArray[np.float64] = np.sinc(crossings) * window / np.i0(KAISER_BETA) * ROLLOFF / rate
    return taps


def filter_centre(rate: int) -> int:
    """Input samples the filter looks back."""
    return math.ceil(ZERO_CROSSINGS * rate / ROLLOFF)


class Decimation(nn.Module):
    """Every `rate`-th sample of the filtered signal, the first one at sample 0."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        taps = torch.from_numpy(decimation_filter(rate)).float()
        self.register_buffer("taps", taps[None, None], persistent=False)
        self.taps: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T * rate] -> [B, C, T]``; each channel is filtered alone."""
        batch, channels, samples = x.shape
        if self.rate == 1:
            return x
        centre = filter_centre(self.rate)
        padded = F.pad(x.reshape(batch * channels, 1, samples), (centre, centre + self.rate))
        low = convolve_in_stretches(
            lambda part: F.conv1d(part, self.taps, stride=self.rate),
            padded,
            self.taps.shape[-1],
            self.rate,
        )
        low = low[..., : samples // self.rate]
        return low.reshape(batch, channels, -1)

    def reach(self, samples: int) -> int:
        """Input samples needed on either side, for `samples` of the output's."""
        return samples * self.rate + filter_centre(self.rate) + self.rate
