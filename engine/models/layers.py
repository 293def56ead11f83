"""Layers that several networks share, and how many neighbouring samples each of them sees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init
from torch.overrides import TorchFunctionMode

LEAKY_SLOPE = 0.1

MAX_CONV_SAMPLES = 65_536
"""Metal before macOS 15.1 refuses convolutions with a longer input or output."""

_WEIGHT_NORM_SPELLINGS = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


def weight_norm_pairs(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Folded name of each weight-normed weight -> names of its length and direction.

    A name without its partner, or beside the folded weight, is left out; strict loading then
    reports it.
    """
    pairs = {}
    for length_ending, direction_ending in _WEIGHT_NORM_SPELLINGS:
        for length in names:
            stem = length.removesuffix(length_ending)
            direction, folded = f"{stem}{direction_ending}", f"{stem}.weight"
            if stem != length and direction in names and folded not in names:
                pairs[folded] = (length, direction)
    return pairs


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace each pair of length and direction by its weight ``g * v / |v|``.

    Weight normalisation (Salimans & Kingma 2016) over the first axis, in both of PyTorch's
    spellings; everything in float32.
    """
    folded = {name: tensor.float() for name, tensor in state.items()}
    for name, (length_name, direction_name) in weight_norm_pairs(state.keys()).items():
        length, direction = folded.pop(length_name), folded.pop(direction_name)
        norm = direction.flatten(1).norm(dim=1).reshape(length.shape)
        folded[name] = direction * (length / norm)
    return folded


@contextmanager
def without_weights() -> Iterator[None]:
    """Build networks here that take no memory and draw no initial values: a file has them.

    The initial values that PyTorch draws take as long as all the rest of building a network, and
    normal numbers without memory make it import its compiler: 800 modules, 80 MB, a second.
    """
    with torch.device("meta"), _NoInitialValues():
        yield


class _NoInitialValues(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        return (args or tuple(given.values()))[0] if func in _DRAWS else func(*args, **given)


_DRAWS = frozenset(
    {init.kaiming_uniform_, init.normal_, init.uniform_, Tensor.normal_, Tensor.uniform_}
)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of ``[B, C, T]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        shape = (x.shape[1],)
        return F.layer_norm(x.transpose(1, 2), shape, self.gamma, self.beta).transpose(1, 2)


def same_conv(
    channels_in: int, channels_out: int, kernel_size: int, dilation: int = 1
) -> nn.Conv1d:
    """A convolution that keeps the length (odd kernels)."""
    padding = (kernel_size - 1) * dilation // 2
    return nn.Conv1d(channels_in, channels_out, kernel_size, padding=padding, dilation=dilation)


def upsampling_conv(
    channels_in: int, channels_out: int, kernel_size: int, rate: int
) -> nn.ConvTranspose1d:
    """A transposed convolution that turns each sample into exactly `rate` samples.

    Where kernel minus rate is odd, one output sample is added and one more cut on both sides, as
    Applio does for odd rates (kernel = 2 rate).
    """
    odd = (kernel_size - rate) % 2
    return nn.ConvTranspose1d(
        channels_in,
        channels_out,
        kernel_size,
        stride=rate,
        padding=(kernel_size - rate + odd) // 2,
        output_padding=odd,
    )


def source_conv(channels_in: int, channels_out: int, stride: int) -> nn.Conv1d:
    """A convolution that brings the source from the output's rate down by `stride` exactly."""
    if stride == 1:
        return nn.Conv1d(channels_in, channels_out, 1)
    kernel_size = 2 * stride - stride % 2
    padding = (kernel_size - stride) // 2
    return nn.Conv1d(channels_in, channels_out, kernel_size, stride=stride, padding=padding)


@runtime_checkable
class FusingConv(Protocol):
    """A convolution that also does the next step, while its result is still in the cache."""

    def activated(self, x: Tensor, slope: float) -> Tensor:
        """``leaky_relu(conv(x))``."""

    def added(self, x: Tensor, other: Tensor) -> Tensor:
        """``conv(x) + other``."""


@runtime_checkable
class GeluLayer(Protocol):
    """A layer that also applies GELU, while its result is still in the cache."""

    def gelu(self, x: Tensor) -> Tensor:
        """``gelu(layer(x))``."""


@runtime_checkable
class ScalingConv(Protocol):
    """A convolution of a single channel, ``[B, 1, T] -> [B, C, T']``."""

    def scaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``conv(x) * scale + shift``, the latter ``[B, C, 1]``."""

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Variance and mean over time of ``conv(x)``, each float32 ``[B, C]``; on the CPU only."""


def activated(layer: nn.Module, x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """``activation(layer(x))``."""
    if activation is F.gelu and isinstance(layer, GeluLayer):
        return layer.gelu(x)
    return activation(layer(x))


def residual_pair(first: nn.Module, second: nn.Module, x: Tensor, slope: float) -> Tensor:
    """``x + conv_2(leaky_relu(conv_1(leaky_relu(x))))``; ``[B, C, T]``."""
    inner = F.leaky_relu(x, slope)
    if isinstance(first, FusingConv):
        inner = first.activated(inner, slope)
    else:
        inner = F.leaky_relu_(first(inner), slope)
    return added(second, inner, x)


def added(conv: nn.Module, x: Tensor, other: Tensor) -> Tensor:
    """``conv(x) + other``."""
    if isinstance(conv, FusingConv):
        return conv.added(x, other)
    return summed(conv(x), other)


def summed(result: Tensor, other: Tensor) -> Tensor:
    """``result + other``, in place where both have the same type."""
    return result.add_(other) if result.dtype == other.dtype else result + other


class ResBlock(nn.Module):
    """HiFi-GAN's residual block of dilated convolutions (Kong et al. 2020).

    Kind "1" follows each dilated convolution by an undilated one, kind "2" has the dilated alone.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        dilations: Sequence[int],
        *,
        kind: str = "1",
        slope: float = LEAKY_SLOPE,
    ) -> None:
        super().__init__()
        self.slope = slope
        dilated = nn.ModuleList(same_conv(channels, channels, kernel_size, d) for d in dilations)
        self.paired = kind == "1"
        if self.paired:
            self.convs1 = dilated
            self.convs2 = nn.ModuleList(
                same_conv(channels, channels, kernel_size) for _ in dilations
            )
        else:
            self.convs = dilated

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        if not self.paired:
            for conv in self.convs:
                x = added(conv, F.leaky_relu(x, self.slope), x)
            return x
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = residual_pair(first, second, x, self.slope)
        return x

    def reach(self, samples: int) -> int:
        """Input samples needed on either side of `samples` output samples."""
        convs = [*self.convs1, *self.convs2] if self.paired else [*self.convs]
        return samples + sum(conv_reach(conv, 0) for conv in convs)


class Block(Protocol):
    """A residual block that keeps the length."""

    def __call__(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""

    def reach(self, samples: int) -> int:
        """Input samples needed on either side of `samples` output samples."""


def mean_of(blocks: Sequence[Block], x: Tensor, tile_floats: int | None = None) -> Tensor:
    """The mean of the outputs of residual blocks, ``[B, C, T] -> [B, C, T]``.

    Parameters
    ----------
    tile_floats : None runs each block over the whole input; else all blocks run over one tile of
        this many numbers after another (twice as many of 16 bits), channels last, so that
        intermediate results stay in the processor's cache. A tile includes the blocks' receptive
        field, so the result is the same.
    """
    if tile_floats is None:
        total = sum(block(x) for block in blocks)
        return cast(Tensor, total) / len(blocks)
    batch, channels, length = x.shape
    margins = [block.reach(0) for block in blocks]
    widest = max(margins)
    numbers = tile_floats * torch.float32.itemsize // x.element_size()
    step = max(numbers // (batch * channels), 2 * widest)
    step = min(step, MAX_CONV_SAMPLES - 2 * widest)
    mean = x.new_empty(batch, length, channels).transpose(1, 2)
    for start in range(0, length, step):
        stop = min(start + step, length)
        total = mean[..., start:stop]
        for index, (block, margin) in enumerate(zip(blocks, margins, strict=True)):
            low, high = max(start - margin, 0), min(stop + margin, length)
            done = block(x[..., low:high])[..., start - low : stop - low]
            if index == 0:
                total.copy_(done)
            else:
                total.add_(done)
        total.div_(len(blocks))
    return mean


def convolve_in_stretches(
    convolve: Callable[[Tensor], Tensor], x: Tensor, span: int, stride: int = 1
) -> Tensor:
    """An unpadded convolution over the last axis, in pieces that Metal accepts.

    Parameters
    ----------
    convolve : without padding
    x : ``[..., T]``, already padded
    span : samples that one output sees
    """
    length = x.shape[-1]
    if length <= MAX_CONV_SAMPLES:
        return convolve(x)
    step = (MAX_CONV_SAMPLES - span) // stride + 1
    count = (length - span) // stride + 1
    parts = []
    for start in range(0, count, step):
        stop = min(start + step, count)
        parts.append(convolve(x[..., start * stride : (stop - 1) * stride + span]))
    return torch.cat(parts, dim=-1)


def upsample_linear(x: Tensor, rate: int) -> Tensor:
    """``[..., T] -> [..., T * rate]`` by linear interpolation between the middles of the frames.

    The same as ``F.interpolate(mode="linear")``, but its weights do not lose precision with the
    position (there the fraction is cut from a growing float32 index), so a piece equals the whole.
    """
    weights = glide_weights(rate).to(x.device, x.dtype)
    before = torch.cat([x[..., :1], x[..., :-1]], dim=-1)
    after = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
    frames = x.unsqueeze(-1) * weights[1]
    frames.add_(before.unsqueeze(-1) * weights[0]).add_(after.unsqueeze(-1) * weights[2])
    return frames.flatten(-2)


def glide_weights(rate: int) -> Tensor:
    """``[3, rate]`` float64: weights of the previous, this and the next frame in each sample."""
    position = (torch.arange(rate, dtype=torch.float64, device="cpu") + 0.5) / rate - 0.5
    before, after = (-position).clamp(min=0), position.clamp(min=0)
    return torch.stack([before, 1 - before - after, after])


def edge_samples(conv: nn.Module) -> int:
    """Outputs at either end of a convolution that depend on its padding."""
    if not isinstance(conv, nn.Conv1d):
        raise TypeError(f"{type(conv).__name__} is not a convolution in time")
    return -(-int(conv.padding[0]) // conv.stride[0])


def conv_reach(conv: nn.Module, samples: int) -> int:
    """Input samples a convolution needs on either side, for `samples` of its output's.

    A transposed convolution's input has fewer samples than its output, a strided one's more.
    """
    if isinstance(conv, nn.ConvTranspose1d):
        kernel, rate, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        return max((samples + kernel - 1 - padding) // rate, (samples + padding - 1) // rate + 1)
    if isinstance(conv, nn.Conv1d):
        span = conv.dilation[0] * (conv.kernel_size[0] - 1)
        padding = int(conv.padding[0])
        return samples * conv.stride[0] + max(padding, span - padding)
    raise TypeError(f"{type(conv).__name__} is not a convolution in time")


def slices(n: int, step: int) -> Iterator[slice]:
    """Slices of ``step`` rows, the last one perhaps shorter, that make up n rows."""
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
