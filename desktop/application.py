"""Qt's application object, with the one event that only it gets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, Signal
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
