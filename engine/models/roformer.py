"""Band-split RoFormers: attention over time in each band, then over the bands in each frame.

Networks: Lu et al. 2023, "Music Source Separation with Band-Split RoPE Transformer" (BS) and
Wang et al. 2023, "Mel-Band RoFormer" (overlapping bands). Attribute names are the checkpoint's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from engine.models.attention import attend_rounded
from engine.models.layers import slices
from engine.models.layout import FastLinear
from engine.models.mel import mel_filter_bank
from engine.models.spectrum import spectrum, waveform

N_FFT = 2048
BINS = N_FFT // 2 + 1
STEREO = 2
BIN_FLOATS = 2 * STEREO
"""Numbers of a bin: real and imaginary part of each channel."""

RATE_HZ = 44_100
MEL_BANDS = 60
BS_WIDTHS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)

_SHORTEST = 1e-12
_TOKENS_AT_ONCE = 2048
_DEVICE_TOKENS_AT_ONCE = 16_384


@dataclass(frozen=True)
class RoformerSizes:
    """What the weights say about the network, and the two things they do not.

    Attributes
    ----------
    mel : overlapping bands on a mel scale; else those of BS-RoFormer
    width, depth, heads, head_width : of the transformers
    time_depth, band_depth : layers of each transformer
    stems : masks
    mask_layers, mask_hidden : of the network that makes each band's mask
    hop : samples between two frames (not in the weights)
    keeps_constant : whether the mask applies to 0 Hz, which is silent otherwise (not stored)
    """

    mel: bool
    width: int
    depth: int
    heads: int = 8
    head_width: int = 64
    time_depth: int = 1
    band_depth: int = 1
    stems: int = 1
    mask_layers: int = 3
    mask_hidden: int = 0
    hop: int = 441
    keeps_constant: bool = False

    @property
    def bands(self) -> tuple[range, ...]:
        """The bins of each band."""
        if self.mel:
            return mel_bands()
        ends = accumulate(BS_WIDTHS)
        return tuple(range(end - n, end) for n, end in zip(BS_WIDTHS, ends, strict=True))


def mel_bands() -> tuple[range, ...]:
    """The bins under each of 60 triangles, evenly spaced on Slaney's mel scale up to 22,050 Hz.

    The first band also has bin 0, the last one the highest bin.
    """
    with torch.device("cpu"):  # also while a network is made without memory for its weights
        filters = mel_filter_bank(RATE_HZ, N_FFT, MEL_BANDS, 0.0, RATE_HZ / 2, scale="slaney")
    bands = []
    for i, band in enumerate(filters):
        inside = band.nonzero().flatten().tolist()
        first = 0 if i == 0 else inside[0]
        last = BINS - 1 if i == MEL_BANDS - 1 else inside[-1]
        bands.append(range(first, last + 1))
    return tuple(bands)


class _RootNorm(nn.Module):
    """Each token divided by its root mean square, ``[..., W]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return (x / length.clamp_min(_SHORTEST)).mul_(self.gamma * math.sqrt(len(self.gamma)))


class _Rotary(nn.Module):
    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(torch.empty(head_width // 2))


class _Attention(nn.Module):
    """Attention inside each sequence, ``[S, N, W] -> [S, N, W]``, gated by head."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        inner = sizes.heads * sizes.head_width
        self.rotary_embed = _Rotary(sizes.head_width)
        self.norm = _RootNorm(sizes.width)
        self.to_qkv = FastLinear(sizes.width, 3 * inner, bias=False)
        self.to_gates = nn.Linear(sizes.width, sizes.heads)
        self.to_out = nn.Sequential(FastLinear(inner, sizes.width, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        n_sequences, n, _ = x.shape
        qkv = self.to_qkv(x).view(n_sequences, n, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        turn = torch.arange(n, device=x.device)[:, None] * self.rotary_embed.freqs
        turns = turn.cos(), turn.sin()
        query, key = _rotated(query, *turns), _rotated(key, *turns)
        mixed = attend_rounded(query, key, value.contiguous(), qkv.dtype)
        gates = torch.sigmoid(self.to_gates(x))
        mixed = mixed.transpose(1, 2) * gates[..., None]
        return torch.as_tensor(self.to_out(mixed.flatten(2)))


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbours of ``[S, heads, N, W]`` by its angle, [N, W / 2]."""
    real, imaginary = x[..., ::2], x[..., 1::2]
    pairs = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return torch.stack(pairs, -1).flatten(-2)


class _GeluLinear(FastLinear):
    def forward(self, x: Tensor) -> Tensor:
        return self.gelu(x)


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # Checkpoint names: there are an activation and dropouts between.
        narrow = FastLinear(4 * width, width)
        wide = _GeluLinear(width, 4 * width)
        self.net = nn.Sequential(_RootNorm(width), wide, nn.Identity(), nn.Identity(), narrow)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.net(x))


class _Layer(nn.ModuleList):
    """Attention and a feed-forward network, each added to its input."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__((_Attention(sizes), _FeedForward(sizes.width)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self[0](x).to(x.dtype)
        return torch.as_tensor(x + self[1](x).to(x.dtype))


class _Transformer(nn.Module):
    """``[S, N, W] -> [S, N, W]``: S sequences, each by itself."""

    def __init__(self, sizes: RoformerSizes, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(depth))
        self.norm = _RootNorm(sizes.width) if sizes.mel else None

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x if self.norm is None else torch.as_tensor(self.norm(x))


class _Block(nn.ModuleList):
    """A transformer over time and one over the bands, ``[bands, T, W]``; changes its input."""

    def __init__(self, sizes: RoformerSizes) -> None:
        over_time = _Transformer(sizes, sizes.time_depth)
        super().__init__((over_time, _Transformer(sizes, sizes.band_depth)))

    def forward(self, x: Tensor) -> Tensor:
        n_bands, n_frames, _ = x.shape
        for bands in _groups(n_bands, n_frames, x.device):
            x[bands] = self[0](x[bands])
        for frames in _groups(n_frames, n_bands, x.device):
            x[:, frames] = self[1](x[:, frames].transpose(0, 1)).transpose(0, 1)
        return x


class _BandSplit(nn.Module):
    """Each band's numbers become one token, ``[T, bins, 2, 2] -> [bands, T, W]``."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self.bands = sizes.bands
        widths = [BIN_FLOATS * len(band) for band in self.bands]
        self.to_features = nn.ModuleList(
            nn.Sequential(_RootNorm(width), FastLinear(width, sizes.width)) for width in widths
        )

    def forward(self, bins: Tensor) -> Tensor:
        return torch.stack(
            [
                to_feature(bins[:, band.start : band.stop].flatten(1))
                for band, to_feature in zip(self.bands, self.to_features, strict=True)
            ]
        ).to(bins.dtype)


class _MaskEstimator(nn.Module):
    """A complex factor for each bin and channel, ``[bands, T, W] -> [T, bins, 2, 2]``.

    Where bands overlap, the mean of their factors.
    """

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self.bands = sizes.bands
        self.counts = [sum(k in band for band in self.bands) for k in range(BINS)]
        inner = [sizes.mask_hidden] * (sizes.mask_layers - 1)
        outer = [2 * BIN_FLOATS * len(band) for band in self.bands]
        self.to_freqs = nn.ModuleList(
            nn.Sequential(_perceptron([sizes.width, *inner, width]), nn.GLU(-1)) for width in outer
        )

    def forward(self, x: Tensor) -> Tensor:
        mask = x.new_zeros(x.shape[1], BINS * BIN_FLOATS)
        for band, to_freq, tokens in zip(self.bands, self.to_freqs, x, strict=True):
            mask[:, BIN_FLOATS * band.start : BIN_FLOATS * band.stop] += to_freq(tokens)
        mask = mask.view(-1, BINS, STEREO, 2)
        if max(self.counts) > 1:
            mask /= torch.tensor(self.counts, dtype=x.dtype).to(x.device)[:, None, None]
        return mask


def _perceptron(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [FastLinear(n_in, n_out), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Roformer(nn.Module):
    """The network whose weights a Mel-Band or BS-RoFormer file holds."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.band_split = _BandSplit(sizes)
        self.layers = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.final_norm = None if sizes.mel else _RootNorm(sizes.width)
        self.mask_estimators = nn.ModuleList(_MaskEstimator(sizes) for _ in range(sizes.stems))

    def forward(self, bins: Tensor, stems: slice) -> Tensor:
        """The part that runs on the device.

        Parameters
        ----------
        bins : float32 [T, 1025, 2, 2], the axes: frame, bin, channel, real and imaginary part
        stems : which of them to give

        Returns
        -------
        [stems, T, 1025, 2, 2]
        """
        x = self.band_split(bins)
        for block in self.layers:
            x = block(x)
        if self.final_norm is not None:
            x = self.final_norm(x)
        found = [_masked(bins, estimate(x)) for estimate in self.mask_estimators[stems]]
        separated = torch.stack(found)
        if not (self.sizes.mel or self.sizes.keeps_constant):
            separated[:, :, 0] = 0
        return separated

    @torch.no_grad()
    def separate(self, audio: Tensor, stems: slice) -> Tensor:
        """Samples float32 [2, n], n a multiple of the hop -> [stems, 2, n], on the host.

        Spectra are made on the host; the network runs where its weights are.
        """
        bins = spectrum(audio, N_FFT, self.sizes.hop).permute(2, 1, 0, 3).contiguous()
        device = next(self.parameters()).device
        made = self(bins.to(device), stems).cpu()
        made = made.permute(0, 3, 2, 1, 4).flatten(0, 1)
        sound = waveform(made, N_FFT, self.sizes.hop, audio.shape[-1])
        return sound.view(-1, STEREO, audio.shape[-1])


def _masked(bins: Tensor, mask: Tensor) -> Tensor:
    """The complex product of two tensors [..., 2] of real and imaginary parts."""
    a, b = bins.unbind(-1)
    c, d = mask.unbind(-1)
    return torch.stack((a * c - b * d, a * d + b * c), -1)


def _groups(n: int, tokens: int, device: torch.device) -> Iterator[slice]:
    """Slices of n sequences with so many tokens each; a GPU takes more at once."""
    most = _TOKENS_AT_ONCE if device.type == "cpu" else _DEVICE_TOKENS_AT_ONCE
    return slices(n, max(1, most // tokens))
