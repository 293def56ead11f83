"""Keep the computer awake, and the app at full speed, while there is work."""

from __future__ import annotations

import os
import sys
from typing import Any

from PySide6.QtCore import QObject, QProcess, Slot

from desktop.mac.cocoa import on_mac


def awake_command(pid: int) -> list[str] | None:
    """The command ``caffeinate``, which ends with our process."""
    if sys.platform != "darwin":
        return None
    return ["/usr/bin/caffeinate", "-i", "-w", str(pid)]


class SleepGuard(QObject):
    """Prevents sleep between `set_busy` True and False; the screen may still turn off."""

    def __init__(self, parent: QObject | None = None, command: list[str] | None = None) -> None:
        super().__init__(parent)
        self._command = command if command is not None else awake_command(os.getpid())
        self._process: QProcess | None = None

    @property
    def is_held(self) -> bool:
        """Whether sleep is prevented."""
        return self._process is not None

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Begin or end; repeated calls change nothing."""
        if busy and self._process is None and self._command is not None:
            self._process = QProcess(self)
            self._process.start(self._command[0], self._command[1:])
        elif not busy and self._process is not None:
            process, self._process = self._process, None
            process.finished.connect(process.deleteLater)
            process.terminate()


class NapGuard(QObject):
    """Prevents App Nap between `set_busy` True and False.

    macOS slows down a program whose windows are hidden, unless it has declared an activity that
    the user asked for.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._activity: Any = None

    @property
    def is_held(self) -> bool:
        """Whether App Nap is prevented."""
        return self._activity is not None

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Begin or end; repeated calls change nothing."""
        if busy and self._activity is None:
            self._activity = on_mac(_begin_activity)
        elif not busy and self._activity is not None:
            activity, self._activity = self._activity, None
            on_mac(lambda: _end_activity(activity))


def _begin_activity() -> Any:
    from Foundation import NSActivityUserInitiated, NSProcessInfo

    process = NSProcessInfo.processInfo()
    return process.beginActivityWithOptions_reason_(NSActivityUserInitiated, "Converting")


def _end_activity(activity: Any) -> None:
    from Foundation import NSProcessInfo

    NSProcessInfo.processInfo().endActivity_(activity)
