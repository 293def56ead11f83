"""Log-mel spectrogram as RMVPE needs it, and the filters of other networks."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 160
FFT_SAMPLES = 1024
HALF_FFT_SAMPLES = FFT_SAMPLES // 2
N_MELS = 128
MEL_MIN_HZ = 30.0
MEL_MAX_HZ = 8000.0
MIN_MAGNITUDE = 1e-5
FRAMES_AT_ONCE = 512


def mel_filter_bank(
    rate_hz: int,
    fft_samples: int,
    n_mels: int,
    min_hz: float,
    max_hz: float,
    scale: Literal["htk", "slaney"] = "htk",
) -> Tensor:
    """Triangles on a mel scale, each of area one (Slaney's norm): float32 [n_mels, bins].

    HTK's scale is 2595 log10(1 + hz / 700); Slaney's has 15 mel for each 1000 Hz up to there, and
    27 for each factor of 6.4 above. Computed in float64: done once, on the CPU.
    """
    to_mel, to_hz = (_htk_mel, _htk_hz) if scale == "htk" else (_slaney_mel, _slaney_hz)
    low_mel, high_mel = to_mel(torch.tensor([min_hz, max_hz], dtype=torch.float64)).tolist()
    mels = torch.linspace(low_mel, high_mel, n_mels + 2, dtype=torch.float64)
    corners_hz = to_hz(mels)
    bins_hz = torch.linspace(0.0, rate_hz / 2, fft_samples // 2 + 1, dtype=torch.float64)
    left, middle, right = corners_hz[:-2, None], corners_hz[1:-1, None], corners_hz[2:, None]
    rising = (bins_hz - left) / (middle - left)
    falling = (right - bins_hz) / (right - middle)
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    return (triangles * (2.0 / (right - left))).float()


def _htk_mel(hz: Tensor) -> Tensor:
    return 2595.0 * torch.log10(1.0 + hz / 700.0)


def _htk_hz(mel: Tensor) -> Tensor:
    return torch.as_tensor(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


_SLANEY_BEND_HZ, _SLANEY_BEND_MEL = 1000.0, 15.0
_SLANEY_MEL_PER_E = 27.0 / math.log(6.4)


def _slaney_mel(hz: Tensor) -> Tensor:
    above = torch.log(hz.clamp(min=_SLANEY_BEND_HZ) / _SLANEY_BEND_HZ) * _SLANEY_MEL_PER_E
    return hz.clamp(max=_SLANEY_BEND_HZ) * (_SLANEY_BEND_MEL / _SLANEY_BEND_HZ) + above


def _slaney_hz(mel: Tensor) -> Tensor:
    above = torch.exp((mel - _SLANEY_BEND_MEL).clamp(min=0.0) / _SLANEY_MEL_PER_E)
    return mel.clamp(max=_SLANEY_BEND_MEL) * (_SLANEY_BEND_HZ / _SLANEY_BEND_MEL) * above


class LogMel(nn.Module):
    """Frames of 1024 samples every 160, 128 mel bands; without weights in the checkpoint."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = mel_filter_bank(SAMPLE_RATE_HZ, FFT_SAMPLES, N_MELS, MEL_MIN_HZ, MEL_MAX_HZ)
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Samples [N] -> log magnitudes [128, (N - 1024) // 160 + 1]; frames are not padded."""
        frames = audio.unfold(0, FFT_SAMPLES, HOP_SAMPLES)
        # Some frames at a time: a spectrum takes 25 times the memory of its bands.
        bands = [
            self.filters @ torch.fft.rfft(part * self.window).abs().T
            for part in torch.split(frames, FRAMES_AT_ONCE)
        ]
        return torch.log(torch.cat(bands, dim=1).clamp(min=MIN_MAGNITUDE))


def reflect(x: Tensor, left: int, right: int) -> Tensor:
    """Mirror the last axis at its first and last element, as often as the padding needs.

    Unlike torch's, this takes any length: one element is repeated, an empty axis gives zeros.
    """
    n = x.shape[-1]
    if n == 0:
        return F.pad(x, (left, right))
    if left < n and right < n:
        # The common case, with whole slices.
        head = x[..., 1 : left + 1].flip(-1)
        tail = x[..., n - 1 - right : n - 1].flip(-1)
        return torch.cat((head, x, tail), dim=-1)
    period = max(2 * (n - 1), 1)
    position = torch.arange(-left, n + right, device=x.device) % period
    return x[..., torch.minimum(position, period - position).clamp(max=n - 1)]
