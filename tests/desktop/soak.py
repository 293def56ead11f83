"""A thousand files through the whole app, disturbed at random: ``python -m tests.desktop.soak``.

By hand with the real engine and the starter voice; `test_soak` runs it with the fake one.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import soundfile
from PySide6.QtWidgets import QApplication

from desktop.app import App
from desktop.queue.engine_protocol import MakeEngine
from desktop.queue.job import Job, JobState
from desktop.queue.worker import ConverterEngine
from desktop.shell.application import Application
from desktop.storage import AppPaths, sample_file
from engine.device import prepare_environment

_KINDS = {"good": 70, "bad": 15, "slow": 5, "gone": 10}
_MEDDLE_EVERY = 12
_SLICE_S = 0.3


@dataclass(frozen=True)
class Usage:
    """What the process holds; memory in MB."""

    threads: int
    descriptors: int
    memory_mb: float

    @classmethod
    def now(cls) -> Usage:
        """Of this process; memory is the most ever held where the system tells no other."""
        gc.collect()
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            held_mb = pages * resource.getpagesize() / 1e6
        else:
            held_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        return cls(threading.active_count(), len(os.listdir("/dev/fd")), held_mb)  # noqa: PTH208


class Soak:
    """An app whose user cannot make up his mind; the same one for the same seed.

    Attributes
    ----------
    ends : how often each job ended, by its id
    """

    def __init__(self, folder: Path, make_engine: MakeEngine, seed: int) -> None:
        self.app = App(
            AppPaths(folder / "app", folder / "app/cache", folder / "app/logs"),
            make_engine, ask=lambda *_: True, leave=lambda _code: None,
        )  # fmt: skip
        self.app.start()
        self.ends: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
        self._sources = folder / "sources"
        self._sources.mkdir()
        self._chance = random.Random(seed)
        self._begun = 0
        self.app.queue.jobs_ended.connect(self._on_ended)
        self.app.queue.jobs_changed.connect(self._on_changed)

    def write_files(self, count: int, start: int = 0) -> list[Path]:
        """Good ones, broken ones, ones that are gone when their turn comes; some take long."""
        samples, rate_hz = soundfile.read(sample_file(), dtype="float32")
        kinds = self._chance.choices(list(_KINDS), list(_KINDS.values()), k=count)
        paths = []
        for number, kind in enumerate(kinds, start):
            path = self._sources / f"{kind} {number:04d}.wav"
            seconds = 5 * _SLICE_S if kind == "slow" else _SLICE_S
            n = int(seconds * rate_hz)
            first = self._chance.randrange(len(samples) - n)
            if kind == "bad":
                path.write_bytes(self._chance.randbytes(200))
            else:
                soundfile.write(path, np.asarray(samples[first : first + n]), rate_hz)
            paths.append(path)
        return paths

    def run(self, paths: list[Path]) -> None:
        """Convert all, with cancels, moves, retries and selections in between."""
        self.app.window.take(paths)
        for path in paths:
            if path.name.startswith("gone"):
                path.unlink()
        while self.app.queue.is_busy:
            QApplication.processEvents()
            time.sleep(0.0005)
        QApplication.processEvents()

    def forget(self) -> None:
        """Empty the queue and the folder, as after a day's work."""
        self.app.window.clear_over()
        for path in self._sources.iterdir():
            path.unlink()

    def faults(self) -> list[str]:
        """What should not be."""
        found = [f"partial file {path.name}" for path in self._sources.glob(".*")]
        for job in self.app.queue.jobs():
            if not job.is_over:
                found.append(f"{job.title} is {job.state}")
            if self.ends[job.id] != 1 + self.tries[job.id]:
                found.append(f"{job.title} ended {self.ends[job.id]} times")
            if job.state is JobState.FINISHED and not job.title.startswith(("good", "slow")):
                found.append(f"{job.title} cannot have been converted")
            if job.state is JobState.FAILED and not job.message:
                found.append(f"{job.title} failed without a reason")
        return found

    def states(self) -> Counter[JobState]:
        """How many jobs are in each state."""
        return Counter(job.state for job in self.app.queue.jobs())

    def _on_ended(self, jobs: Sequence[Job]) -> None:
        self.ends.update(job.id for job in jobs)

    def _on_changed(self, job_ids: Sequence[str]) -> None:
        job = self.app.queue.running()
        if job is None or job.id not in job_ids:
            return
        self._begun += 1
        if job.title.startswith("slow") or self._chance.random() < 0.1:
            self.app.queue.cancel([job.id])
        if self._begun % _MEDDLE_EVERY == 0:
            self._meddle()

    def _meddle(self) -> None:
        queue, chance = self.app.queue, self._chance
        waiting = [job.id for job in queue.jobs() if job.state is JobState.WAITING]
        over = [job.id for job in queue.jobs() if job.is_over]
        if waiting:
            queue.cancel([chance.choice(waiting)])
            queue.move([chance.choice(waiting)], chance.randrange(queue.rowCount()))
        if over:
            again = chance.choice(over)
            if not queue.retry([again]):  # else it is another take
                self.tries[again] += 1
            self.app.window.queue_view.select_job(chance.choice(over))


def main() -> None:
    """Print what became of all, and what the process holds before and after."""
    parser = argparse.ArgumentParser(prog="python -m tests.desktop.soak")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    prepare_environment()
    application = Application(["soak"])
    with tempfile.TemporaryDirectory() as made:
        soak = Soak(Path(made), ConverterEngine, given.seed)
        for done in range(0, given.jobs, 250):
            begun_s = time.monotonic()
            soak.run(soak.write_files(min(250, given.jobs - done), done))
            words = ", ".join(f"{count} {state}" for state, count in sorted(soak.states().items()))
            print(f"{time.monotonic() - begun_s:6.1f} s  {words}  {Usage.now()}", flush=True)
            print("\n".join(soak.faults()) or "no faults", flush=True)
            soak.forget()
        soak.app.close()
        application.processEvents()


if __name__ == "__main__":
    main()
