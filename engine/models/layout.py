"""Networks in the memory layout that their device computes fastest: channels last.

A convolution in time over ``[B, C, T]`` is a row of small products if the channels of a moment lie
side by side. oneDNN and cuDNN have their fast kernels for that order in two dimensions only, so a
sequence becomes a picture one pixel high. Between the layers the tensors keep their shape
``[B, C, T]``; only their strides differ, so the networks themselves do not change.

The plain network is the slow twin: both give the same numbers up to rounding.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

TILE_FLOATS = 1 << 20
"""Residual blocks run over stretches of this size (4 MB): read and written in the cache."""

FRONT_END_TILE_FRAMES = 250
"""Five seconds of the content encoder's front end at a time."""

_FEWEST_PRODUCTS = 16
"""A linear layer narrower than this is not worth a matrix kernel."""


def use_channels_last(network: nn.Module) -> nn.Module:
    """Turn a network's layers into their fast forms, in place; weights move, none is kept twice.

    Convolutions in time and their transposes run channels last, pictures as well (with batch
    norms folded into the convolution before them), residual blocks of vocoders in tiles that fit
    the cache, the content encoder's front end in tiles of time. To be called after the weights are
    loaded and before `torch.nn.Module.to` moves them or `to_half` rounds them.

    Parameters
    ----------
    network : evaluation mode; any of the networks in this folder, or a part of one

    Returns
    -------
    the same object
    """
    _fold_batch_norms(network)
    for part in network.modules():
        _arrange(part)
        if hasattr(part, "tile_floats"):
            part.tile_floats = TILE_FLOATS
        if hasattr(part, "tile_frames"):
            part.tile_frames = FRONT_END_TILE_FRAMES
    return network


def use_onednn_products(network: nn.Module) -> nn.Module:
    """Let linear layers multiply by oneDNN instead of MKL, in place; only for the CPU.

    MKL is slow on processors of other makers: 70 GFLOP/s against 150 on one core of an EPYC.
    Where this build of torch has no oneDNN (a Mac has Accelerate) nothing changes.

    Returns
    -------
    the same object
    """
    if not has_onednn_products():
        return network
    for layer in network.modules():
        if type(layer) is nn.Linear and min(layer.weight.shape) >= _FEWEST_PRODUCTS:
            layer.__class__ = OneDnnLinear
    return network


def has_onednn_products() -> bool:
    """Whether this build of torch multiplies by oneDNN."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product_by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` on the CPU in float32; x ``[..., K]``, weight ``[N, K]``."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001
    return result


class OneDnnLinear(nn.Linear):
    """A linear layer by oneDNN; where it cannot (another device or type), the plain one."""

    def forward(self, x: Tensor) -> Tensor:
        """``[..., K] -> [..., N]``."""
        if x.device.type != "cpu" or x.dtype != torch.float32:
            return super().forward(x)
        return product_by_onednn(x, self.weight, self.bias)


class ChannelsLastConv(nn.Conv1d):
    """A convolution in time as one over a picture one pixel high; weight ``[out, in, 1, k]``."""

    def arrange_weights(self) -> None:
        """Take the weights of the plain convolution that this was."""
        weight = self.weight.data.unsqueeze(2)
        self.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C', T']``, the result channels last."""
        return F.conv2d(
            as_picture(x),
            self.weight,
            self.bias,
            stride=(1, self.stride[0]),
            padding=(0, int(self.padding[0])),
            dilation=(1, self.dilation[0]),
            groups=self.groups,
        ).squeeze(2)


class OneChannelConv(nn.Conv1d):
    """A convolution of a single channel as a product; weight ``[out, k]``."""

    def arrange_weights(self) -> None:
        """Take the weights of the plain convolution that this was."""
        self.weight.data = self.weight.data[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """``[B, 1, T] -> [B, C', T']``, the result channels last."""
        padding = int(self.padding[0])
        windows = F.pad(x[:, 0], (padding, padding)).unfold(-1, self.kernel_size[0], self.stride[0])
        return F.linear(windows, self.weight, self.bias).transpose(1, 2)


class PhasedConvTranspose(nn.ConvTranspose1d):
    """A transposed convolution as a plain one that gives all samples of a step side by side.

    With stride r and kernel k each input step makes ``ceil(k / r)`` times r samples; in channels
    last, r samples of C channels are one moment of r C channels. Weight ``[r out, in, 1, m]``.
    """

    def arrange_weights(self) -> None:
        """Take the weights of the plain transposed convolution that this was."""
        rate, kernel = self.stride[0], self.kernel_size[0]
        steps = -(-kernel // rate)
        taps = F.pad(self.weight.data, (0, steps * rate - kernel))
        # [in, out, step, sample] -> [sample, out, in, step], the latest step first.
        taps = taps.unflatten(2, (steps, rate)).permute(3, 1, 0, 2).flatten(0, 1).flip(2)
        self.weight.data = taps.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        if self.bias is not None:
            self.bias.data = self.bias.data.repeat(rate)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``[B, C, T] -> [B, C', T * rate]``, the result channels last."""
        if output_size is not None:
            raise ValueError("the output's size follows from the input's")
        rate, padding = self.stride[0], int(self.padding[0])
        steps = self.weight.shape[-1]
        samples = F.conv2d(as_picture(x), self.weight, self.bias, padding=(0, steps - 1))
        by_time = samples.squeeze(2).transpose(1, 2).unflatten(2, (rate, self.out_channels))
        length = (x.shape[-1] - 1) * rate - 2 * padding + self.kernel_size[0]
        length += int(self.output_padding[0])
        return by_time.flatten(1, 2)[:, padding : padding + length].transpose(1, 2)


def as_picture(x: Tensor) -> Tensor:
    """``[B, C, T] -> [B, C, 1, T]`` channels last; copied only if it was not."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _arrange(layer: nn.Module) -> None:
    """Give a convolution its fast class and the weights that belong to it."""
    if type(layer) is nn.Conv1d:
        layer.__class__ = OneChannelConv if layer.in_channels == 1 else ChannelsLastConv
    elif type(layer) is nn.ConvTranspose1d:
        layer.__class__ = PhasedConvTranspose
    elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        layer.to(memory_format=torch.channels_last)
    if isinstance(layer, ChannelsLastConv | OneChannelConv | PhasedConvTranspose):
        layer.arrange_weights()


def _fold_batch_norms(network: nn.Module) -> None:
    """Make each batch norm part of the convolution before it."""
    for chain in network.modules():
        if not isinstance(chain, nn.Sequential):
            continue
        for position, (conv, norm) in enumerate(pairwise(list(chain))):
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
                transpose = isinstance(conv, nn.ConvTranspose2d)
                chain[position] = fuse_conv_bn_eval(conv, norm, transpose)
                chain[position + 1] = nn.Identity()
