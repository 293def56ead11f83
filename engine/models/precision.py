"""Networks in half precision where numerically safe.

Convolutions and linear layers hold 16-bit weights and take 16-bit numbers; sums, comparisons and
time stay float32: norms, softmax, the phase of the source, the latent, and the last step
to samples. The pitch network stays float32: phase accumulates every error of f0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.models.layers import ChannelNorm
from engine.models.layout import RoundedLayer
from engine.models.refine_gan import Decimation

_ROUNDED = (nn.Conv1d, nn.ConvTranspose1d, nn.Linear)
_EXACT = (nn.LayerNorm, nn.GroupNorm, ChannelNorm, Decimation)

_KEPT = ("m_source", "proj", "final_proj")
"""Parts that stay float32: the source of the vocoder, the statistics of the latent, and the
content's projection."""


def to_half(network: nn.Module, dtype: torch.dtype = torch.float16) -> nn.Module:
    """Convert a network to half precision, in place; its inputs and outputs stay float32.

    After `engine.models.layout.use_channels_last`, if both are wanted.

    Parameters
    ----------
    dtype : float16 (11 significant bits), or bfloat16 (8), which CPUs support

    Returns
    -------
    the same object
    """
    for name, layer in network.named_modules():
        if isinstance(layer, RoundedLayer):
            layer.round_weights(dtype)
        if isinstance(layer, _ROUNDED) and not _is_kept(name):
            layer.to(dtype)
            layer.register_forward_pre_hook(_cast(dtype))
        elif isinstance(layer, _EXACT + _ROUNDED):
            layer.register_forward_pre_hook(_cast(torch.float32))
    _let_go_of_the_file(network)
    return network


def _let_go_of_the_file(network: nn.Module) -> None:
    """Copy the float32 tensors: a single view of a mapped file keeps the whole file in memory."""
    for kept in (*network.parameters(), *network.buffers()):
        if kept.dtype == torch.float32:
            kept.data = kept.data.clone()


def _is_kept(name: str) -> bool:
    return any(part in _KEPT for part in name.split("."))


def _cast(
    dtype: torch.dtype,
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook that converts the inputs of a layer to this type."""

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(x.to(dtype) for x in inputs)

    return hook
