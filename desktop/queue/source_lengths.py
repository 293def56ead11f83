"""Reads the lengths of waiting sources on a thread, for the remaining time of all jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.background import ItemThread
from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue

_PAUSE_S = 0.01
"""Between two files, so that a thousand of them leave time for other threads."""

Probe = Callable[[Path], float | None]
"""Gives the length of a file in seconds, if it is known."""


def probe_length(path: Path) -> float | None:
    """The length that the file states; None if it cannot be read (the conversion reports why).

    The libraries that read sound are imported when this is first called.
    """
    from engine.audio.reader import probe_audio

    try:
        return probe_audio(path).duration_s
    except Exception:  # noqa: BLE001 - optional; the conversion reports why a file is unreadable
        return None


class SourceLengths(QObject):
    """Looks at each waiting source once.

    Parameters
    ----------
    probe : replaced in tests
    """

    _found = Signal(str, float)

    def __init__(
        self, queue: JobQueue, probe: Probe = probe_length, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._queue = queue
        self._probe = probe
        self._asked: set[str] = set()
        self._files = ItemThread(self._read, "lengths")
        self._found.connect(self._take, Qt.ConnectionType.QueuedConnection)
        queue.queue_changed.connect(self.look)

    @Slot()
    def look(self) -> None:
        """Ask for the lengths that are not known, once something else is running."""
        if self._queue.running() is None:
            return
        new = [
            job
            for job in self._queue.jobs()
            if job.state is JobState.WAITING and not job.source_s and job.id not in self._asked
        ]
        if new:
            self._asked.update(job.id for job in new)
            self._files.add(new)

    def close(self) -> None:
        """Stop before the app quits."""
        self._files.close()

    def _read(self, job: Job) -> None:
        """On the thread."""
        seconds = self._probe(job.source)
        if seconds:
            self._found.emit(job.id, seconds)
        time.sleep(_PAUSE_S)

    @Slot(str, float)
    def _take(self, job_id: str, seconds: float) -> None:
        self._queue.set_source_length(job_id, seconds)
