"""Progress and cancelling of a conversion, and the times of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import ConversionCancelled


@dataclass(frozen=True)
class StageProgress:
    """One step of a running conversion.

    Attributes
    ----------
    stage : name of the stage that has just done some work
    stage_s : seconds this stage has taken so far in this conversion
    device : where it runs, e.g. ``cpu``, ``mps``
    fraction : 0..1 of the whole conversion that is done
    half : whether it computes in half precision
    """

    stage: str
    stage_s: float
    device: str
    fraction: float
    half: bool = False


ProgressListener = Callable[[StageProgress], None]


class CancelToken:
    """Stops a conversion from any thread; the conversion checks it between steps.

    Attributes
    ----------
    cancelled : whether `cancel` was called; a plain value, because it is read a hundred thousand
        times while networks are loaded
    """

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Ask the conversion to stop at the next step."""
        self.cancelled = True

    def raise_if_cancelled(self) -> None:
        """Raise `ConversionCancelled` if `cancel` was called."""
        if self.cancelled:
            raise ConversionCancelled


@dataclass(frozen=True)
class StageStatistics:
    """Seconds of one stage over its runs."""

    count: int
    total_s: float
    min_s: float
    max_s: float

    @property
    def average_s(self) -> float:
        """Mean seconds of a run."""
        return self.total_s / self.count


class ProfilerReport(dict[str, StageStatistics]):
    """Statistics by stage; printed, they are a table with the share of the time of all stages."""

    def __str__(self) -> str:
        total_s = sum(each.total_s for each in self.values())
        head = ("stage", "runs", "total", "average", "shortest", "longest", "share")
        rows: list[tuple[str, ...]] = [head]
        for stage, each in self.items():
            times_s = (each.total_s, each.average_s, each.min_s, each.max_s)
            share = f"{each.total_s / total_s:.0%}" if total_s else "-"
            rows.append((stage, str(each.count), *(f"{s:.3f} s" for s in times_s), share))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        align = "<" + ">" * (len(widths) - 1)
        return "\n".join(
            "  ".join(map("{:{}{}}".format, row, align, widths)).rstrip() for row in rows
        )


class PerformanceProfiler:
    """Measures the time of each stage.

    A GPU works asynchronously, so exact times need waiting for it. Waiting costs speed and is done
    only when profiling is on.

    Parameters
    ----------
    enabled : wait for the device at both ends of each measurement
    synchronize : waits until the device has finished its work
    """

    def __init__(
        self, *, enabled: bool = False, synchronize: Callable[[], None] | None = None
    ) -> None:
        self.enabled = enabled
        self._synchronize = synchronize
        self._started: dict[str, float] = {}
        self._runs: dict[str, StageStatistics] = {}

    def start(self, name: str) -> None:
        """Begin a measurement.

        Raises
        ------
        ValueError : it was started already
        """
        if name in self._started:
            raise ValueError(f"stage {name!r} is already being measured")
        self._started[name] = self._now()

    def end(self, name: str) -> float:
        """End it and return its seconds.

        Raises
        ------
        ValueError : it was not started
        """
        if name not in self._started:
            raise ValueError(f"stage {name!r} was not started")
        started = self._started.pop(name)
        seconds = self._now() - started
        before = self._runs.get(name)
        self._runs[name] = (
            StageStatistics(1, seconds, seconds, seconds)
            if before is None
            else StageStatistics(
                before.count + 1,
                before.total_s + seconds,
                min(before.min_s, seconds),
                max(before.max_s, seconds),
            )
        )
        return seconds

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure a block of code, also if it raises."""
        self.start(name)
        try:
            yield
        finally:
            self.end(name)

    def report(self) -> ProfilerReport:
        """Statistics of each stage, in the order in which they first ended."""
        return ProfilerReport(self._runs)

    def reset(self) -> None:
        """Forget all measurements."""
        self._started.clear()
        self._runs.clear()

    def _now(self) -> float:
        if self.enabled and self._synchronize is not None:
            self._synchronize()
        return time.perf_counter()
