"""The prior and the flow in MLX; see `engine.models.prior` and `engine.models.flow`."""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx
from torch import Tensor

from engine.accelerators import Latent
from engine.accelerators.mlx.layers import (
    Conv,
    Linear,
    Norm,
    channels_last,
    from_torch,
    leaky_relu,
    padded,
    tiles,
    to_torch,
    total,
)
from engine.models.attention import ROWS_AT_ONCE, WINDOW_FRAMES, RelativeAttention
from engine.models.flow import Flow
from engine.models.layers import LEAKY_SLOPE
from engine.models.prior import Prior
from engine.models.synthesizer import NOISE_SCALE, Synthesizer


def build_latent(synthesizer: Synthesizer, dtype: mx.Dtype) -> Latent:
    """The methods ``prior`` and ``latent``, with torch's tensors on the CPU at both ends."""
    prior, flow = _Prior(synthesizer.enc_p, dtype), _Flow(synthesizer.flow, dtype)
    speakers = synthesizer.emb_g

    def statistics(phone: Tensor, pitch_coarse: Tensor | None) -> tuple[Tensor, Tensor]:
        coarse = None if pitch_coarse is None else from_torch(pitch_coarse)
        mean, log_scale = mx.split(prior(from_torch(phone), coarse), 2, axis=-1)
        mx.eval(mean, log_scale)
        return to_torch(mean).transpose(1, 2), to_torch(log_scale).transpose(1, 2)

    def latent(mean: Tensor, log_scale: Tensor, noise: Tensor | None, speaker: Tensor) -> Tensor:
        z = channels_last(mean)
        if noise is not None:
            z = z + mx.exp(channels_last(log_scale)) * channels_last(noise) * NOISE_SCALE
        embedded = from_torch(speakers(speaker))[:, None]
        return to_torch(flow(z, embedded)).transpose(1, 2)

    return Latent(statistics, latent)


class _Prior:
    """``phone [B, T, W]``, ``coarse [B, T]`` -> mean and log-scale ``[B, T, 2 inter]``."""

    def __init__(self, prior: Prior, dtype: mx.Dtype) -> None:
        self.scale = prior.scale
        self.phone = Linear(prior.emb_phone, dtype)
        pitch = prior.emb_pitch
        self.pitch = None if pitch is None else from_torch(pitch.weight)
        stack: Any = prior.encoder
        parts = stack.attn_layers, stack.norm_layers_1, stack.ffn_layers, stack.norm_layers_2
        self.layers = [
            (
                _Attention(attention, dtype),
                _norm(before),
                _FeedForward(forward, dtype),
                _norm(after),
            )
            for attention, before, forward, after in zip(*parts, strict=True)
        ]
        # As in torch's half precision, this projection stays float32.
        self.proj = Linear(prior.proj)

    def __call__(self, phone: mx.array, coarse: mx.array | None) -> mx.array:
        x = self.phone(phone)
        if self.pitch is not None:
            if coarse is None:
                raise ValueError("a pitch-guided voice needs pitch_coarse")
            x = x + self.pitch[coarse]
        x = leaky_relu(x * self.scale, LEAKY_SLOPE)
        for attention, norm_1, feed_forward, norm_2 in self.layers:
            x = norm_1(x + attention(x))
            x = norm_2(x + feed_forward(x))
        return self.proj(x)


def _norm(norm: Any) -> Norm:
    return Norm(norm.gamma, norm.beta)


class _FeedForward:
    """Two convolutions with a ReLU between, ``[B, T, C] -> [B, T, C]``."""

    def __init__(self, layer: Any, dtype: mx.Dtype) -> None:
        self.first, self.second = Conv(layer.conv_1, dtype), Conv(layer.conv_2, dtype)

    def __call__(self, x: mx.array) -> mx.array:
        return self.second(mx.maximum(self.first(x), 0))


class _Attention:
    """See `engine.models.attention.RelativeAttention`, ``[B, T, C] -> [B, T, C]``."""

    def __init__(self, layer: RelativeAttention, dtype: mx.Dtype) -> None:
        self.heads = layer.heads
        self.inputs = [Linear(conv, dtype) for conv in (layer.conv_q, layer.conv_k, layer.conv_v)]
        self.output = Linear(layer.conv_o, dtype)
        self.near_keys = from_torch(layer.emb_rel_k[0].T.contiguous())
        self.near_values = from_torch(layer.emb_rel_v[0])

    def __call__(self, x: mx.array) -> mx.array:
        batch, frames, channels = x.shape
        width = channels // self.heads
        # Float32 even where the convolutions are in half: scores and softmax need it.
        query, key, value = (
            each(x)
            .astype(mx.float32)
            .reshape(batch, frames, self.heads, width)
            .transpose(0, 2, 1, 3)
            for each in self.inputs
        )
        query = query / math.sqrt(width)
        columns = key.transpose(0, 1, 3, 2)
        mixed = [
            self._rows(query[:, :, start:stop], columns, value, start)
            for start, stop in tiles(frames, ROWS_AT_ONCE)
        ]
        joined = mx.concatenate(mixed, axis=2).transpose(0, 2, 1, 3)
        return self.output(joined.reshape(batch, frames, channels))

    def _rows(self, query: mx.array, columns: mx.array, value: mx.array, start: int) -> mx.array:
        """Output of n frames from ``start`` on: ``[B, heads, n, C / heads]``."""
        count, frames = query.shape[2], value.shape[2]
        low, high = max(start - WINDOW_FRAMES, 0), min(start + count + WINDOW_FRAMES, frames)
        # Positions before the first and after the last frame have no columns in the scores.
        before, after = low - (start - WINDOW_FRAMES), start + count + WINDOW_FRAMES - high
        bias = _banded(query @ self.near_keys)
        bias = bias[..., before : bias.shape[-1] - after]
        scores = query @ columns + padded(bias, -1, low, frames - high)
        attention = mx.softmax(scores, axis=-1)
        near = _band(padded(attention[..., low:high], -1, before, after))
        return attention @ value + near @ self.near_values


def _banded(band_values: mx.array) -> mx.array:
    """``[..., n, 2W + 1] -> [..., n, n + 2W]``; see `engine.models.attention.banded`."""
    *outer, rows, width = band_values.shape
    columns = rows + width - 1
    flat = padded(band_values, -1, 0, rows).reshape(*outer, -1)[..., : rows * columns]
    return flat.reshape(*outer, rows, columns)


def _band(matrix: mx.array) -> mx.array:
    """``[..., n, n + 2W] -> [..., n, 2W + 1]``: the reverse of `_banded`."""
    *outer, rows, columns = matrix.shape
    flat = padded(matrix.reshape(*outer, -1), -1, 0, rows)
    return flat.reshape(*outer, rows, columns + 1)[..., : columns + 1 - rows]


class _Flow:
    """From the prior's latent to the vocoder's, ``[B, T, inter]``; speaker ``[B, 1, gin]``."""

    def __init__(self, flow: Flow, dtype: mx.Dtype) -> None:
        self.couplings = [_Coupling(each, dtype) for each in reversed(list(flow.flows.values()))]

    def __call__(self, z: mx.array, speaker: mx.array) -> mx.array:
        for coupling in self.couplings:
            z = coupling(z[..., ::-1], speaker)
        return z


class _Coupling:
    """One half of the channels shifts the mean of the other, found by a WaveNet."""

    def __init__(self, coupling: Any, dtype: mx.Dtype) -> None:
        wavenet = coupling.enc
        self.channels = wavenet.channels
        self.pre, self.post = Linear(coupling.pre, dtype), Linear(coupling.post, dtype)
        self.condition = Linear(wavenet.cond_layer, dtype)
        self.layers = [
            (Conv(conv, dtype), Linear(res_skip, dtype))
            for conv, res_skip in zip(wavenet.in_layers, wavenet.res_skip_layers, strict=True)
        ]

    def __call__(self, z: mx.array, speaker: mx.array) -> mx.array:
        kept, moved = mx.split(z, 2, axis=-1)
        x, skips = self.pre(kept), []
        conditions = mx.split(self.condition(speaker), len(self.layers), axis=-1)
        for (conv, res_skip), condition in zip(self.layers, conditions, strict=True):
            signal, gate = mx.split(conv(x) + condition, 2, axis=-1)
            result = res_skip(mx.tanh(signal) * mx.sigmoid(gate))
            if result.shape[-1] == 2 * self.channels:
                x = x + result[..., : self.channels]
            skips.append(result[..., -self.channels :])
        return mx.concatenate([kept, moved - self.post(total(skips))], axis=-1)
