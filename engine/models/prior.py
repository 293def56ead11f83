"""The prior encoder: content features and pitch to the statistics of the latent (VITS)."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.attention import RelativeAttention
from engine.models.layers import LEAKY_SLOPE, ChannelNorm, same_conv
from engine.models.synthesizer_sizes import SynthesizerSizes

COARSE_PITCHES = 256


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv_1 = same_conv(channels, filter_channels, kernel_size)
        self.conv_2 = same_conv(filter_channels, channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        result: Tensor = self.conv_2(self.conv_1(x).relu())
        return result


class AttentionStack(nn.Module):
    """Attention and feed-forward layers, each normalised after its residual sum."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        hidden = sizes.hidden_channels
        count = range(sizes.layers)
        self.attn_layers = nn.ModuleList(RelativeAttention(hidden, sizes.heads) for _ in count)
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(hidden) for _ in count)
        self.ffn_layers = nn.ModuleList(
            FeedForward(hidden, sizes.filter_channels, sizes.kernel_size) for _ in count
        )
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(hidden) for _ in count)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, hidden, T] -> [B, hidden, T]``."""
        for attention, norm_1, feed_forward, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + attention(x))
            x = norm_2(x + feed_forward(x))
        return x


class Prior(nn.Module):
    """Checkpoint name ``enc_p`` (RVC's ``TextEncoder``)."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        hidden = sizes.hidden_channels
        self.scale = math.sqrt(hidden)
        self.emb_phone = nn.Linear(sizes.feature_channels, hidden)
        self.emb_pitch = nn.Embedding(COARSE_PITCHES, hidden) if sizes.pitch_guided else None
        self.encoder = AttentionStack(sizes)
        self.proj = nn.Conv1d(hidden, 2 * sizes.inter_channels, 1)

    def forward(self, phone: Tensor, pitch_coarse: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log-scale of the latent.

        Parameters
        ----------
        phone : float32 ``[B, T, W]``  content features, 100 frames/s
        pitch_coarse : int64 ``[B, T]``  1..255 on the mel scale; None for voices without pitch

        Returns
        -------
        two float32 ``[B, inter, T]``
        """
        x = self.emb_phone(phone)
        if self.emb_pitch is not None:
            if pitch_coarse is None:
                raise ValueError("a pitch-guided voice needs pitch_coarse")
            x = x + self.emb_pitch(pitch_coarse)
        x = F.leaky_relu(x * self.scale, LEAKY_SLOPE).transpose(1, 2)
        mean, log_scale = self.proj(self.encoder(x)).chunk(2, dim=1)
        return mean, log_scale
