"""Listens to what was dropped as voices, whether it sounds like whole songs; on a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.native_library import import_signal_processing
from desktop.queue.job import Job
from engine.errors import ConversionCancelled

_MOST_FILES = 8
"""Of one drop: the first of them tell what the others are."""

SoundsLikeASong = Callable[[Path, Callable[[], None]], bool]


def listen(path: Path, pause: Callable[[], None]) -> bool:
    """Whether a file clearly is a whole song; one that cannot be read is none."""
    import_signal_processing()
    from engine.cover.guess import sounds_like_a_song

    try:
        return sounds_like_a_song(path, pause)
    except ConversionCancelled:
        raise
    except Exception:  # noqa: BLE001 - optional; the conversion reports why a file is unreadable
        return False


class SongGuess(QObject):
    """Looks at each source once.

    Parameters
    ----------
    guess : replaced in tests

    Signals
    -------
    found : (ids)  jobs of one drop whose sources sound like whole songs
    """

    found = Signal(object)
    _ready = Signal(object)

    def __init__(self, guess: SoundsLikeASong = listen, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._guess = guess
        self._asked: set[Path] = set()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._todo: list[tuple[tuple[str, Path], ...]] = []
        self._lock = threading.Lock()
        self._ready.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def look(self, jobs: Sequence[Job]) -> None:
        """Listen to the sources of jobs that were just added as voices."""
        new = [job for job in jobs if job.cover is None and job.source not in self._asked]
        if not new or self._closed:
            return
        self._asked.update(job.source for job in new)
        with self._lock:
            self._todo.append(tuple((job.id, job.source) for job in new[:_MOST_FILES]))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="song guess", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop before the app quits."""
        self._closed = True
        thread = self._thread
        if thread is not None:
            thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._todo or self._closed:
                    self._thread = None
                    return
                dropped = self._todo.pop(0)
            try:
                songs = tuple(i for i, path in dropped if self._guess(path, self._pause))
            except ConversionCancelled:
                continue
            if songs:
                self._ready.emit(songs)

    def _pause(self) -> None:
        if self._closed:
            raise ConversionCancelled

    @Slot(object)
    def _tell(self, job_ids: Sequence[str]) -> None:
        if not self._closed:
            self.found.emit(job_ids)
