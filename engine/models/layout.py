"""Fast layers: memory layout channels last, and tiles that fit into the cache.

A convolution in time over ``[B, C, T]`` is a series of small matrix products if the channels of
each frame are adjacent in memory. oneDNN and cuDNN have fast kernels for that order in two
dimensions only, so a sequence is treated as an image one pixel high. Between the layers the tensors
keep their shape ``[B, C, T]``; only their strides differ, so the networks do not change.

The plain network is the reference: both give the same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.layers import MAX_CONV_SAMPLES, convolve_in_stretches, summed

CACHE_TILES: dict[str, int | None] = {
    "tile_floats": 1 << 19,
    "tile_frames": 100,
    "stretch_frames": 512,
}
"""For a CPU: intermediate results stay in its cache.

Residual blocks of vocoders work on so many floats at a time (2 MB, whatever their precision); the
content encoder's front end on so many of its frames (two seconds, 13 MB after its first layer);
each level of RMVPE on so many frames of its own scale (of 2,048 numbers each, so 4 MB).
"""

DEVICE_TILES: dict[str, int | None] = {
    "tile_floats": None,
    "tile_frames": 1000,
    "stretch_frames": 2048,
}
"""For a GPU: kernels as few and as large as its memory allows.

Channels last in the CPU's tiles an H200 took 2.7 s for the vocoder of three minutes, plain 0.8 s.
"""

_FEWEST_PRODUCTS = 16
"""Below this width a matrix kernel does not pay for a linear layer."""


def use_channels_last(
    network: nn.Module,
    tiles: Mapping[str, int | None] = CACHE_TILES,
    *,
    doubling: bool = False,
) -> nn.Module:
    """Replace a network's layers by their fast forms, in place, without copies of the weights.

    Convolutions in time and their transposes run channels last, 2-D convolutions as well (with
    batch norms folded in), linear layers by `product`, some parts in
    tiles. Call it after the weights are loaded; the network may then be moved, converted to half
    precision and traced.

    Parameters
    ----------
    network : evaluation mode; any of the networks in this folder, or a part of one
    tiles : their sizes, under the names by which networks keep them; None there means no tiles
    doubling : run 2-D transposed convolutions that double a picture as plain ones, too. Metal is
        reported to need 13 to 30 times as long for transposed ones channels last
        (pytorch/pytorch#193349); a CPU is faster without

    Returns
    -------
    the same object
    """
    _fold_batch_norms(network)
    for part in network.modules():
        _arrange(part, doubling=doubling)
        for name, size in tiles.items():
            if hasattr(part, name):
                setattr(part, name, size)
    return network


def has_onednn_products() -> bool:
    """Whether this build of torch has oneDNN (on a Mac it does not)."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


@cache
def _onednn_types() -> tuple[torch.dtype, ...]:
    """What oneDNN computes with on this processor; older ones cannot multiply bfloat16 by it."""
    rounds = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - it has no public name
    return (torch.float32, torch.bfloat16) if rounds else (torch.float32,)


def _knows(x: Tensor) -> bool:
    """Whether oneDNN is here, and can be given this tensor."""
    return x.device.type == "cpu" and has_onednn_products() and x.dtype in _onednn_types()


def multiplies_by_onednn(x: Tensor) -> bool:
    """Whether `product` uses oneDNN for this tensor; it has no gradients, and is not recorded."""
    learns = (x.requires_grad and torch.is_grad_enabled()) or is_recording()
    return not learns and _knows(x)


def is_recording() -> bool:
    """Whether TorchScript is recording."""
    recording: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return recording


def product(
    x: Tensor, weight: Tensor, bias: Tensor | None, then: Literal["none", "gelu"] = "none"
) -> Tensor:
    """``x @ weight.T + bias`` by the fastest kernel available; x ``[..., K]``, weight ``[N, K]``.

    torch uses MKL on the CPU, which is slow on processors that are not from Intel:
    70 GFLOP/s against oneDNN's 150 on one core of an EPYC.
    """
    if not multiplies_by_onednn(x) or min(weight.shape) < _FEWEST_PRODUCTS:
        result = F.linear(x, weight, bias)
        return F.gelu(result) if then == "gelu" else result
    multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - it has no public name
    # Rows that are not contiguous would be multiplied number by number.
    multiplied: Tensor = multiply(x.contiguous(), weight.contiguous(), bias, then, [], "none")
    return multiplied


def rounded_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`product` with the numbers of the weight's type; the result has the input's type."""
    bias = None if bias is None else bias.to(weight.dtype)
    return product(x.to(weight.dtype), weight, bias).to(x.dtype)


class RoundedLayer(nn.Module):
    """A layer whose own weights may have 16 bits, while all that it takes and gives is float32.

    Attributes
    ----------
    rounded : names of those weights
    """

    rounded: tuple[str, ...] = ("weight",)

    def round_weights(self, dtype: torch.dtype) -> None:
        """Convert them, in place."""
        for name in self.rounded:
            weight = self.get_parameter(name)
            weight.data = weight.data.to(dtype)


class FastLinear(nn.Linear):
    """A linear layer by `product`."""

    def forward(self, x: Tensor) -> Tensor:
        """``[..., K] -> [..., N]``."""
        return product(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """``gelu(linear(x))``, ``[..., K] -> [..., N]``."""
        return product(x.to(self.weight.dtype), self.weight, self.bias, "gelu")


class PointwiseConv(nn.Conv1d):
    """A convolution with kernel size 1: a linear layer over the channels; weight ``[out, in]``."""

    def arrange_weights(self) -> None:
        """Convert the weights of the plain convolution."""
        self.weight.data = self.weight.data[:, :, 0]

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C', T]``, the result channels last."""
        return product(x.transpose(1, 2), self.weight, self.bias).transpose(1, 2)


class ChannelsLastConv(nn.Conv1d):
    """A convolution in time as one over an image one pixel high; weight ``[out, in, 1, k]``."""

    def arrange_weights(self) -> None:
        """Convert the weights of the plain convolution."""
        weight = self.weight.data.unsqueeze(2)
        self.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C', T']``, the result channels last."""
        padding, stride, dilation = int(self.padding[0]), self.stride[0], self.dilation[0]

        def convolve(picture: Tensor, padding: int = 0) -> Tensor:
            return F.conv2d(
                picture,
                self.weight,
                self.bias,
                stride=(1, stride),
                padding=(0, padding),
                dilation=(1, dilation),
                groups=self.groups,
            )

        picture = as_picture(x)
        if x.shape[-1] + 2 * padding <= MAX_CONV_SAMPLES:
            return convolve(picture, padding).squeeze(2)
        span = dilation * (self.kernel_size[0] - 1) + 1
        padded = F.pad(picture, (padding, padding))
        return convolve_in_stretches(convolve, padded, span, stride).squeeze(2)

    def activated(self, x: Tensor, slope: float) -> Tensor:
        """``leaky_relu(conv(x))``, ``[B, C, T] -> [B, C', T']``."""
        if not self._fuses(x):
            return F.leaky_relu_(self(x), slope)
        return self._then(x, "leaky_relu", [slope], "")

    def gelu(self, x: Tensor) -> Tensor:
        """``gelu(conv(x))``, ``[B, C, T] -> [B, C', T']``."""
        x = x.to(self.weight.dtype)
        return self._then(x, "gelu", [], "none") if self._fuses(x) else F.gelu(self(x))

    def _then(self, x: Tensor, step: str, scalars: list[float], algorithm: str) -> Tensor:
        """The convolution with an elementwise step on its result."""
        fused = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - it has no public name
        operands = (as_picture(x), self.weight, self.bias)
        result: Tensor = fused(*operands, *self._steps(), step, scalars, algorithm)
        return result.squeeze(2)

    def added(self, x: Tensor, other: Tensor) -> Tensor:
        """``conv(x) + other``, ``[B, C, T] -> [B, C', T']``."""
        if not self._fuses(x) or other.dtype != x.dtype:
            return summed(self(x), other)
        fused = torch.ops.mkldnn._convolution_pointwise.binary  # noqa: SLF001 - see above
        operands = (as_picture(x), as_picture(other), self.weight, self.bias)
        result: Tensor = fused(*operands, *self._steps(), "add", 1.0, None, [], None)
        return result.squeeze(2)

    def _fuses(self, x: Tensor) -> bool:
        """Whether oneDNN can be called directly: on the CPU, and not while recording.

        TorchScript does not know the type of the list argument.
        """
        return x.dtype == self.weight.dtype and _knows(x) and not is_recording()

    def _steps(self) -> tuple[list[int], list[int], list[int], int]:
        """Padding, stride, dilation and groups of a 2-D convolution."""
        padding = [0, int(self.padding[0])]
        return padding, [1, self.stride[0]], [1, self.dilation[0]], self.groups


class OneChannelConv(nn.Conv1d):
    """A convolution of a single channel as a matrix product; weight ``[out, k]``."""

    def arrange_weights(self) -> None:
        """Convert the weights of the plain convolution."""
        self.weight.data = self.weight.data[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """``[B, 1, T] -> [B, C', T']``, the result channels last."""
        return F.linear(self._windows(x), self.weight, self.bias).transpose(1, 2)

    def scaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``conv(x) * scale + shift``, ``[B, 1, T] -> [B, C', T']``, the latter two [B, C', 1]."""
        if self.bias is not None:
            shift = shift + self.bias[:, None] * scale
        weight = (self.weight * scale).to(self.weight.dtype)
        shift = shift.to(self.weight.dtype).transpose(1, 2)
        windows = self._windows(x.to(self.weight.dtype))
        return torch.baddbmm(shift, windows, weight.transpose(1, 2)).transpose(1, 2)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Variance and mean over time of ``conv(x)``, each float32 [B, C']; on the CPU only.

        Computed from the covariance of the windows, without the convolution; in float64, because a
        high-pass filter cancels most of what the windows have in common.
        """
        windows, weight = self._windows(x.to(self.weight.dtype)).double(), self.weight.double()
        mean = windows.mean(dim=1)
        windows = windows - mean[:, None]
        covariance = windows.transpose(1, 2) @ windows / windows.shape[1]
        variance = ((weight @ covariance) * weight).sum(-1)
        mean = mean @ weight.T
        if self.bias is not None:
            mean = mean + self.bias
        return variance.float(), mean.float()

    def _windows(self, x: Tensor) -> Tensor:
        """``[B, 1, T] -> [B, T', k]``."""
        padding = int(self.padding[0])
        return F.pad(x[:, 0], (padding, padding)).unfold(-1, self.kernel_size[0], self.stride[0])


class PhasedConvTranspose(nn.ConvTranspose1d):
    """A transposed convolution as a plain one whose channels are all output samples of a step.

    With stride r and kernel k each input step gives ``ceil(k / r)`` times r samples; channels
    last, r samples of C channels are one frame of r C channels. Weight ``[r out, in, 1, m]``.
    """

    def arrange_weights(self) -> None:
        """Convert the weights of the plain transposed convolution."""
        rate, kernel = self.stride[0], self.kernel_size[0]
        steps = -(-kernel // rate)
        taps = F.pad(self.weight.data, (0, steps * rate - kernel))
        # [in, out, step, sample] -> [sample, out, in, step], the latest step first.
        taps = taps.view(*taps.shape[:2], steps, rate).permute(3, 1, 0, 2).flatten(0, 1).flip(2)
        self.weight.data = taps.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        if self.bias is not None:
            self.bias.data = self.bias.data.repeat(rate)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``[B, C, T] -> [B, C', T * rate]``, the result channels last."""
        if output_size is not None:
            raise ValueError("the output's size follows from the input's")
        rate, padding = self.stride[0], int(self.padding[0])
        steps = self.weight.shape[-1]
        if x.shape[-1] + 2 * (steps - 1) <= MAX_CONV_SAMPLES:
            samples = F.conv2d(as_picture(x), self.weight, self.bias, padding=(0, steps - 1))
        else:
            samples = convolve_in_stretches(
                lambda picture: F.conv2d(picture, self.weight, self.bias),
                as_picture(F.pad(x, (steps - 1, steps - 1))),
                steps,
            )
        batch, _, _, moments = samples.shape
        by_time = samples.squeeze(2).transpose(1, 2).reshape(batch, moments * rate, -1)
        length = (x.shape[-1] - 1) * rate - 2 * padding + self.kernel_size[0]
        length += int(self.output_padding[0])
        return by_time[:, padding : padding + length].transpose(1, 2)


class PhasedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that doubles a picture, as a plain one that gives four phases.

    For kernel 3, stride 2, padding 1 and output padding 1 each output pixel depends on a square of
    2 x 2 pixels at most. Weight ``[4 out, in, 2, 2]``.
    """

    def arrange_weights(self) -> None:
        """Convert the weights of the plain transposed convolution."""
        weight = self.weight.data.transpose(0, 1)
        out, n_in = weight.shape[:2]
        phases = weight.new_zeros(out, 2, 2, n_in, 2, 2)
        # Output 2 m is made of x[m] by tap 1, output 2 m + 1 of x[m] by tap 2 and x[m + 1] by 0.
        taps = ((0, 0, 1), (1, 0, 2), (1, 1, 0))
        for row, y, tap_y in taps:
            for column, x, tap_x in taps:
                phases[:, row, column, :, y, x] = weight[:, :, tap_y, tap_x]
        kernels = phases.reshape(4 * out, n_in, 2, 2)
        self.weight.data = kernels.contiguous(memory_format=torch.channels_last)
        if self.bias is not None:
            self.bias.data = self.bias.data.repeat_interleave(4)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``[B, C, H, W] -> [B, C', 2 H, 2 W]``."""
        if output_size is not None:
            raise ValueError("the output's size follows from the input's")
        return F.pixel_shuffle(F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias), 2)


_WITH_OWN_WEIGHTS = (
    ChannelsLastConv,
    OneChannelConv,
    PhasedConvTranspose,
    PhasedConvTranspose2d,
    PointwiseConv,
)


def _doubles(layer: nn.ConvTranspose2d) -> bool:
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding)
    return sizes == ((3, 3), (2, 2), (1, 1), (1, 1)) and layer.groups == 1


def as_picture(x: Tensor) -> Tensor:
    """``[B, C, T] -> [B, C, 1, T]`` channels last; copied only if needed."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def _arrange(layer: nn.Module, *, doubling: bool) -> None:
    """Change a convolution to its fast class, with the weights in that layout."""
    if type(layer) is nn.Conv1d:
        layer.__class__ = _kind_of(layer)
    elif type(layer) is nn.ConvTranspose1d:
        layer.__class__ = PhasedConvTranspose
    elif type(layer) is nn.Linear:
        layer.__class__ = FastLinear
    elif doubling and type(layer) is nn.ConvTranspose2d and _doubles(layer):
        layer.__class__ = PhasedConvTranspose2d
    elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    if isinstance(layer, _WITH_OWN_WEIGHTS):
        layer.arrange_weights()


def _kind_of(conv: nn.Conv1d) -> type[nn.Conv1d]:
    if conv.in_channels == 1:
        return OneChannelConv
    if (conv.kernel_size, conv.stride, conv.padding, conv.groups) == ((1,), (1,), (0,), 1):
        return PointwiseConv
    return ChannelsLastConv


def _fold_batch_norms(network: nn.Module) -> None:
    """Fold each batch norm into the convolution before it."""
    for chain in network.modules():
        if not isinstance(chain, nn.Sequential):
            continue
        for position, (conv, norm) in enumerate(pairwise(list(chain))):
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
                _fold(norm, conv)
                chain[position + 1] = nn.Identity()


def _fold(norm: nn.BatchNorm2d, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Scale a convolution's weight and shift its bias as the norm behind it would its output.

    The numbers are those of `torch.nn.utils.fusion.fuse_conv_bn_eval`, which copies the weight
    three times; here it is written once, channels last.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a batch norm without statistics cannot be folded")
    spread = torch.rsqrt(variance + norm.eps)
    shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    weight = torch.empty_like(conv.weight.data, memory_format=torch.channels_last)
    conv.weight.data = torch.mul(conv.weight.data, (norm.weight * spread).view(shape), out=weight)
    bias = torch.zeros_like(mean) if conv.bias is None else conv.bias.data
    shifted = (bias - mean) * spread * norm.weight + norm.bias
    conv.bias = nn.Parameter(shifted, requires_grad=False)
