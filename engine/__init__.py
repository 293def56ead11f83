"""Voice conversion with RVC voices.

    from engine import Converter, ConversionOptions, VoiceFiles

    converter = Converter()
    result = converter.convert_file(Path("song.wav"), VoiceFiles(Path("aria.pth")))

The names below are imported when they are first used, so that ``import engine`` costs nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.converter import Converter
    from engine.cover.cover import Cover
    from engine.cover.options import CoverNetworks, CoverOptions
    from engine.optimization import OptimizationConfig
    from engine.options import ConversionOptions, ConversionResult
    from engine.progress import CancelToken, PerformanceProfiler, StageProgress
    from engine.separation.separator import Separator
    from engine.separation.stems import separate_file
    from engine.voice import VoiceFiles, starter_voice

__all__ = [
    "CancelToken",
    "ConversionOptions",
    "ConversionResult",
    "Converter",
    "Cover",
    "CoverNetworks",
    "CoverOptions",
    "OptimizationConfig",
    "PerformanceProfiler",
    "Separator",
    "StageProgress",
    "VoiceFiles",
    "separate_file",
    "starter_voice",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet; see `engine.log`

_HOME = {
    "CancelToken": "engine.progress",
    "ConversionOptions": "engine.options",
    "ConversionResult": "engine.options",
    "Converter": "engine.converter",
    "Cover": "engine.cover.cover",
    "CoverNetworks": "engine.cover.options",
    "CoverOptions": "engine.cover.options",
    "OptimizationConfig": "engine.optimization",
    "PerformanceProfiler": "engine.progress",
    "Separator": "engine.separation.separator",
    "StageProgress": "engine.progress",
    "VoiceFiles": "engine.voice",
    "separate_file": "engine.separation.stems",
    "starter_voice": "engine.voice",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Converter":  # the one that imports torch
        import_module("engine.device").prepare_environment()
    return getattr(import_module(_HOME[name]), name)
