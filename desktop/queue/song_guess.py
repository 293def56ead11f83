"""Recognizes whole songs among the files that were dropped as voices; on a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.background import ItemThread
from desktop.native_library import import_signal_processing
from desktop.queue.job import Job
from engine.errors import ConversionCancelled

_MOST_FILES = 8
"""Of one drop; further files are not examined."""

SoundsLikeASong = Callable[[Path, Callable[[], None]], bool]


def listen(path: Path, pause: Callable[[], None]) -> bool:
    """Whether a file clearly is a whole song; False if it cannot be read."""
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
        self._drops = ItemThread(self._listen, "song guess")
        self._ready.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def look(self, jobs: Sequence[Job]) -> None:
        """Listen to the sources of jobs that were just added as voices."""
        new = [job for job in jobs if job.cover is None and job.source not in self._asked]
        if new:
            self._asked.update(job.source for job in new)
            self._drops.add([tuple(new[:_MOST_FILES])])

    def close(self) -> None:
        """Stop before the app quits."""
        self._drops.close()

    def _listen(self, dropped: Sequence[Job]) -> None:
        """On the thread."""
        pause = self._drops.cancel.raise_if_cancelled
        songs = tuple(job.id for job in dropped if self._guess(job.source, pause))
        if songs:
            self._ready.emit(songs)

    @Slot(object)
    def _tell(self, job_ids: Sequence[str]) -> None:
        if not self._drops.cancel.cancelled:
            self.found.emit(job_ids)
