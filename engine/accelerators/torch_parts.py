"""torch on the CPU, Metal or CUDA: layout, precision and device of each part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from engine import device as devices
from engine.accelerators import Latent
from engine.models.compilation import CompiledVocoder
from engine.models.layout import CACHE_TILES, DEVICE_TILES, use_channels_last
from engine.models.precision import to_half
from engine.models.synthesizer import Synthesizer
from engine.optimization import OptimizationConfig
from engine.retrieval.search import open_search
from engine.stages import CPU, Part

Network = TypeVar("Network", bound=torch.nn.Module)


def offers(part: Part, device: str, config: OptimizationConfig) -> bool:  # noqa: ARG001 - the same for every accelerator
    """Whether this accelerator can run the part."""
    return True


def build(part: Part, source: Any, config: OptimizationConfig, device: str) -> Any:
    """A part, ready to run on a device; see `engine.accelerators`. Changes a network in place."""
    if part == "latent":
        for network in (source.enc_p, source.flow, source.emb_g):
            _tuned(network, part, config, device)
        return Latent(source.prior, source.latent)
    if part == "vocoder":
        return _vocoder(source, config, device)
    if part == "retrieval":
        dtype = _half_type(part, config, device) or torch.float32
        return open_search(source, config.retrieval, device, config.retrieval_weighting, dtype)
    return _tuned(source, part, config, device)


def _vocoder(
    synthesizer: Synthesizer, config: OptimizationConfig, device: str
) -> Callable[..., Tensor]:
    _tuned(synthesizer.dec, "vocoder", config, device)
    return CompiledVocoder(synthesizer) if config.compile != "none" else synthesizer.vocode


def _tuned(network: Network, part: Part, config: OptimizationConfig, device: str) -> Network:
    """The network on its device, in the layout and precision of the configuration."""
    if config.use_channels_last:
        on_gpu = device != CPU
        use_channels_last(network, DEVICE_TILES if on_gpu else CACHE_TILES, doubling=on_gpu)
    dtype = _half_type(part, config, device)
    if dtype is not None:
        to_half(network, dtype)
    return network.to(device)


def _half_type(part: Part, config: OptimizationConfig, device: str) -> torch.dtype | None:
    """The 16-bit type of a part; None if it stays float32.

    Half precision is for the chosen device; a part that was moved from it to the CPU is not
    rounded. The pitch is always exact: the phase adds up every error, so after a second the sound
    would differ. On a CPU the 8 bits of bfloat16 are not enough for distances either.
    """
    if not config.use_fp16 or (device == CPU and config.device != CPU):
        return None
    if part == "pitch" or (part == "retrieval" and device == CPU):
        return None
    return devices.half_type(device)
