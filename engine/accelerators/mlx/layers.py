"""Layers of MLX with the weights of torch's, and arrays between the two.

Arrays lie channels last, ``[B, T, C]`` and ``[B, H, W, C]``. In half precision a convolution or a
linear layer takes and gives 16 bits; norms take and give float32, as in `engine.models.precision`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce

import mlx.core as mx
import numpy as np
import torch
from torch import Tensor, nn


def from_torch(tensor: Tensor) -> mx.array:
    """A copy, of the same shape and type."""
    return mx.array(tensor.detach().cpu().numpy())


def channels_last(tensor: Tensor) -> mx.array:
    """A copy: ``[B, C, T] -> [B, T, C]``."""
    return from_torch(tensor.transpose(1, 2).contiguous())


def to_torch(array: mx.array) -> Tensor:
    """A copy on the CPU in float32; waits until it is computed."""
    return torch.from_numpy(np.array(array.astype(mx.float32)))


class Conv:
    """A convolution in time, ``[B, T, C] -> [B, T', C']``."""

    def __init__(self, conv: nn.Module, dtype: mx.Dtype = mx.float32) -> None:
        if not isinstance(conv, nn.Conv1d):
            raise TypeError(f"{type(conv).__name__} is not a convolution in time")
        self.stride, self.dilation = conv.stride[0], conv.dilation[0]
        self.padding, self.groups = int(conv.padding[0]), conv.groups
        self.weight = channels_last(conv.weight).astype(dtype)
        self.bias = None if conv.bias is None else from_torch(conv.bias).astype(dtype)
        mx.eval(self.weight, self.bias)

    def __call__(self, x: mx.array) -> mx.array:
        """The result has the type of the weights."""
        y = mx.conv1d(
            x.astype(self.weight.dtype),
            self.weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return y if self.bias is None else y + self.bias

    @property
    def kernel_size(self) -> int:
        """Taps."""
        return int(self.weight.shape[1])


class TransposedConv:
    """A transposed convolution, ``[B, T, C] -> [B, T rate, C']``.

    Computed as a plain one that gives all samples of a step as channels (see
    `engine.models.layout.PhasedConvTranspose`): MLX' own first spreads its input with zeros.
    """

    def __init__(self, conv: nn.Module, dtype: mx.Dtype = mx.float32) -> None:
        if not isinstance(conv, nn.ConvTranspose1d):
            raise TypeError(f"{type(conv).__name__} is not a transposed convolution in time")
        self.rate, self.kernel_size = conv.stride[0], conv.kernel_size[0]
        self.padding, self.added = int(conv.padding[0]), int(conv.output_padding[0])
        self.steps = -(-self.kernel_size // self.rate)
        taps = nn.functional.pad(conv.weight, (0, self.steps * self.rate - self.kernel_size))
        # [in, out, step, sample] -> [sample, out, step, in], the latest step first.
        taps = taps.view(*taps.shape[:2], self.steps, self.rate).permute(3, 1, 2, 0).flip(2)
        self.weight = from_torch(taps.flatten(0, 1).contiguous()).astype(dtype)
        self.bias = None if conv.bias is None else from_torch(conv.bias).astype(dtype)
        mx.eval(self.weight, self.bias)

    def __call__(self, x: mx.array) -> mx.array:
        """The result has the type of the weights."""
        batch, frames, _ = x.shape
        y = mx.conv1d(x.astype(self.weight.dtype), self.weight, padding=self.steps - 1)
        y = y.reshape(batch, y.shape[1] * self.rate, -1)
        length = (frames - 1) * self.rate - 2 * self.padding + self.kernel_size + self.added
        y = y[:, self.padding : self.padding + length]
        return y if self.bias is None else y + self.bias


class Linear:
    """A linear layer, ``[..., C] -> [..., C']``; also a convolution with kernel size 1."""

    def __init__(self, layer: nn.Module, dtype: mx.Dtype = mx.float32) -> None:
        if not isinstance(layer, nn.Linear | nn.Conv1d):
            raise TypeError(f"{type(layer).__name__} is not a linear layer")
        weight = layer.weight.flatten(1)  # a kernel of size 1 is one matrix
        self.weight = from_torch(weight.T.contiguous()).astype(dtype)
        self.bias = None if layer.bias is None else from_torch(layer.bias).astype(dtype)
        mx.eval(self.weight, self.bias)

    def __call__(self, x: mx.array) -> mx.array:
        """The result has the type of the weights."""
        x = x.astype(self.weight.dtype)
        return x @ self.weight if self.bias is None else mx.addmm(self.bias, x, self.weight)


class Norm:
    """Layer normalisation over the channels, ``[..., C] -> [..., C]``, float32."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> None:
        self.weight, self.bias, self.eps = from_torch(weight), from_torch(bias), eps

    @classmethod
    def of(cls, norm: nn.LayerNorm) -> Norm:
        """With the weights of torch's."""
        return cls(norm.weight, norm.bias, norm.eps)

    def __call__(self, x: mx.array) -> mx.array:
        """The result is float32."""
        return mx.fast.layer_norm(x.astype(mx.float32), self.weight, self.bias, self.eps)


def padded(x: mx.array, axis: int, before: int, after: int) -> mx.array:
    """With zeros at both ends of an axis."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    return mx.pad(x, widths)


def total(arrays: Iterable[mx.array]) -> mx.array:
    """The sum of one array or more."""
    return reduce(mx.add, arrays)


def leaky_relu(x: mx.array, slope: float) -> mx.array:
    """``x`` where positive, else ``slope * x``; of a slope between 0 and 1."""
    return mx.maximum(x, slope * x)


def tiles(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of tiles that make up a length."""
    for start in range(0, length, step):
        yield start, min(start + step, length)
