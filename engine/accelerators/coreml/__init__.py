"""Core ML: the content encoder on the Neural Engine of a Mac, and the export of all networks.

Off unless ``RVC_COREML_CONTENT`` says otherwise: nobody has measured it on a Mac yet. It needs
macOS, and packages that were converted before, by `urvc export coreml` or, where coremltools is
installed, on their first use. They lie in the cache folder that the app and the command share, so
that the app, which has no coremltools, uses what the command converted.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from engine.errors import Text
from engine.optimization import OptimizationConfig
from engine.stages import CPU, Part


def offers(part: Part, device: str, config: OptimizationConfig) -> bool:  # noqa: ARG001 - the same beside every device
    """Whether Core ML runs the part: the content encoder, where the flag allows it."""
    return part == "content" and config.coreml_content != "off" and fault() is None


def can_build(part: Part, source: Any) -> bool:
    """Whether Core ML has such a network: it has no Whisper."""
    from engine.models.content_encoder import ContentEncoder

    return part == "content" and isinstance(source, ContentEncoder)


def why_not_used(config: OptimizationConfig) -> Text | None:
    """Why it is not used though it was asked for; None if it is, or was not."""
    return fault() if config.coreml_content == "on" else None


def build(part: Part, source: Any, config: OptimizationConfig, device: str) -> Any:  # noqa: ARG001 - see above
    """The content encoder by Core ML; see `engine.accelerators`."""
    from engine.accelerators import torch_parts
    from engine.accelerators.coreml.content import ContentByCoreML

    return ContentByCoreML(source, lambda: torch_parts.build(part, source, config, CPU))


def fault() -> Text | None:
    """Why Core ML cannot be used here; None where it can."""
    if sys.platform != "darwin":
        return Text("PyTorch ran the content encoder, because Core ML is part of macOS only")
    if importlib.util.find_spec("CoreML") is None:
        return Text(
            "PyTorch ran the content encoder, because the package {package} is missing",
            package="pyobjc-framework-CoreML",
        )
    if not _has_packages():
        return Text(
            'PyTorch ran the content encoder, because it is not converted to Core ML yet; "urvc '
            'export coreml" does that'
        )
    return None


def _has_packages() -> bool:
    """Whether something was converted, or can be."""
    from engine.accelerators.coreml.content import PackageCache
    from engine.accelerators.coreml.program import can_convert

    return can_convert() or not PackageCache().is_empty()
