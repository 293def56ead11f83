"""Live timings of the running job: the worker writes them, the window polls them.

No signals are sent while a job runs, so that fast stages never flood the window's thread,
and the progress bar also moves between two steps of the engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from desktop.queue.job import JobProgress, StageTime
from engine.progress import PerformanceProfiler, StageProgress

_MIN_FRACTION = 0.02
"""Below this no remaining time is estimated: it would be unstable."""


class LiveTimings:
    """Timings of one running job; thread-safe."""

    def __init__(self, job_id: str) -> None:
        self._lock = threading.Lock()
        self._job_id = job_id
        self._begun_s = time.perf_counter()
        self._done: dict[str, StageTime] = {}
        self._before_s: dict[str, float] = {}
        self._running: tuple[str, float] | None = None
        self._fraction = 0.0
        self._source_s = 0.0
        self._device = ""
        self._memory_bytes = 0
        self._stage_bytes: dict[str, int] = {}

    def stage_begins(self, stage: str) -> None:
        """Record that a stage begins."""
        with self._lock:
            self._running = stage, time.perf_counter()

    def stage_ends(self, stage: str, seconds: float) -> None:
        """Record that a stage ends."""
        with self._lock:
            self._done[stage] = self._so_far(stage, seconds)
            self._running = None

    def _so_far(self, stage: str, seconds: float) -> StageTime:
        """What a stage took before, and these seconds."""
        before = self._done.get(stage) or StageTime(stage, 0.0, self._device)
        return replace(before, seconds=before.seconds + seconds, device=self._device)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time work that the engine does not measure, e.g. loading its libraries."""
        begun_s = time.perf_counter()
        self.stage_begins(stage)
        try:
            yield
        finally:
            seconds = time.perf_counter() - begun_s
            self.stage_ends(stage, seconds)
            with self._lock:
                self._before_s[stage] = self._before_s.get(stage, 0.0) + seconds

    def step(self, progress: StageProgress) -> None:
        """Take the engine's own figures at the end of a stage, which replace ours."""
        with self._lock:
            self._fraction = max(self._fraction, min(progress.fraction, 1.0))
            device = progress.device.partition("+")[0]
            if device != "cpu" or not self._device:
                self._device = device  # not the CPU of reading and writing
            before_s = self._before_s.get(progress.stage, 0.0)
            seconds = progress.stage_s + before_s
            self._done[progress.stage] = StageTime(
                progress.stage, seconds, progress.device, half=progress.half
            )

    def source(self, seconds: float) -> None:
        """Record the duration of the source."""
        with self._lock:
            self._source_s = seconds

    def memory(self, held_bytes: int) -> None:
        """Record the memory in use; the peak is kept for the running stage."""
        with self._lock:
            self._memory_bytes = held_bytes
            if self._running is not None:
                stage = self._running[0]
                self._stage_bytes[stage] = max(held_bytes, self._stage_bytes.get(stage, 0))

    def stages(self) -> tuple[StageTime, ...]:
        """Timings of the finished stages, in order."""
        with self._lock:
            return self._with_memory(self._done)

    def look(self) -> JobProgress:
        """The current progress."""
        with self._lock:
            now_s = time.perf_counter()
            elapsed_s = now_s - self._begun_s
            stages = dict(self._done)
            running = None
            if self._running is not None:
                running, since_s = self._running
                stages[running] = self._so_far(running, now_s - since_s)
            told = self._fraction >= _MIN_FRACTION
            left = elapsed_s * (1 - self._fraction) / self._fraction if told else None
            speed = self._fraction * self._source_s / elapsed_s if elapsed_s > 0 else 0.0
            return JobProgress(
                self._job_id,
                self._fraction,
                elapsed_s,
                left,
                speed if told and speed > 0 else None,
                running,
                self._with_memory(stages),
                self._device,
                self._memory_bytes,
            )

    def _with_memory(self, stages: dict[str, StageTime]) -> tuple[StageTime, ...]:
        held = self._stage_bytes
        return tuple(replace(each, memory_bytes=held.get(name, 0)) for name, each in stages.items())


class WatchedProfiler(PerformanceProfiler):
    """The engine's profiler, which also updates a job's `LiveTimings`."""

    live: LiveTimings | None = None
    memory_bytes: Callable[[], int] | None = None
    """Called at the end of each stage, when memory use peaks."""

    def start(self, name: str) -> None:
        """Start a measurement."""
        super().start(name)
        if self.live is not None:
            self.live.stage_begins(name)

    def end(self, name: str) -> float:
        """End it and return its seconds."""
        seconds = super().end(name)
        if self.live is not None:
            if self.memory_bytes is not None:
                self.live.memory(self.memory_bytes())
            self.live.stage_ends(name, seconds)
        return seconds
