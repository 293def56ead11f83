"""The running job's stop-watch: the worker writes, the window looks when it likes.

Nothing is sent while a job runs, so however fast the stages follow one another the window's
thread is never flooded, and a bar grows between two steps of the engine as well.
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
"""Before that no remaining time is foretold: it would jump about."""


class LiveTimings:
    """Times of one running job; any thread may call any method."""

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
        """The engine enters a stage."""
        with self._lock:
            self._running = stage, time.perf_counter()

    def stage_ends(self, stage: str, seconds: float) -> None:
        """The engine leaves it."""
        with self._lock:
            before = self._done.get(stage)
            total = seconds + (before.seconds if before else 0.0)
            self._done[stage] = StageTime(stage, total, self._device)
            self._running = None

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Work for a stage that the engine does not know of, e.g. loading its libraries."""
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
        """What the engine itself says at the end of a stage; its figures are the right ones."""
        with self._lock:
            self._fraction = max(self._fraction, min(progress.fraction, 1.0))
            device = progress.device.partition("+")[0]
            if device != "cpu" or not self._device:
                self._device = device  # the job's own: not that of reading and writing
            before_s = self._before_s.get(progress.stage, 0.0)
            seconds = progress.stage_s + before_s
            self._done[progress.stage] = StageTime(progress.stage, seconds, progress.device)

    def source(self, seconds: float) -> None:
        """How long the sound is."""
        with self._lock:
            self._source_s = seconds

    def memory(self, held_bytes: int) -> None:
        """What the device holds now; the most of it is kept for the running stage."""
        with self._lock:
            self._memory_bytes = held_bytes
            if self._running is not None:
                stage = self._running[0]
                self._stage_bytes[stage] = max(held_bytes, self._stage_bytes.get(stage, 0))

    def stages(self) -> tuple[StageTime, ...]:
        """Times of the stages that have ended, in their order."""
        with self._lock:
            return self._with_memory(self._done)

    def look(self) -> JobProgress:
        """The job at this moment."""
        with self._lock:
            now_s = time.perf_counter()
            elapsed_s = now_s - self._begun_s
            stages = dict(self._done)
            running = None
            if self._running is not None:
                running, since_s = self._running
                before = stages.get(running)
                total = now_s - since_s + (before.seconds if before else 0.0)
                stages[running] = StageTime(running, total, self._device)
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
    """The engine's stop-watch, which also tells a job's `LiveTimings` what begins and ends."""

    live: LiveTimings | None = None
    memory_bytes: Callable[[], int] | None = None
    """Asked at the end of each stage, when it holds the most."""

    def start(self, name: str) -> None:
        """Begin a measurement."""
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
