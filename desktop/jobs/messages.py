"""What the worker and the window tell each other; every job ends in exactly one `Outcome`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from desktop.jobs.job import Job, StageTime
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken


@dataclass(frozen=True)
class Order:
    """Convert this; ``cancel`` may be set from any thread."""

    job: Job
    optimization: OptimizationConfig
    cancel: CancelToken


@dataclass(frozen=True)
class Finished:
    """The result is on the disk, whole, under its name."""

    job_id: str
    output: Path
    source_s: float
    taken_s: float
    stages: tuple[StageTime, ...]
    device: str
    peak_memory_bytes: int
    memory_bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """Nothing was written; ``message`` is for the user, ``report`` for the makers."""

    job_id: str
    message: str
    report: str
    stages: tuple[StageTime, ...] = ()


@dataclass(frozen=True)
class Cancelled:
    """The user wanted it so; nothing was written."""

    job_id: str
    stages: tuple[StageTime, ...] = ()


Outcome = Finished | Failed | Cancelled
