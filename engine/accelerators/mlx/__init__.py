"""MLX: Apple's own framework for its GPUs, as ``RVC_BACKEND=mlx`` asks for it.

It runs the content encoder, the prior and the flow, all vocoders, and the convolutions of the
pitch networks. The index search, spectra and GRUs stay torch's on the CPU.

One GPU framework per conversion: beside MLX, torch runs on the CPU alone, for both on the GPU in
one process crashed in a public report. So MLX is not chosen part by part against torch on Metal.
Whoever asks for it gets it for every part that is right and not slower than torch on the CPU;
``auto`` gets it where ``tune`` found whole conversions to be faster with it than with Metal, in
processes of their own. Without that ``auto`` is torch.

Nothing outside this package imports MLX, and it is not installed unless asked for. `mx.compile` is
not used: it compiles for every new length, and what it gains was not measured on a Mac.
"""

from __future__ import annotations

from typing import Any

from engine.device import reach_mlx
from engine.errors import Text
from engine.optimization import OptimizationConfig
from engine.paths import advised
from engine.stages import CPU, Part

_CACHE_BYTES = 512 << 20
"""Freed memory that MLX keeps for itself; without a limit it keeps all that there is."""

_PARTS: frozenset[Part] = frozenset({"content", "latent", "vocoder", "pitch"})


def offers(part: Part, device: str, config: OptimizationConfig) -> bool:
    """Whether MLX runs the part."""
    return part in _PARTS and device == CPU and takes_gpu(config)


def can_build(part: Part, source: Any) -> bool:
    """Whether MLX has such a network: it has no Whisper."""
    from engine.models.content_encoder import ContentEncoder

    return part != "content" or isinstance(source, ContentEncoder)


def takes_gpu(config: OptimizationConfig) -> bool:
    """Whether torch has to leave it the GPU."""
    return config.backend == "mlx" and _fault() is None


def why_not_used(config: OptimizationConfig) -> Text | None:
    """Why it is not used though it was asked for; None if it is, or was not."""
    return _fault() if config.backend == "mlx" else None


def _fault() -> Text | None:
    """Why MLX cannot be used here; None where it can."""
    reach_mlx()
    try:
        import mlx.core  # noqa: F401
    except ModuleNotFoundError:
        return advised(
            Text('PyTorch was used, because MLX is missing; get it by "urvc models download mlx"'),
            Text("PyTorch was used, because MLX is missing; get it in the settings, under Models"),
        )
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        reason = str(error).strip().partition("\n")[0]
        return Text("PyTorch was used, because MLX cannot be loaded ({reason})", reason=reason)
    return None


def build(part: Part, source: Any, config: OptimizationConfig, device: str) -> Any:  # noqa: ARG001 - the same for every accelerator
    """A part by MLX, with torch's tensors on the CPU at both ends; see `engine.accelerators`.

    Half precision is float16, and never for the pitch. Takes the weights out of a content encoder
    and changes a pitch network in place.
    """
    import mlx.core as mx

    from engine.accelerators.mlx import content, latent, pitch, vocoder

    mx.set_cache_limit(_CACHE_BYTES)
    dtype = mx.float16 if config.use_fp16 else mx.float32
    if part == "content":
        return content.Content(source, dtype)
    if part == "latent":
        return latent.build_latent(source, dtype)
    if part == "vocoder":
        return vocoder.Vocoder(source, dtype)
    return pitch.use_mlx(source)
