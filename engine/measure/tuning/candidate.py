"""What tuning tries: for each flag the values beside the one in force."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from engine.optimization import OptimizationConfig
from engine.stages import PARTS, parse_parts

EQUAL_DB = 45.0
"""A way that changes only how is computed gives the plain CPU's sound to within this."""

HALF_DB = 25.0
"""Half precision has a measure of its own: rounding to 11 bits is meant to be heard by nobody,
not to be equal."""

NOT_MEASURED = frozenset({"device", "skip_silence", "retrieval_weighting", "enable_profiling"})
"""The device is given; silence depends on the sound; the others do not make anything faster."""

LEFT_AS_IT_IS = frozenset({"use_gpu_retrieval"})
"""Measured, but not decided here: it finds other rows, and so sounds another way."""

_LADDERS: dict[str, tuple[int, ...]] = {"batch_size": (1, 2, 4, 8)}
"""Smaller values are all tried; a greater one only while the one before it pays."""

_CHOICES: dict[str, tuple[Any, ...]] = {
    "tile_frames": (0, 200, 400, 800, 1600),
    "compile": ("none", "torchscript"),
}


@dataclass(frozen=True)
class Candidate:
    """A value of a flag to be tried.

    Attributes
    ----------
    copies : so many sources are converted together; only then can a batch be filled
    varied : each round has a length of its own, which a device meets for the first time
    only_after_gain : left out unless the value before it in the list was kept
    """

    flag: str
    value: Any
    copies: int = 1
    varied: bool = False
    only_after_gain: bool = False

    def applied(self, config: OptimizationConfig) -> OptimizationConfig:
        """The configuration with it."""
        if self.flag == "cpu_parts":
            parts = {*parse_parts(config.cpu_parts), self.value}
            kept = ",".join(part for part in PARTS if part in parts)
            return replace(config, cpu_parts=kept)
        change: dict[str, Any] = {self.flag: self.value}
        return replace(config, **change)

    def is_news(self, config: OptimizationConfig) -> bool:
        """Whether the configuration does not have it yet."""
        return self.applied(config) != config


def flags_to_try(device: str) -> list[str]:
    """Flags in the order in which they are measured; parts are moved last of all."""
    names = [field.name for field in fields(OptimizationConfig) if field.name not in NOT_MEASURED]
    names.remove("cpu_parts")
    return names if device == "cpu" else [*names, "cpu_parts"]


def least_db(config: OptimizationConfig) -> float:
    """How near its sound has to be to the plain CPU's."""
    return HALF_DB if config.use_fp16 else EQUAL_DB


def plain_twin(config: OptimizationConfig) -> OptimizationConfig:
    """The plain way on the CPU that computes the same: what finds other rows, or hears a longer
    context, does so there too.
    """
    return replace(
        OptimizationConfig.baseline(),
        use_gpu_retrieval=config.use_gpu_retrieval,
        use_shape_buckets=config.use_shape_buckets,
        skip_silence=config.skip_silence,
        retrieval_weighting=config.retrieval_weighting,
    )


def values_to_try(flag: str, config: OptimizationConfig) -> list[Candidate]:
    """Values of a flag beside the one in force."""
    now = getattr(config, flag)
    if flag == "cpu_parts":
        return _parts(config)
    if flag in _LADDERS:
        above = [value for value in _LADDERS[flag] if value > now]
        return [
            Candidate(flag, value, max(value, now), only_after_gain=value in above[1:])
            for value in _LADDERS[flag]
            if value != now
        ]
    if isinstance(now, bool):
        return [Candidate(flag, not now, varied=flag == "use_shape_buckets")]
    return [Candidate(flag, value) for value in _CHOICES.get(flag, ()) if value != now]


def _parts(config: OptimizationConfig) -> list[Candidate]:
    there = {*parse_parts(config.cpu_parts)}
    if not config.use_gpu_filter:
        there.add("filter")
    if not config.use_gpu_retrieval:
        there.add("retrieval")
    return [Candidate("cpu_parts", part) for part in PARTS if part not in there]
