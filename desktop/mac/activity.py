"""Keep the computer awake, and the app at full speed, while there is work."""

from __future__ import annotations

import ctypes
import os
import sys

from PySide6.QtCore import QObject, QProcess, Slot

from desktop.mac.objc import Pointer, Runtime, system_runtime


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


USER_INITIATED = 0x00FFFFFF
"""NSActivityUserInitiated (NSProcessInfo.h); it holds off idle sleep, too."""

_REASON = "Converting"


class NapGuard(QObject):
    """Holds App Nap off between `set_busy` True and False.

    macOS slows down a program whose windows are hidden, unless it has declared an activity that
    the user asked for.

    Parameters
    ----------
    runtime : None, where there is no such thing, does nothing
    """

    def __init__(self, parent: QObject | None = None, runtime: Runtime | None = None) -> None:
        super().__init__(parent)
        self._runtime = runtime if runtime is not None else system_runtime()
        self._activity = 0

    @property
    def is_held(self) -> bool:
        """Whether it is held off."""
        return self._activity != 0

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Hold it off, or no longer; saying the same twice changes nothing."""
        if self._runtime is None or busy == self.is_held:
            return
        if busy:
            self._begin(self._runtime)
        else:
            self._end(self._runtime)

    def _begin(self, runtime: Runtime) -> None:
        activity = runtime.send(
            _process(runtime),
            "beginActivityWithOptions:reason:",
            (ctypes.c_uint64, USER_INITIATED),
            (Pointer, runtime.text(_REASON)),
        )
        self._activity = int(runtime.send(activity, "retain"))

    def _end(self, runtime: Runtime) -> None:
        activity, self._activity = self._activity, 0
        runtime.send(_process(runtime), "endActivity:", (Pointer, activity), result=None)
        runtime.send(activity, "release", result=None)


def _process(runtime: Runtime) -> int:
    return int(runtime.send(runtime.named("NSProcessInfo"), "processInfo"))
