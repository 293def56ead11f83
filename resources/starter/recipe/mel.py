"""The latent of the starter voice: the log-mel spectrogram of its speech, normalised.

In an RVC file z is whatever prior, flow and vocoder agree on. Taking the mel spectrogram for it
lets the vocoder train alone, from the true mel, and turns prior and flow into a regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models.mel import mel_filter_bank
from recipe.speech_set import HOP_SAMPLES, RATE_HZ

FFT_SAMPLES = 1024
SMALLEST = 1e-5


@dataclass(frozen=True)
class MelSpectrum:
    """How the spectrogram of a voice is made.

    Attributes
    ----------
    middle, spread : of a log-mel value in speech; z = (log mel - middle) / spread is about
        standard normal
    """

    rate_hz: int
    hop_samples: int
    window_samples: int
    bands: int
    middle: float
    spread: float

    @property
    def silence(self) -> float:
        """The latent of silence."""
        return (-11.5 - self.middle) / self.spread

    def log_mel(self, samples: Tensor) -> Tensor:
        """Natural logarithm of the mel spectrum, [B, N] -> [B, bands, N // hop].

        Frame j is centred on the middle of the samples of hop j, those the vocoder makes.
        """
        margin = (FFT_SAMPLES - self.hop_samples) // 2
        padded = F.pad(samples[:, None], (margin, margin), mode="reflect")[:, 0]
        window = hann(self.window_samples, samples.device)
        spectrum = torch.stft(
            padded,
            FFT_SAMPLES,
            self.hop_samples,
            self.window_samples,
            window,
            center=False,
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        filters = _filters(self, samples.device)
        return (filters @ (power + 1e-9).sqrt()).clamp(min=SMALLEST).log()

    def latent(self, samples: Tensor) -> Tensor:
        """What the vocoder is given, [B, N] -> [B, bands, N // hop]."""
        return (self.log_mel(samples) - self.middle) / self.spread


MEL = MelSpectrum(RATE_HZ, HOP_SAMPLES, window_samples=640, bands=80, middle=-5.0, spread=2.5)
BANDS, SILENCE = MEL.bands, MEL.silence
log_mel, latent = MEL.log_mel, MEL.latent


@cache
def hann(length: int, device: torch.device) -> Tensor:
    """The window, made once for each device."""
    return torch.hann_window(length, device=device)


@cache
def _filters(mel: MelSpectrum, device: torch.device) -> Tensor:
    return mel_filter_bank(mel.rate_hz, FFT_SAMPLES, mel.bands, 0.0, mel.rate_hz / 2).to(device)
