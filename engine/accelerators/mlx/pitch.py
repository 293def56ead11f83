"""The pitch networks in MLX; see `engine.models.rmvpe` and `engine.models.fcpe`. In float32."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.accelerators.mlx.layers import (
    Conv,
    Linear,
    Norm,
    from_torch,
    leaky_relu,
    padded,
    to_torch,
)
from engine.models.fcpe import Fcpe, FcpeNetwork
from engine.models.layout import PhasedConvTranspose2d
from engine.models.rmvpe import Rmvpe, RmvpeNetwork


def use_mlx(network: Rmvpe | Fcpe) -> nn.Module:
    """Replace a network's convolutions, in place; spectrum and GRU stay torch's on the CPU.

    A GRU steps one frame at a time, on MLX as on Metal.
    """
    if isinstance(network, Fcpe):
        network.network = _Fcpe(network.network)  # type: ignore[assignment]
    else:
        network.network.unet = _UNet(network.network)  # type: ignore[assignment]
        network.network.cnn = nn.Identity()  # type: ignore[assignment]
    return network


class _UNet(nn.Module):
    """Log mel ``[1, 1, T, M]`` -> ``[1, 3, T, M]``, torch's tensors on the CPU; T = 32 n."""

    def __init__(self, network: RmvpeNetwork) -> None:
        super().__init__()
        unet: Any = network.unet
        norm = unet.encoder.bn
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self._scale, self._shift = float(scale), float(norm.bias - norm.running_mean * scale)
        self._down = [_blocks(level.conv) for level in unet.encoder.layers]
        self._inner = [_blocks(level.conv) for level in unet.intermediate.layers]
        self._up = [
            (_Doubling(level.conv1[0], level.conv1[1]), _blocks(level.conv2))
            for level in unet.decoder.layers
        ]
        self._last = _Picture(network.cnn)

    def forward(self, mel: Tensor) -> Tensor:
        x = from_torch(mel)[:, 0, ..., None] * self._scale + self._shift
        skips = []
        for blocks in self._down:
            x = _through(blocks, x)
            skips.append(x)
            batch, frames, bands, channels = x.shape
            x = x.reshape(batch, frames // 2, 2, bands // 2, 2, channels).mean((2, 4))
        for blocks in self._inner:
            x = _through(blocks, x)
        for doubling, blocks in self._up:
            x = mx.concatenate([mx.maximum(doubling(x), 0), skips.pop()], axis=-1)
            x = _through(blocks, x)
        return to_torch(self._last(x)).permute(0, 3, 1, 2)


class _Picture:
    """A convolution that keeps height and width, ``[B, H, W, C] -> [B, H, W, C']``."""

    def __init__(self, conv: nn.Module) -> None:
        if not isinstance(conv, nn.Conv2d):
            raise TypeError(f"{type(conv).__name__} is not a convolution of pictures")
        self.padding = int(conv.padding[0])
        self.weight = from_torch(conv.weight.permute(0, 2, 3, 1).contiguous())
        self.bias = None if conv.bias is None else from_torch(conv.bias)

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv2d(x, self.weight, padding=self.padding)
        return y if self.bias is None else y + self.bias


class _Doubling:
    """A transposed convolution ``[B, H, W, C] -> [B, 2 H, 2 W, C']`` with its batch norm.

    As a plain one that gives four phases, see `PhasedConvTranspose2d`.
    """

    def __init__(self, conv: nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
        phased: Any = fuse_conv_bn_eval(conv, norm, transpose=True)
        phased.__class__ = PhasedConvTranspose2d
        phased.arrange_weights()  # [4 C', C, 2, 2]
        self.weight = from_torch(phased.weight.permute(0, 2, 3, 1).contiguous())
        self.bias = from_torch(phased.bias)

    def __call__(self, x: mx.array) -> mx.array:
        batch, height, width, _ = x.shape
        x = padded(padded(x, 1, 0, 1), 2, 0, 1)
        y = mx.conv2d(x, self.weight) + self.bias
        y = y.reshape(batch, height, width, -1, 2, 2).transpose(0, 1, 4, 2, 5, 3)
        return y.reshape(batch, 2 * height, 2 * width, -1)


class _Block:
    """Two convolutions with folded batch norms and a residual."""

    def __init__(self, block: Any) -> None:
        chain = block.conv
        self.first = _Picture(fuse_conv_bn_eval(chain[0], chain[1]))
        self.second = _Picture(fuse_conv_bn_eval(chain[3], chain[4]))
        self.shortcut = None if block.shortcut is None else _Picture(block.shortcut)

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.maximum(self.first(x), 0)
        y = mx.maximum(self.second(y), 0)
        return y + (x if self.shortcut is None else self.shortcut(x))


def _blocks(blocks: Any) -> list[_Block]:
    return [_Block(each) for each in blocks]


def _through(blocks: list[_Block], x: mx.array) -> mx.array:
    for block in blocks:
        x = block(x)
    return x


class _Fcpe(nn.Module):
    """`FcpeNetwork`, torch's tensors on the CPU at both ends."""

    def __init__(self, network: FcpeNetwork) -> None:
        super().__init__()
        self.register_buffer("cent_table", network.cent_table, persistent=False)
        first, norm, activation, second = network.input_stack
        if not (isinstance(norm, nn.GroupNorm) and isinstance(activation, nn.LeakyReLU)):
            raise TypeError("FCPE begins with another kind of layers")
        self._first, self._second = Conv(first), Conv(second)
        self._groups, self._eps = norm.num_groups, norm.eps
        self._affine = from_torch(norm.weight), from_torch(norm.bias)
        self._slope = activation.negative_slope
        self._layers = [_Conformer(layer) for layer in network.net.encoder_layers]
        self._norm, self._last = Norm.of(network.norm), Linear(network.output_proj)

    def forward(self, mel: Tensor) -> Tensor:
        """Log mel [128, T] -> salience [T, 360], 0..1."""
        x = self._first(from_torch(mel.T.contiguous())[None])
        x = leaky_relu(self._normed(x), self._slope)
        x = self._second(x)
        for layer in self._layers:
            x = x + layer(x)
        return to_torch(mx.sigmoid(self._last(self._norm(x)))[0])

    def _normed(self, x: mx.array) -> mx.array:
        """Group normalisation over all frames."""
        groups = x.reshape(*x.shape[:2], self._groups, -1)
        mean = groups.mean((1, 3), keepdims=True)
        variance = groups.var((1, 3), keepdims=True)
        scaled = ((groups - mean) * mx.rsqrt(variance + self._eps)).reshape(x.shape)
        weight, bias = self._affine
        return scaled * weight + bias


class _Conformer:
    """The convolutional half of a conformer, ``[1, T, 512]`` -> the same shape."""

    def __init__(self, layer: Any) -> None:
        net = layer.conformer.net
        self.norm, self.wide = Norm.of(net["0"]), Linear(net["2"])
        self.depthwise, self.narrow = Conv(net["4"].conv), Linear(net["6"])

    def __call__(self, x: mx.array) -> mx.array:
        signal, gate = mx.split(self.wide(self.norm(x)), 2, axis=-1)
        y = self.depthwise(signal * mx.sigmoid(gate))
        return self.narrow(y * mx.sigmoid(y))
