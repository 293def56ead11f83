"""SwiftF0: a small network over three log spectrograms gives each frame's pitch and confidence.

Network and weights: Lars Nieradzik, "SwiftF0" (MIT); here rebuilt in torch, with names for its
layers. Its bands are 70 cents apart, so that harmonics lie at fixed distances along them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 256
FFT_SAMPLES = (1024, 2048, 512)
"""One spectrogram each, in the order of the network's channels."""

LONGEST_FFT_SAMPLES = max(FFT_SAMPLES)
N_BANDS = 128
N_BINS = 95
"""Pitches to choose from: those of the first 95 bands."""

LOWEST_HZ, HIGHEST_HZ = 46.875, 2093.75
CHANNELS = 12
HEAD_CHANNELS = 4
CONTEXT_FRAMES = 7
"""How far the convolutions reach to either side."""

_SMALLEST_MAGNITUDE = 1e-8
_BLOCKS = ((7, 3, 1), (7, 1, 17), (5, 1, 27), (3, 1, 40), (3, 1, 48), (7, 3, 2))
"""Bands, frames, and distance along the bands: 17 bands are an octave, 27 a twelfth, ..."""


def band_pitches_hz(first: int = 0, stop: int = N_BINS) -> Tensor:
    """Pitches of bands, float64 [stop - first]; 46.875 Hz is band 0, 2,093.75 Hz band 94."""
    octaves = math.log2(HIGHEST_HZ / LOWEST_HZ) / (N_BINS - 1)
    return LOWEST_HZ * torch.exp2(octaves * torch.arange(first, stop, dtype=torch.float64))


def band_filters(fft_samples: int) -> Tensor:
    """Triangles between each band's neighbours, each with the sum 1: float32 [bins, 128].

    A triangle too narrow to meet a bin of the spectrum takes the nearest one.
    """
    corners_hz = band_pitches_hz(-1, N_BANDS + 1)
    left, middle, right = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    bins_hz = torch.arange(fft_samples // 2 + 1, dtype=torch.float64)[:, None]
    bins_hz = bins_hz * (SAMPLE_RATE_HZ / fft_samples)
    rising, falling = (bins_hz - left) / (middle - left), (right - bins_hz) / (right - middle)
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    nearest = F.one_hot((bins_hz - middle).abs().argmin(0), len(bins_hz)).T.double()
    triangles = torch.where(triangles.sum(0) > 1e-9, triangles, nearest)
    return (triangles / triangles.sum(0)).float()


class _Block(nn.Module):
    """Two convolutions and a residual, [B, 12, bands, T] -> the same shape."""

    def __init__(self, bands: int, frames: int, distance: int) -> None:
        super().__init__()
        padding = (bands // 2 * distance, frames // 2)

        def conv() -> nn.Conv2d:
            return nn.Conv2d(
                CHANNELS, CHANNELS, (bands, frames), padding=padding, dilation=(distance, 1)
            )

        self.first, self.second = conv(), conv()

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x).relu_())
        return torch.as_tensor(y.add_(x).relu_())


class SwiftNetwork(nn.Module):
    """The network whose weights come with the project; layers in the order of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(len(FFT_SAMPLES), CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(*sizes) for sizes in _BLOCKS)
        self.head = nn.Conv2d(CHANNELS, HEAD_CHANNELS, 3)
        self.presence = nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, (5, 1), padding=(2, 0))
        self.pitch = nn.Conv2d(HEAD_CHANNELS, 1, 1)
        self.confidence = nn.ModuleList(
            (nn.Conv1d(HEAD_CHANNELS + 1, 16, 3, padding=1), nn.Conv1d(16, 1, 1))
        )

    def forward(self, bands: Tensor) -> tuple[Tensor, Tensor]:
        """Log spectrograms [1, 3, 128, T] -> logits of the pitches [T, 95], confidence [T], 0..1.

        Seven frames at each end also depend on what lies beyond it; there it is taken as zero.
        """
        x = F.relu(self.stem(bands))
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.head(F.pad(x[:, :, : N_BINS + 1], (1, 1, 1, 0))))
        logits = self.pitch(x)[0, 0].T
        level = bands.mean((1, 2))[:, None]
        y = torch.cat((self.presence(x).amax(2), level), dim=1)
        y = F.relu(self.confidence[0](y))
        return logits, torch.sigmoid(self.confidence[1](y))[0, 0]


class LogBands(nn.Module):
    """The three log spectrograms, without weights in the file."""

    def __init__(self) -> None:
        super().__init__()
        for n in FFT_SAMPLES:
            self.register_buffer(f"window_{n}", torch.hann_window(n), persistent=False)
            self.register_buffer(f"filters_{n}", band_filters(n), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Samples [256 (T - 1) + 2048] -> [1, 3, 128, T].

        Frame t is centred on sample 1024 + 256 t.
        """
        parts = []
        for n in FFT_SAMPLES:
            spare = (LONGEST_FFT_SAMPLES - n) // 2
            frames = audio[spare : len(audio) - spare].unfold(0, n, HOP_SAMPLES)
            window, filters = self.get_buffer(f"window_{n}"), self.get_buffer(f"filters_{n}")
            spectrum = torch.view_as_real(torch.fft.rfft(frames * window))
            magnitudes = spectrum.square().sum(-1).sqrt()  # faster than abs()
            parts.append(torch.log(magnitudes @ filters + _SMALLEST_MAGNITUDE).T)
        # Convolutions are a third faster in this layout.
        return torch.stack(parts)[None].contiguous(memory_format=torch.channels_last)


class Swift(nn.Module):
    """From samples to pitch logits and confidence."""

    def __init__(self, network: SwiftNetwork) -> None:
        super().__init__()
        self.network = network
        for weights in network.parameters():
            if weights.dim() == 4:
                weights.data = weights.data.contiguous(memory_format=torch.channels_last)
        self.log_bands = LogBands()

    @torch.no_grad()
    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Samples float32 [256 (T - 1) + 2048] -> logits [T, 95], confidence [T].

        Frame t is centred on sample 1024 + 256 t.
        """
        logits, confidence = self.network(self.log_bands(audio))
        return logits, confidence
