"""Keep the computer awake while there is work."""

from __future__ import annotations

import os
import sys

from PySide6.QtCore import QObject, QProcess, Slot


def awake_command(pid: int) -> list[str] | None:
    """The command of macOS itself; it ends with the process it is told to wait for."""
    if sys.platform != "darwin":
        return None
    return ["/usr/bin/caffeinate", "-i", "-w", str(pid)]


class SleepGuard(QObject):
    """Holds sleep off between `set_busy` True and False; the screen may go dark all the same."""

    def __init__(self, parent: QObject | None = None, command: list[str] | None = None) -> None:
        super().__init__(parent)
        self._command = command if command is not None else awake_command(os.getpid())
        self._process: QProcess | None = None

    @property
    def is_held(self) -> bool:
        """Whether sleep is held off."""
        return self._process is not None

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Hold sleep off, or no longer; saying the same twice changes nothing."""
        if busy and self._process is None and self._command is not None:
            self._process = QProcess(self)
            self._process.start(self._command[0], self._command[1:])
        elif not busy and self._process is not None:
            process, self._process = self._process, None
            process.finished.connect(process.deleteLater)
            process.terminate()
