"""Self-attention: plain, and with learned relative positions (Shaw et al. 2018) as in VITS."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.layout import multiplies_by_onednn, product

WINDOW_FRAMES = 10
"""Positions further away than this have no embedding."""

ROWS_AT_ONCE = 512
"""Rows of attention scores computed at once; this limits their memory."""


Heads = tuple[int, int] | tuple[slice, slice]
"""Of ``[B, heads, T, C]``: one head of one row, or all."""


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax of ``query @ key.T / sqrt(C)`` times value, each ``[B, heads, T, C]``.

    torch's own function is faster except for 16 bits on the CPU. There the scores have 16 bits too;
    softmax still sums in float32.
    """
    if query.dtype == torch.float32 or not multiplies_by_onednn(query):
        return F.scaled_dot_product_attention(query, key, value)
    query = query / math.sqrt(query.shape[-1])
    mixed = torch.empty_like(query)
    for head in _heads_together(query):
        columns = value[head].transpose(-2, -1).contiguous()
        for start in range(0, query.shape[2], ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            attention = _products(query[head][..., rows, :], key[head]).softmax(dim=-1)
            mixed[head][..., rows, :] = _products(attention, columns)
    return mixed


def attend_rounded(query: Tensor, key: Tensor, value: Tensor, dtype: torch.dtype) -> Tensor:
    """`attend` with numbers of this type, except on the CPU: there float32 is as fast.

    The result has the type of the query.
    """
    dtype = torch.float32 if query.device.type == "cpu" else dtype
    return attend(query.to(dtype), key.to(dtype), value.to(dtype)).to(query.dtype)


def _heads_together(x: Tensor) -> Iterator[Heads]:
    """Heads of ``[B, heads, T, C]`` computed at once: all, or one alone with oneDNN."""
    if not multiplies_by_onednn(x):
        yield slice(None), slice(None)
        return
    for row in range(x.shape[0]):
        for head in range(x.shape[1]):
            yield row, head


def _products(x: Tensor, other: Tensor) -> Tensor:
    """``x @ other.T`` of matrices or stacks of them."""
    return product(x, other, None) if x.dim() == 2 else x @ other.transpose(-2, -1)


class SelfAttention(nn.Module):
    """Multi-head self-attention over all frames, with the names of transformers.

    Parameters
    ----------
    key_bias : Whisper's keys have none
    """

    def __init__(self, width: int, heads: int, *, key_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=key_bias)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = attend(query, key, value)
        return torch.as_tensor(self.out_proj(mixed.transpose(1, 2).flatten(2)))


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
        frames = query.shape[2]
        mixed = torch.empty_like(query)
        for head in _heads_together(query):
            columns = value[head].transpose(-2, -1).contiguous()
            for start in range(0, frames, ROWS_AT_ONCE):
                rows = query[head][..., start : start + ROWS_AT_ONCE, :]
                mixed[head][..., start : start + ROWS_AT_ONCE, :] = self._rows(
                    rows, key[head], columns, start
                )
        joined: Tensor = self.conv_o(mixed.transpose(2, 3).reshape(x.shape))
        return joined

    def _rows(self, query: Tensor, key: Tensor, value_columns: Tensor, start: int) -> Tensor:
        """Output of n frames from ``start`` on: ``[..., n, C / heads]``."""
        count, frames = query.shape[-2], key.shape[-2]
        low, high = max(start - WINDOW_FRAMES, 0), min(start + count + WINDOW_FRAMES, frames)
        # Positions before the first and after the last frame have no columns in the scores.
        before, after = low - (start - WINDOW_FRAMES), start + count + WINDOW_FRAMES - high
        scores = _products(query, key)
        bias = banded(query @ self.emb_rel_k[0].T)
        scores[..., low:high] += bias[..., before : bias.shape[-1] - after]
        attention = scores.softmax(dim=-1)
        near = band(F.pad(attention[..., low:high], (before, after)))
        return _products(attention, value_columns) + near @ self.emb_rel_v[0]

    def _projections(self) -> tuple[nn.Conv1d, nn.Conv1d, nn.Conv1d]:
        return self.conv_q, self.conv_k, self.conv_v

    def _split(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, heads, T, C / heads]``."""
        batch, channels, frames = x.shape
        return x.view(batch, self.heads, channels // self.heads, frames).transpose(2, 3)


def banded(band_values: Tensor) -> Tensor:
    """``[..., n, 2W + 1] -> [..., n, n + 2W]``: value k of row i goes to column i + k, else 0.

    Rows padded by one element shift by one each when the flat memory is viewed as the matrix.
    """
    rows, width = band_values.shape[-2:]
    columns = rows + width - 1
    flat = F.pad(band_values, (0, rows)).flatten(-2)[..., : rows * columns]
    return flat.view(*flat.shape[:-1], rows, columns)


def band(matrix: Tensor) -> Tensor:
    """``[..., n, n + 2W] -> [..., n, 2W + 1]``: the reverse of `banded`."""
    rows, columns = matrix.shape[-2:]
    flat = F.pad(matrix.flatten(-2), (0, rows))
    return flat.view(*flat.shape[:-1], rows, columns + 1)[..., : columns + 1 - rows]
