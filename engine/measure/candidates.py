"""Which values of which flags `urvc tune` tries, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.accelerators import coreml
from engine.device import has_mlx
from engine.measure.tuning_record import NOT_MEASURED
from engine.optimization import FLAGS, OptimizationConfig
from engine.stages import CONVERSION_PARTS, PARTS, parse_parts

_BATCHES = (1, 2, 4, 8)
"""Smaller ones than now are all tried; a larger one only if the one before it was faster."""

_FIRST = ("use_fp16", "backend", "coreml_content")

_TILES_FRAMES = (0, 200, 400, 800, 1600)


@dataclass(frozen=True)
class Candidate:
    """A value of a flag to be tried.

    Attributes
    ----------
    copies : pieces that the clip is repeated for; a batch needs that many to be full
    varied : each round has another length, which the device meets for the first time
    only_after_gain : skipped unless the value before it in the list was kept
    """

    flag: str
    value: Any
    copies: int = 1
    varied: bool = False
    only_after_gain: bool = False

    def applied(self, config: OptimizationConfig) -> OptimizationConfig:
        """The configuration with this value."""
        if self.flag == "cpu_parts":
            parts = {*parse_parts(config.cpu_parts), self.value}
            kept = ",".join(part for part in PARTS if part in parts)
            return replace(config, cpu_parts=kept)
        change: dict[str, Any] = {self.flag: self.value}
        return replace(config, **change)


def flags_to_try(device: str) -> list[str]:
    """Flags in the order in which they are measured.

    First what gains most on a GPU, so that all others are measured with it: half precision, then
    the framework. Parts are moved to the CPU last.
    """
    names = [flag.name for flag in FLAGS if flag.name not in NOT_MEASURED]
    names.remove("cpu_parts")
    if not has_mlx():
        names.remove("backend")
    if coreml.fault() is not None:
        names.remove("coreml_content")
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    if device != "cpu":
        return [*names, "cpu_parts"]
    names.remove("use_gpu_retrieval")  # changes nothing there
    return names


def candidates(flag: str, config: OptimizationConfig) -> list[Candidate]:
    """Values of a flag other than the one in force."""
    now = getattr(config, flag)
    if flag == "cpu_parts":
        there = {*parse_parts(config.cpu_parts)}
        there |= set() if config.use_gpu_filter else {"filter"}
        there |= set() if config.searches_on_device else {"retrieval"}
        return [Candidate(flag, part) for part in CONVERSION_PARTS if part not in there]
    if flag == "batch_size":
        above = [value for value in _BATCHES if value > now]
        return [
            Candidate(flag, value, max(value, now), only_after_gain=value in above[1:])
            for value in _BATCHES
            if value != now
        ]
    if flag == "backend":  # "auto" is torch until something is kept
        return [Candidate(flag, "torch" if now == "mlx" else "mlx")]
    if isinstance(now, bool):
        return [Candidate(flag, not now, varied=flag == "use_shape_buckets")]
    row = next(row for row in FLAGS if row.name == flag)
    values = _TILES_FRAMES if flag == "tile_frames" else [each.value for each in row.choices()]
    # faiss finds the same rows as ivf, and its OpenMP can end the process on a Mac.
    return [Candidate(flag, value) for value in values if value not in (now, "faiss")]
