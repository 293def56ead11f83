"""The latent of the starter voice: the log-mel spectrogram of its speech, normalised.

In an RVC file z is whatever prior, flow and vocoder agree on. Taking the mel spectrogram for it
lets the vocoder train alone, from the true mel, and turns prior and flow into a regression.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models.mel import mel_filter_bank
from recipe.speech_set import HOP_SAMPLES, RATE_HZ

BANDS = 80
FFT_SAMPLES = 1024
WINDOW_SAMPLES = 640
SMALLEST = 1e-5
MIDDLE, SPREAD = -5.0, 2.5
"""Of a log-mel value in speech; z = (log mel - MIDDLE) / SPREAD is about standard normal."""

SILENCE = (-11.5 - MIDDLE) / SPREAD


def log_mel(samples: Tensor) -> Tensor:
    """Natural logarithm of the mel spectrum, [B, N] -> [B, 80, N // 160].

    Frame j is centred on the middle of samples 160 j to 160 j + 159, those the vocoder makes.
    """
    margin = (FFT_SAMPLES - HOP_SAMPLES) // 2
    padded = F.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
    window = hann(WINDOW_SAMPLES, samples.device)
    spectrum = torch.stft(
        padded, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, window, center=False, return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    filters = _filters(samples.device)
    return (filters @ (power + 1e-9).sqrt()).clamp(min=SMALLEST).log()


def latent(samples: Tensor) -> Tensor:
    """What the vocoder is given, [B, N] -> [B, 80, N // 160]."""
    return (log_mel(samples) - MIDDLE) / SPREAD


@cache
def hann(length: int, device: torch.device) -> Tensor:
    """The window, made once for each device."""
    return torch.hann_window(length, device=device)


@cache
def _filters(device: torch.device) -> Tensor:
    return mel_filter_bank(RATE_HZ, FFT_SAMPLES, BANDS, 0.0, RATE_HZ / 2).to(device)
