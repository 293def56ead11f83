"""HTDemucs: a U-Net over the spectrum, one over the waveform, and a transformer that joins them.

Network: Rouard, Massa, Défossez 2023, "Hybrid Transformers for Music Source Separation".
Attribute names are those of the checkpoint, so that loading is strict.

Everything is channels last: the spectrum is ``[F, T, C]``, the waveform ``[T, C]``. A convolution
of kernel 8 and stride 4 is then one matrix product over overlapping rows, which has no limit of
length on any device, and each row of the spectrum can pass its layers alone, in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.attention import attend_rounded
from engine.models.layers import slices
from engine.models.layout import FastLinear, RoundedLayer, rounded_product
from engine.models.spectrum import spectrum, waveform

KERNEL = 8
STRIDE = 4
EDGE = 2
"""Samples or bins that the layers of stride 4 add at both ends, or cut off."""

EMBEDDING_SCALE = 2.0
"""The file's embedding of the frequency is a tenth of what was trained, and counts by 0.2."""

STEREO = 2
SPECTRAL_CHANNELS = 2 * STEREO
_EPSILON = 1e-5
_TILE_FLOATS = {"cpu": 1 << 20}
_TOKENS_AT_ONCE = {"cpu": 1024}
"""What a CPU keeps in its cache; any other device gets all at once."""

_PERIOD = 10_000.0


@dataclass(frozen=True)
class HTDemucsSizes:
    """What the weights say about the network, and what they do not.

    Attributes
    ----------
    channels : of the outermost layers; each further one has twice as many
    depth : layers of each encoder
    sources : stems, the vocals last
    bottom_channels : width of the transformer where it differs from the innermost layer, else 0
    hidden : width inside the transformer's feed-forward layers
    dconv_depth, dconv_hidden : residual convolutions of each layer, and their outermost width
    decoder_dconv : whether the decoders have them too
    embeddings : rows of the spectrum after the first layer
    heads, segment_samples : not in the weights
    """

    channels: int = 48
    depth: int = 4
    sources: int = 4
    bottom_channels: int = 512
    layers: int = 5
    hidden: int = 2048
    dconv_depth: int = 2
    dconv_hidden: int = 6
    decoder_dconv: bool = True
    embeddings: int = 512
    heads: int = 8
    segment_samples: int = 343_980

    @property
    def n_fft(self) -> int:
        """Of the spectrum; its highest bin is not used."""
        return 2 * STRIDE * self.embeddings

    @property
    def hop(self) -> int:
        """Samples between two frames."""
        return self.n_fft // 4


class _Affine(RoundedLayer):
    """Weight and bias under the checkpoint's names; ``weight`` [out, in, ...]."""

    def __init__(self, *shape: int, bias: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0] if bias is None else bias))

    def forward(self, x: Tensor) -> Tensor:
        """A convolution of kernel 1 over the last axis."""
        return rounded_product(x, self.weight.flatten(1), self.bias)


class _Dilated(_Affine):
    """A convolution of kernel 3 over time, ``[..., T, C]``."""

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        weight = self.weight.permute(2, 0, 1).flatten(0, 1)
        # One product for all taps, then shifted sums.
        before, here, after = rounded_product(x, weight, None).chunk(3, -1)
        y = here + self.bias
        if x.shape[-2] > dilation:
            y[..., dilation:, :] += before[..., :-dilation, :]
            y[..., :-dilation, :] += after[..., dilation:, :]
        return y


class _Norm(_Affine):
    """Normalisation over time and channels together, ``[..., T, C]``: one group."""

    rounded = ()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((-2, -1), keepdim=True)
        # A row of equal numbers is subtracted faster than a single one.
        x = x - mean.expand(*mean.shape[:-1], x.shape[-1]).contiguous()
        scale = torch.rsqrt((x * x).mean((-2, -1), keepdim=True).add_(_EPSILON)) * self.weight
        return torch.addcmul(self.bias.expand_as(scale).contiguous(), x, scale)


class _Scale(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """``x + scale * change``, one scale for each channel."""
        return torch.addcmul(x, change, self.scale)


class _Residual(nn.ModuleDict):
    """``[..., T, C] -> [..., T, C]``; names are positions, with activations between."""

    def __init__(self, channels: int, hidden: int) -> None:
        layers = {
            "0": _Dilated(hidden, channels, 3),
            "1": _Norm(hidden),
            "3": _Affine(2 * channels, hidden, 1),
            "4": _Norm(2 * channels),
            "6": _Scale(channels),
        }
        super().__init__(layers)

    def forward(self, x: Tensor, dilation: int) -> Tensor:
        """Changes its input."""
        hidden = F.gelu(self["1"](self["0"](x, dilation)))
        hidden, weight, bias = _before_norm(hidden, self["3"], self["4"])
        for frames in _tiles(x.shape[-2], 2 * x[..., 0, :].numel(), x.device):
            change = F.glu(rounded_product(hidden[..., frames, :], weight, bias), -1)
            x[..., frames, :] = self["6"](x[..., frames, :], change)
        return x


def _before_norm(x: Tensor, linear: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Another input, weight and bias for a linear layer, with which its result is normalised.

    Mean and variance of the result follow from those of its input, which is far smaller. The
    input gets two more channels: what the norm does is linear for each row of its own.
    """
    dtype = torch.as_tensor(linear.weight).dtype
    weight = torch.as_tensor(linear.weight).flatten(1).to(x.dtype)
    bias, gain, shift = (torch.as_tensor(each) for each in (linear.bias, norm.weight, norm.bias))
    centre = x.mean(-2, keepdim=True)
    spread = x - centre
    covariance = spread.transpose(-2, -1) @ spread / x.shape[-2]
    means = centre @ weight.T + bias
    mean = means.mean(-1, keepdim=True)
    variances = ((weight @ covariance) * weight).sum(-1).mean(-1)[..., None, None]
    variance = variances + (means - mean).square().mean(-1, keepdim=True)
    scale = torch.rsqrt(variance + _EPSILON)
    ones = x.new_ones(1).expand(*x.shape[:-1], 1)
    x = torch.cat((x * scale, ones * scale, ones * (-mean * scale)), -1)
    columns = (weight * gain[:, None], (bias * gain)[:, None], gain[:, None])
    return x, torch.cat(columns, -1).to(dtype), shift


class _DConv(nn.Module):
    """Residual convolutions over time, ``[..., T, C] -> [..., T, C]``; changes its input."""

    def __init__(self, channels: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Residual(channels, hidden) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = layer(x, 2**i)
        return x


class _Encoder(nn.Module):
    """Four samples or bins become one, with twice the channels."""

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, ...], dconv: _DConv) -> None:
        super().__init__()
        self.conv = _Affine(n_out, n_in, *kernel)
        self.rewrite = _Affine(2 * n_out, n_out, *(1 for _ in kernel))
        self.dconv = dconv


class _SpectralEncoder(_Encoder):
    def forward(self, x: Tensor) -> Tensor:
        """``[F, T, C] -> [F / 4, T, C']``."""
        n_bins, n_frames, channels = x.shape
        padded = F.pad(x, (0, 0, 0, 0, EDGE, EDGE))
        row = n_frames * channels
        shape = (n_bins // STRIDE, n_frames, KERNEL, channels)
        windows = padded.as_strided(shape, (STRIDE * row, channels, row, 1))
        weight = self.conv.weight[..., 0].transpose(1, 2).flatten(1)
        y = x.new_empty(n_bins // STRIDE, n_frames, len(weight))
        for rows in _tiles(n_bins // STRIDE, 2 * n_frames * len(weight), x.device):
            part = F.gelu(rounded_product(windows[rows].flatten(2), weight, self.conv.bias))
            y[rows] = F.glu(self.rewrite(self.dconv(part)), -1)
        return y


class _WaveEncoder(_Encoder):
    def forward(self, x: Tensor) -> Tensor:
        """``[T, C] -> [ceil(T / 4), C']``."""
        n, channels = x.shape
        padded = F.pad(x, (0, 0, EDGE, EDGE + -n % STRIDE))
        shape = (-(-n // STRIDE), KERNEL * channels)
        windows = padded.as_strided(shape, (STRIDE * channels, 1))
        weight = self.conv.weight.transpose(1, 2).flatten(1)
        y = x.new_empty(len(windows), len(weight))
        tiles = list(_tiles(len(y), 2 * len(weight), x.device))
        for rows in tiles:
            y[rows] = F.gelu(rounded_product(windows[rows].contiguous(), weight, self.conv.bias))
        y = torch.as_tensor(self.dconv(y))
        for rows in tiles:
            y[rows] = F.glu(self.rewrite(y[rows]), -1)
        return y


class _Decoder(nn.Module):
    """The way back; the encoder's result of the same scale is added to the input."""

    def __init__(
        self, n_in: int, n_out: int, kernel: tuple[int, ...], dconv: _DConv | None
    ) -> None:
        super().__init__()
        self.conv_tr = _Affine(n_in, n_out, *kernel, bias=n_out)
        self.rewrite = _Dilated(2 * n_in, n_in, *(3 for _ in kernel))
        self.dconv = dconv

    def _widened(self, x: Tensor, kept: slice) -> tuple[Tensor, Tensor]:
        """What each step adds to the four outputs at its own place and at the next one.

        ``[..., T, C]`` -> twice ``[..., T, 4, C']``, of the kept channels.
        """
        weight = self.conv_tr.weight.reshape(*self.conv_tr.weight.shape[:2], KERNEL)[:, kept]
        weight = weight.permute(2, 1, 0)
        y = rounded_product(x, weight.flatten(0, 1), None)
        y = y.view(*y.shape[:-1], *weight.shape[:2])
        return y[..., :STRIDE, :], y[..., STRIDE:, :]


class _SpectralDecoder(_Decoder):
    def forward(self, x: Tensor, skip: Tensor, kept: slice, *, last: bool) -> Tensor:
        """``[F, T, C] -> [4 F, T, C']``."""
        n_bins, n_frames, channels = x.shape
        padded = F.pad(x.add_(skip), (0, 0, 0, 0, 1, 1))
        bias = self.conv_tr.bias[kept]
        # One row more than there is: what is cut off at both ends is half of one.
        y = bias.expand(n_bins + 1, STRIDE, n_frames, len(bias)).clone()
        weight = self.rewrite.weight.contiguous(memory_format=torch.channels_last)
        bias_of_rewrite = self.rewrite.bias.to(weight.dtype)
        for rows in _tiles(n_bins, 2 * n_frames * channels, x.device):
            part = padded[rows.start : rows.stop + 2].permute(2, 0, 1)[None]
            part = F.conv2d(part.to(weight.dtype), weight, bias_of_rewrite, padding=(0, 1))
            part = F.glu(part[0].permute(1, 2, 0).to(x.dtype), -1)
            here, after = self._widened(part if self.dconv is None else self.dconv(part), kept)
            y[rows] += here.transpose(1, 2)
            y[rows.start + 1 : rows.stop + 1] += after.transpose(1, 2)
        y = y.flatten(0, 1)[EDGE:-EDGE]
        return y if last else F.gelu(y)


class _WaveDecoder(_Decoder):
    def forward(self, x: Tensor, skip: Tensor, n: int, kept: slice, *, last: bool) -> Tensor:
        """``[T, C] -> [n, C']``, n the length before the encoder."""
        padded = F.pad(x.add_(skip), (0, 0, 1, 1))
        y = torch.empty_like(x)
        for rows in _tiles(len(x), 6 * x.shape[1], x.device):
            y[rows] = F.glu(self.rewrite(padded[rows.start : rows.stop + 2])[1:-1], -1)
        here, after = self._widened(y if self.dconv is None else self.dconv(y), kept)
        bias = self.conv_tr.bias[kept]
        z = F.pad(here, (0, 0, 0, 0, 0, 1))
        z[1:] += after
        z = z.add_(bias).flatten(0, 1)[EDGE : EDGE + n]
        return z if last else F.gelu(z)


def _tiles(n: int, floats: int, device: torch.device) -> Iterator[slice]:
    """Slices of n rows with so many floats each, small enough for the cache."""
    return slices(n, max(1, _TILE_FLOATS.get(device.type, n * floats) // floats))


class _Attention(RoundedLayer):
    rounded = ("in_proj_weight",)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = FastLinear(width, width)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Each token ``[T, W]`` asks all of ``other`` ``[U, W]``; the result is ``[T, W]``."""
        width = x.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        query = rounded_product(x, weight[:width], bias[:width])
        key, value = rounded_product(other, weight[width:], bias[width:]).chunk(2, -1)
        query, key, value = (self._by_head(part) for part in (query, key, value))
        mixed = attend_rounded(query, key, value, weight.dtype)[0].transpose(0, 1).flatten(1)
        return torch.as_tensor(self.out_proj(mixed)).to(x.dtype)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.heads, -1).transpose(0, 1).contiguous()[None]


class _Layer(nn.Module):
    """Self-attention, or attention to the other branch, and a feed-forward network."""

    def __init__(self, sizes: HTDemucsSizes, width: int, *, crossed: bool) -> None:
        super().__init__()
        # Checkpoint names, in its order.
        attention = _Attention(width, sizes.heads)
        if crossed:
            self.cross_attn = attention
        else:
            self.self_attn = attention
        self.linear1 = FastLinear(width, sizes.hidden)
        self.linear2 = FastLinear(sizes.hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width) if crossed else None
        self.norm_out = _Norm(width)
        self.gamma_1 = _Scale(width)
        self.gamma_2 = _Scale(width)

    def forward(self, x: Tensor, other: Tensor | None) -> Tensor:
        """``[T, W] -> [T, W]``; ``other`` are the tokens of the other branch."""
        asking = self.norm1(x)
        if other is None:
            attended = self.self_attn(asking, asking)
        else:
            attended = self.cross_attn(asking, self.norm2(other))
        x = self.gamma_1(x, attended)
        norm = self.norm3 or self.norm2
        y = torch.empty_like(x)
        step = _TOKENS_AT_ONCE.get(x.device.type, len(x))
        for rows in slices(len(x), step):
            change = self.linear2(self.linear1.gelu(norm(x[rows])))
            y[rows] = self.gamma_2(x[rows], change.to(x.dtype))
        return torch.as_tensor(self.norm_out(y))


class _CrossTransformer(nn.Module):
    """Layers of even number look at their own branch, those of odd number at the other one."""

    def __init__(self, sizes: HTDemucsSizes, width: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(width)
        self.norm_in_t = nn.LayerNorm(width)
        crossed = [bool(i % 2) for i in range(sizes.layers)]
        self.layers = nn.ModuleList(_Layer(sizes, width, crossed=each) for each in crossed)
        self.layers_t = nn.ModuleList(_Layer(sizes, width, crossed=each) for each in crossed)

    def forward(self, bins: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``[F, T, W]`` and ``[T', W]``, the same shapes out."""
        shape = bins.shape
        bins = self.norm_in(bins).add_(_positions_2d(bins)).flatten(0, 1)
        wave = self.norm_in_t(wave).add_(_positions(wave))
        for i, (layer, layer_t) in enumerate(zip(self.layers, self.layers_t, strict=True)):
            old = bins
            bins = layer(bins, wave if i % 2 else None)
            wave = layer_t(wave, old if i % 2 else None)
        return bins.view(shape), wave


def _positions(x: Tensor) -> Tensor:
    """Of the waveform's tokens: all cosines, then all sines, [T, W]."""
    n, width = x.shape
    half = width // 2
    exponent = torch.arange(half, device=x.device) / (half - 1)
    phase = torch.arange(n, device=x.device)[:, None] / _PERIOD**exponent
    return torch.cat((phase.cos(), phase.sin()), -1)


def _positions_2d(x: Tensor) -> Tensor:
    """Of the spectrum's tokens: half of the channels for the frame, half for the row, [F, T, W]."""
    n_rows, n_frames, width = x.shape

    def waves(n: int) -> Tensor:
        steps = torch.arange(0, width // 2, 2, device=x.device)
        phase = torch.arange(n, device=x.device)[:, None] * torch.exp(
            steps * -(math.log(_PERIOD) / (width // 2))
        )
        return torch.stack((phase.sin(), phase.cos()), -1).flatten(1)

    frames = waves(n_frames).expand(n_rows, -1, -1)
    rows = waves(n_rows)[:, None].expand(-1, n_frames, -1)
    return torch.cat((frames, rows), -1)


class _Embedding(nn.Module):
    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, channels)


class HTDemucs(nn.Module):
    """The network whose weights a demucs v4 file holds."""

    def __init__(self, sizes: HTDemucsSizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths = [sizes.channels * 2**i for i in range(sizes.depth)]
        hidden = [sizes.dconv_hidden * 2**i for i in range(sizes.depth)]

        def dconv(i: int) -> _DConv:
            return _DConv(widths[i], hidden[i], sizes.dconv_depth)

        def in_decoder(i: int) -> _DConv | None:
            return dconv(i) if sizes.decoder_dconv else None

        places = range(sizes.depth)
        self.encoder = nn.ModuleList(
            _SpectralEncoder(
                widths[i - 1] if i else SPECTRAL_CHANNELS, widths[i], (KERNEL, 1), dconv(i)
            )
            for i in places
        )
        self.tencoder = nn.ModuleList(
            _WaveEncoder(widths[i - 1] if i else STEREO, widths[i], (KERNEL,), dconv(i))
            for i in places
        )
        outer = sizes.sources
        self.decoder = nn.ModuleList(
            _SpectralDecoder(
                widths[i],
                widths[i - 1] if i else outer * SPECTRAL_CHANNELS,
                (KERNEL, 1),
                in_decoder(i),
            )
            for i in reversed(places)
        )
        self.tdecoder = nn.ModuleList(
            _WaveDecoder(
                widths[i], widths[i - 1] if i else outer * STEREO, (KERNEL,), in_decoder(i)
            )
            for i in reversed(places)
        )
        self.freq_emb = _Embedding(sizes.embeddings, sizes.channels)
        inner, width = widths[-1], sizes.bottom_channels or widths[-1]
        if sizes.bottom_channels:
            self.channel_upsampler = _Affine(width, inner, 1)
            self.channel_downsampler = _Affine(inner, width, 1)
            self.channel_upsampler_t = _Affine(width, inner, 1)
            self.channel_downsampler_t = _Affine(inner, width, 1)
        self.crosstransformer = _CrossTransformer(sizes, width)

    def forward(self, bins: Tensor, wave: Tensor, stems: slice) -> tuple[Tensor, Tensor]:
        """The part that runs on the device.

        Parameters
        ----------
        bins : float32 [F, T, 4], F a power of 2, the channels left real, left imaginary, right …
        wave : float32 [n, 2]
        stems : which of them to give

        Returns
        -------
        [F, T, stems * 4] and [n, stems * 2], whose waveforms add up to the stems
        """
        bins, bins_std, bins_mean = _normalised(bins)
        wave, wave_std, wave_mean = _normalised(wave)
        bins_skips, wave_skips, lengths = [], [], []
        for i, (encode, encode_t) in enumerate(zip(self.encoder, self.tencoder, strict=True)):
            lengths.append(len(wave))
            bins, wave = encode(bins), encode_t(wave)
            if i == 0:
                bins = bins.add_(EMBEDDING_SCALE * self.freq_emb.embedding.weight[:, None])
            bins_skips.append(bins)
            wave_skips.append(wave)
        bins, wave = self._joined(bins, wave)
        for decode, decode_t in zip(self.decoder, self.tdecoder, strict=True):
            last = not lengths[1:]
            kept, kept_t = (
                _channels(stems, width) if last else slice(None)
                for width in (SPECTRAL_CHANNELS, STEREO)
            )
            bins = decode(bins, bins_skips.pop(), kept, last=last)
            wave = decode_t(wave, wave_skips.pop(), lengths.pop(), kept_t, last=last)
        return bins * bins_std + bins_mean, wave * wave_std + wave_mean

    def _joined(self, bins: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        if not self.sizes.bottom_channels:
            bins, wave = self.crosstransformer(bins, wave)
            return bins, wave
        bins, wave = self.crosstransformer(
            self.channel_upsampler(bins), self.channel_upsampler_t(wave)
        )
        return self.channel_downsampler(bins), self.channel_downsampler_t(wave)

    @torch.no_grad()
    def separate(self, audio: Tensor, stems: slice) -> Tensor:
        """Samples float32 [2, n], n <= the segment's length -> [stems, 2, n], on the host.

        Spectra are made on the host; the network runs where its weights are.
        """
        n, n_segment = audio.shape[-1], self.sizes.segment_samples
        device = self.crosstransformer.norm_in.weight.device
        padded = F.pad(audio, (0, n_segment - n))
        bins = self._spectrum(padded)
        made, wave = self(bins.to(device), padded.T.contiguous().to(device), stems)
        made, wave = made.cpu(), wave.cpu()
        sound = self._waveform(made, n_segment) + wave.T
        return torch.as_tensor(sound.view(-1, STEREO, n_segment)[..., :n])

    def _spectrum(self, audio: Tensor) -> Tensor:
        """Samples [2, n] -> [F, T, 4], without the highest bin, orthonormal."""
        hop, n_fft, n = self.sizes.hop, self.sizes.n_fft, audio.shape[-1]
        frames, edge = -(-n // hop), hop // 2 * 3
        padded = F.pad(audio, (edge, edge + frames * hop - n), mode="reflect")
        bins = spectrum(padded, n_fft, hop)[:, :-1, 2 : 2 + frames] / math.sqrt(n_fft)
        return bins.permute(1, 2, 0, 3).flatten(2).contiguous()

    def _waveform(self, bins: Tensor, n: int) -> Tensor:
        """[F, T, stems * 4] -> samples [stems * 2, n]."""
        hop, n_fft = self.sizes.hop, self.sizes.n_fft
        edge, frames = hop // 2 * 3, bins.shape[1]
        bins = bins.view(*bins.shape[:2], -1, 2).permute(2, 0, 1, 3) * math.sqrt(n_fft)
        bins = F.pad(bins, (0, 0, 2, 2, 0, 1))
        return waveform(bins, n_fft, hop, hop * frames + 2 * edge)[..., edge : edge + n]


def _channels(stems: slice, width: int) -> slice:
    """The channels of some stems, each so wide."""
    first, last = stems.start or 0, stems.stop
    return slice(first * width, None if last is None else last * width)


def _normalised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A tensor without its mean and with unit deviation, and both of them."""
    mean, std = x.mean(), x.std()
    return (x - mean) / (_EPSILON + std), std, mean
