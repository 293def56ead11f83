"""The latent of the voice: the log-mel spectrogram of its speech at 24 kHz, normalised."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models.mel import mel_filter_bank

RATE_HZ, HOP_SAMPLES = 24_000, 240
BANDS = 100
FFT_SAMPLES, WINDOW_SAMPLES = 1024, 960
SMALLEST = 1e-5
MIDDLE, SPREAD = -5.5, 2.5
"""Of a log-mel value in speech; z = (log mel - MIDDLE) / SPREAD is about standard normal."""

SILENCE = (-11.5 - MIDDLE) / SPREAD


def log_mel(samples: Tensor) -> Tensor:
    """Natural logarithm of the mel spectrum, [B, N] -> [B, 100, N // 240].

    Frame j is centred on the middle of samples 240 j to 240 j + 239, those the vocoder makes.
    """
    margin = (FFT_SAMPLES - HOP_SAMPLES) // 2
    padded = F.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
    window = hann(WINDOW_SAMPLES, samples.device)
    spectrum = torch.stft(
        padded, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, window, center=False, return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return (_filters(samples.device) @ (power + 1e-9).sqrt()).clamp(min=SMALLEST).log()


def latent(samples: Tensor) -> Tensor:
    """What the vocoder is given, [B, N] -> [B, 100, N // 240]."""
    return (log_mel(samples) - MIDDLE) / SPREAD


@cache
def hann(length: int, device: torch.device) -> Tensor:
    """The window, made once for each device."""
    return torch.hann_window(length, device=device)


@cache
def _filters(device: torch.device) -> Tensor:
    return mel_filter_bank(RATE_HZ, FFT_SAMPLES, BANDS, 0.0, RATE_HZ / 2).to(device)
