"""The content encoder in MLX; see `engine.models.content_encoder`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from torch import Tensor, nn

from engine.accelerators.mlx.layers import (
    Conv,
    Linear,
    Norm,
    from_torch,
    tiles,
    to_torch,
    total,
)
from engine.models.content_encoder import ContentEncoder

FRONT_END_FRAMES = 1000
"""20 s at a time: the first layers give a hundred times as many numbers as they take."""

Moments = tuple[mx.array, mx.array]


def _gelu(x: mx.array) -> mx.array:
    return 0.5 * x * (1 + mx.erf(x * 2**-0.5))


def _gelu_new(x: mx.array) -> mx.array:
    return 0.5 * x * (1 + mx.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def _relu(x: mx.array) -> mx.array:
    return mx.maximum(x, 0)


_ACTIVATIONS: dict[str, Callable[[mx.array], mx.array]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_new,
    "relu": _relu,
}
"""As `engine.models.content_encoder.ACTIVATIONS`."""


class Content:
    """`ContentEncoder.forward`, with torch's tensors on the CPU at both ends.

    Takes the weights out of torch's network: after that it can only check parameters.
    """

    def __init__(self, encoder: ContentEncoder, dtype: mx.Dtype) -> None:
        sizes = encoder.sizes
        self._front_end = _FrontEnd(encoder, dtype)
        projection: Any = encoder.feature_projection
        self._norm = None if projection.layer_norm is None else Norm.of(projection.layer_norm)
        self._projection = Linear(projection.projection, dtype)
        transformer: Any = encoder.encoder
        self._positions = Conv(transformer.pos_conv_embed.conv, dtype)
        self._activation = _ACTIVATIONS[sizes.feat_extract_activation]
        self._norm_first = sizes.do_stable_layer_norm
        self._middle_norm = Norm.of(transformer.layer_norm)
        inner = _ACTIVATIONS[sizes.hidden_act]
        self._layers = [
            _Layer(layer, sizes.num_attention_heads, inner, self._norm_first, dtype)
            for layer in transformer.layers
        ]
        # As in torch's half precision, this projection stays float32.
        final = encoder.final_proj
        self._final = None if final is None else Linear(final)
        self._require = encoder.to("meta").require

    def __call__(self, audio: Tensor, layer: int | None = None, *, project: bool = False) -> Tensor:
        """See `ContentEncoder.forward`."""
        n_layers = self._require(audio, layer, project=project)
        x = self._front_end(from_torch(audio)[..., None])
        x = self._projection(x if self._norm is None else self._norm(x))
        # An even kernel padded on both sides gives one frame too many.
        x = x + self._activation(self._positions(x)[:, : x.shape[1]])
        if not self._norm_first:
            x = self._middle_norm(x)
        for each in self._layers[:n_layers]:
            x = each(x)
        if self._norm_first and n_layers == len(self._layers):
            x = self._middle_norm(x)
        if project and self._final is not None:
            x = self._final(x)
        return to_torch(x)


class _FrontEnd:
    """Strided convolutions without padding, ``[B, N, 1] -> [B, T, C]``, in tiles."""

    def __init__(self, encoder: ContentEncoder, dtype: mx.Dtype) -> None:
        extractor: Any = encoder.feature_extractor
        self.activation = _ACTIVATIONS[encoder.sizes.feat_extract_activation]
        self.convs = [Conv(layer.conv, dtype) for layer in extractor.conv_layers]
        norms = [layer.layer_norm for layer in extractor.conv_layers]
        self.norms = [Norm.of(norm) if isinstance(norm, nn.LayerNorm) else None for norm in norms]
        over_time = norms[0] if isinstance(norms[0], nn.GroupNorm) else None
        self.eps = 0.0 if over_time is None else over_time.eps
        self.affine = (
            None
            if over_time is None
            else (from_torch(over_time.weight), from_torch(over_time.bias))
        )
        self.field, self.hop = encoder.receptive_field_samples, 1
        for conv in self.convs:
            self.hop *= conv.stride

    def __call__(self, audio: mx.array) -> mx.array:
        scaling = None if self.affine is None else self._scaling(audio, *self.affine)
        made = []
        for start, stop in tiles((audio.shape[1] - self.field) // self.hop + 1, FRONT_END_FRAMES):
            x = audio[:, start * self.hop : (stop - 1) * self.hop + self.field]
            for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
                x = conv(x)
                if scaling is not None and index == 0:
                    x = x * scaling[0] + scaling[1]
                x = self.activation(x if norm is None else norm(x))
            mx.eval(x)  # before the next tile: memory for one at a time
            made.append(x)
        return mx.concatenate(made, axis=1)

    def _scaling(self, audio: mx.array, weight: mx.array, bias: mx.array) -> Moments:
        """Scale and shift of the norm over time after the first convolution, ``[B, 1, C]`` each.

        Its variance is the mean of the tiles' variances and the variance of their means.
        """
        conv = self.convs[0]
        n_out = (audio.shape[1] - conv.kernel_size) // conv.stride + 1
        shares, moments = [], []
        for start, stop in tiles(n_out, FRONT_END_FRAMES * self.hop // conv.stride):
            span = audio[:, start * conv.stride : (stop - 1) * conv.stride + conv.kernel_size]
            x = conv(span).astype(mx.float32)
            moment = x.mean(1, keepdims=True), x.var(1, keepdims=True)
            mx.eval(moment)
            shares.append((stop - start) / n_out)
            moments.append(moment)
        mean = total(share * each[0] for share, each in zip(shares, moments, strict=True))
        variance = total(
            share * (each[1] + mx.square(each[0] - mean))
            for share, each in zip(shares, moments, strict=True)
        )
        scale = weight * mx.rsqrt(variance + self.eps)
        return scale, bias - mean * scale


class _Layer:
    """Attention and feed-forward, each with a residual, ``[B, T, C] -> [B, T, C]``."""

    def __init__(
        self,
        layer: Any,
        heads: int,
        activation: Callable[[mx.array], mx.array],
        norm_first: bool,  # noqa: FBT001 - as it is called in torch's layer
        dtype: mx.Dtype,
    ) -> None:
        self.heads, self.activation, self.norm_first = heads, activation, norm_first
        attention, forward = layer.attention, layer.feed_forward
        self.inputs = [
            Linear(each, dtype) for each in (attention.q_proj, attention.k_proj, attention.v_proj)
        ]
        self.output = Linear(attention.out_proj, dtype)
        self.wide = Linear(forward.intermediate_dense, dtype)
        self.narrow = Linear(forward.output_dense, dtype)
        self.norm, self.final_norm = Norm.of(layer.layer_norm), Norm.of(layer.final_layer_norm)

    def __call__(self, x: mx.array) -> mx.array:
        if self.norm_first:
            x = x + self._attend(self.norm(x))
            return x + self._feed_forward(self.final_norm(x))
        x = self.norm(x + self._attend(x))
        return self.final_norm(x + self._feed_forward(x))

    def _attend(self, x: mx.array) -> mx.array:
        batch, frames, channels = x.shape
        width = channels // self.heads
        query, key, value = (
            each(x).reshape(batch, frames, self.heads, width).transpose(0, 2, 1, 3)
            for each in self.inputs
        )
        mixed = mx.fast.scaled_dot_product_attention(query, key, value, scale=width**-0.5)
        return self.output(mixed.transpose(0, 2, 1, 3).reshape(batch, frames, channels))

    def _feed_forward(self, x: mx.array) -> mx.array:
        return self.narrow(self.activation(self.wide(x)))
