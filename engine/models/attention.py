"""Self-attention with learned relative positions (Shaw et al. 2018), as VITS' encoder has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW_FRAMES = 10
"""Positions further away than this have no embedding of their own."""


class RelativeAttention(nn.Module):
    """Attention of every frame to every frame, with a bias for those within the window."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # Checkpoint names: query, key, value and output projections.
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        positions = (1, 2 * WINDOW_FRAMES + 1, channels // heads)
        self.emb_rel_k = nn.Parameter(torch.empty(positions))
        self.emb_rel_v = nn.Parameter(torch.empty(positions))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        # Float32 even where the convolutions are in half: scores and softmax need it.
        exact = self.emb_rel_k.dtype
        query, key, value = (self._split(conv(x)).to(exact) for conv in self._projections())
        query = query / math.sqrt(query.shape[-1])
        scores = query @ key.transpose(-2, -1)
        scores = scores + banded(query @ self.emb_rel_k.transpose(-2, -1))
        attention = scores.softmax(dim=-1)
        mixed = attention @ value + band(attention) @ self.emb_rel_v
        joined: Tensor = self.conv_o(mixed.transpose(2, 3).reshape(x.shape))
        return joined

    def _projections(self) -> tuple[nn.Conv1d, nn.Conv1d, nn.Conv1d]:
        return self.conv_q, self.conv_k, self.conv_v

    def _split(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, heads, T, C / heads]``."""
        batch, channels, frames = x.shape
        return x.view(batch, self.heads, channels // self.heads, frames).transpose(2, 3)


def banded(band_values: Tensor) -> Tensor:
    """``[..., T, 2W + 1] -> [..., T, T]``: value k of row i goes to column i + k - W, else 0.

    Rows one element longer than the matrix's shift by one each when they are re-read as rows.
    """
    frames, width = band_values.shape[-2:]
    window = width // 2
    flat = F.pad(band_values, (0, frames)).flatten(-2)[..., : frames * (frames + width - 1)]
    rows = flat.view(*flat.shape[:-1], frames, frames + width - 1)
    return rows[..., window : window + frames]


def band(matrix: Tensor) -> Tensor:
    """``[..., T, T] -> [..., T, 2W + 1]``: the reverse of `banded`; outside the matrix 0."""
    frames = matrix.shape[-1]
    width = 2 * WINDOW_FRAMES + 1
    flat = F.pad(matrix, (WINDOW_FRAMES, WINDOW_FRAMES)).flatten(-2)
    rows = F.pad(flat, (0, frames)).view(*flat.shape[:-1], frames, frames + width)
    return rows[..., :width]
