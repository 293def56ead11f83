"""Qt's application object, and the garbage collector that stays on its thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

NAME = "Ultimate RVC"

_TURN_S = 0.0005
"""How long another thread may hold Python's lock while the window waits. Painting a row takes the
lock ten times; at the default of 5 ms each, an import on the worker thread would be noticed."""


class Application(QApplication):
    """Collects the files that Finder opens with the app, even before there is a window."""

    files_opened = Signal()
    reopened = Signal()
    quit_asked = Signal()

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(list(arguments))
        sys.setswitchinterval(_TURN_S)
        self._files: list[Path] = []
        self.is_over = False
        self.setApplicationName(NAME)
        self.setApplicationDisplayName(NAME)
        self.setDesktopFileName("ultimate-rvc")
        self.setQuitOnLastWindowClosed(False)

    def event(self, event: QEvent) -> bool:
        """Files dropped on the Dock icon or opened with the app, a click on it, and its Quit.

        The system's Quit is passed to the app, which asks the user while it is busy.
        """
        if isinstance(event, QFileOpenEvent) and event.file():
            self._files.append(Path(event.file()))
            self.files_opened.emit()
            return True
        if event.type() == QEvent.Type.ApplicationActivate:
            self.reopened.emit()
        if event.type() == QEvent.Type.Quit and not self.is_over:
            self.quit_asked.emit()
            if not self.is_over:
                event.ignore()
                return True
        return super().event(event)

    def take_files(self) -> list[Path]:
        """The files opened since the last call."""
        files, self._files = self._files, []
        return files


_EVERY_MS = 100
_OLDER_EVERY = 100
_ALL_EVERY = 1200
"""A run over all objects takes a tenth of a second or two, in which no other thread goes on: the
window would hesitate and sound would break off. It waits until nobody would notice."""

_STARTED = 20
"""By then the window is there, with all that lives as long as it."""

_MANY_OBJECTS = 20_000
"""This many new objects mean that a library is being imported. Examining them would block the
window, and they live as long as the app does; so they are frozen (`gc.freeze`)."""

_MANY_OLDER = 5_000
"""Objects that outlived a run are examined again once there are so many, before a run over them
takes long: libraries that are imported piece by piece, and the rows of a large queue."""


class GarbageTimer(QObject):
    """Runs Python's garbage collector on the GUI thread only.

    By itself it runs on whichever thread allocates; on the worker thread it would destroy widgets
    and timers from there, which crashes Qt. Often, so that each run takes a millisecond or two.

    Parameters
    ----------
    is_unnoticed : whether nobody would notice a pause; asked while a run over all objects is due
    all_every : how many short runs there are between two over all objects
    """

    def __init__(
        self, parent: QObject, is_unnoticed: Callable[[], bool], all_every: int = _ALL_EVERY
    ) -> None:
        super().__init__(parent)
        self._is_unnoticed = is_unnoticed
        self._all_every = all_every
        self._count = 0
        self._since_all = 0
        self._older = 0
        gc.disable()
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def close(self) -> None:
        """Let Python collect by itself again."""
        self._timer.stop()
        gc.enable()

    @Slot()
    def _collect(self) -> None:
        self._count += 1
        self._since_all += 1
        young = gc.get_count()[0]
        self._older += young
        if young > _MANY_OBJECTS or self._count == _STARTED:
            gc.freeze()
            self._older = 0
        elif self._since_all >= self._all_every and self._is_unnoticed():
            gc.collect()
            self._since_all = self._older = 0
        elif self._older > _MANY_OLDER or self._count % _OLDER_EVERY == 0:
            gc.collect(1)
            self._older = 0
        else:
            gc.collect(0)
