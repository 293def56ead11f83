"""The normalising flow between the prior and the vocoder's latent (VITS), run backwards only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models.layers import same_conv
from engine.models.synthesizer_sizes import SynthesizerSizes

COUPLINGS = 4
KERNEL_SIZE = 5
WAVENET_LAYERS = 3


class WaveNet(nn.Module):
    """Gated convolutions with skip connections (van den Oord et al. 2016), undilated."""

    def __init__(self, channels: int, speaker_channels: int) -> None:
        super().__init__()
        last = WAVENET_LAYERS - 1
        self.channels = channels
        self.in_layers = nn.ModuleList(
            same_conv(channels, 2 * channels, KERNEL_SIZE) for _ in range(WAVENET_LAYERS)
        )
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(channels, channels if layer == last else 2 * channels, 1)
            for layer in range(WAVENET_LAYERS)
        )
        self.cond_layer = nn.Conv1d(speaker_channels, 2 * channels * WAVENET_LAYERS, 1)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """``[B, C, T]``, speaker ``[B, gin, 1]`` -> ``[B, C, T]``."""
        conditions = self.cond_layer(speaker).chunk(WAVENET_LAYERS, dim=1)
        skipped = torch.zeros_like(x)
        for conv, res_skip, condition in zip(
            self.in_layers, self.res_skip_layers, conditions, strict=True
        ):
            signal, gate = (conv(x) + condition).chunk(2, dim=1)
            result = res_skip(signal.tanh() * gate.sigmoid())
            if result.shape[1] == 2 * self.channels:
                x = x + result[:, : self.channels]
            skipped = skipped + result[:, -self.channels :]
        return skipped


class Coupling(nn.Module):
    """One half of the channels shifts the mean of the other (RealNVP without scaling)."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        half = sizes.inter_channels // 2
        self.pre = nn.Conv1d(half, sizes.flow_channels, 1)
        self.enc = WaveNet(sizes.flow_channels, sizes.gin_channels)
        self.post = nn.Conv1d(sizes.flow_channels, half, 1)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """Undo the coupling: ``[B, inter, T] -> [B, inter, T]``."""
        kept, moved = x.chunk(2, dim=1)
        mean = self.post(self.enc(self.pre(kept), speaker))
        return torch.cat([kept, moved - mean], dim=1)


class Flow(nn.Module):
    """Checkpoint name ``flow``; its odd members are flips, which have no weights."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        self.flows = nn.ModuleDict({str(2 * i): Coupling(sizes) for i in range(COUPLINGS)})

    def forward(self, z: Tensor, speaker: Tensor) -> Tensor:
        """From the prior's latent to the vocoder's, float32 ``[B, inter, T]``.

        Parameters
        ----------
        z : float32 ``[B, inter, T]``
        speaker : float32 ``[B, gin, 1]``
        """
        for coupling in reversed(list(self.flows.values())):
            z = coupling(z.flip(1), speaker)
        return z
