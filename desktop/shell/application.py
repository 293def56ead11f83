"""Qt's application object, and the garbage collector that stays on its thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

NAME = "Ultimate RVC"

TURN_S = 0.0005
"""How long another thread may keep Python to itself while the window waits. Painting one row asks
for Python ten times; at the usual 5 ms each, an import on the worker's thread would be felt."""


class Application(QApplication):
    """Collects the files that Finder opens with the app, also those that come before a window."""

    files_opened = Signal()
    reopened = Signal()
    quit_asked = Signal()

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(list(arguments))
        sys.setswitchinterval(TURN_S)
        self._files: list[Path] = []
        self.is_over = False
        self.setApplicationName(NAME)
        self.setApplicationDisplayName(NAME)
        self.setDesktopFileName("ultimate-rvc")
        self.setQuitOnLastWindowClosed(False)

    def event(self, event: QEvent) -> bool:
        """Files dropped on the Dock icon or opened with the app, a click on it, and its Quit.

        The system's Quit is asked of the app, which asks the user while it is busy.
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

MANY_OBJECTS = 20_000
"""New since the last look: a library is being imported. Looking at all of them would hold up the
window, and they stay as long as the app does; so they are set apart for good."""


class GarbageTimer(QObject):
    """Runs Python's garbage collector on the GUI thread only.

    By itself it runs on whichever thread allocates; on the worker thread it would destroy widgets
    and timers from there, which crashes Qt. Often, so that each run takes a millisecond or two.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._count = 0
        self._busy = False
        gc.disable()
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """While a conversion runs the long collection, of all objects, is put off."""
        self._busy = busy

    def close(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.enable()

    @Slot()
    def _collect(self) -> None:
        self._count += 1
        if gc.get_count()[0] > MANY_OBJECTS:
            gc.freeze()
        elif self._count % _ALL_EVERY == 0 and not self._busy:
            gc.collect()
        else:
            gc.collect(1 if self._count % _OLDER_EVERY == 0 else 0)
