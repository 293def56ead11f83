"""The lengths of waiting sources, read on a thread, for the time that is left in all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.queue.job import JobState
from desktop.queue.job_queue import JobQueue

_PAUSE_S = 0.01
"""Between two files, so that a thousand of them do not keep others from working."""

Probe = Callable[[Path], float | None]
"""Gives the length of a file in seconds, if it is known."""


def probe_length(path: Path) -> float | None:
    """What the file says of its own length; None if it cannot be read, which the conversion tells.

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
        self._todo: list[tuple[str, Path]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._found.connect(self._take, Qt.ConnectionType.QueuedConnection)
        queue.queue_changed.connect(self.look)

    @Slot()
    def look(self) -> None:
        """Ask for the lengths that are not known, once something else is running."""
        if self._queue.running() is None:
            return
        new = [
            (job.id, job.source)
            for job in self._queue.jobs()
            if job.state is JobState.WAITING and not job.source_s and job.id not in self._asked
        ]
        if not new:
            return
        self._asked.update(job_id for job_id, _ in new)
        with self._lock:
            self._todo += new
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lengths", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop before the app quits."""
        with self._lock:
            self._todo.clear()
            thread = self._thread
        if thread is not None:
            thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._thread = None
                    return
                job_id, path = self._todo.pop(0)
            seconds = self._probe(path)
            if seconds:
                self._found.emit(job_id, seconds)
            time.sleep(_PAUSE_S)

    @Slot(str, float)
    def _take(self, job_id: str, seconds: float) -> None:
        self._queue.set_source_length(job_id, seconds)
