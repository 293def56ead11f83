"""What a failure is called on the screen, the report that can be copied, and uncaught errors."""

from __future__ import annotations

import platform
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from desktop.translation import translate
from engine.device import is_out_of_memory
from engine.errors import Text, UserError
from engine.machine import app_version
from engine.plain_text import without_folders

LOG_FILE = "problems.log"
MAX_LOG_BYTES = 1 << 20
KEPT_LOGS = 3
_MAX_MESSAGES = 60
_LONGEST_DETAILS = 120
_GRAVE = frozenset({QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg})


class CrashReporter(QObject):
    """Collects uncaught exceptions of all threads and Qt's own messages.

    Parameters
    ----------
    logs : folder of `LOG_FILE`; above a megabyte it is rotated, and `KEPT_LOGS` old ones are kept
    """

    crashed = Signal(str)

    def __init__(self, logs: Path) -> None:
        super().__init__()
        self._file = logs / LOG_FILE
        self._messages: deque[str] = deque(maxlen=_MAX_MESSAGES)
        self._reports: deque[str] = deque(maxlen=3)
        self._lock = threading.Lock()
        self._undo: list[Callable[[], object]] = []

    def install(self) -> None:
        """Install the hooks for the main thread, worker threads and Qt."""
        main, thread = sys.excepthook, threading.excepthook
        sys.excepthook = self._on_main
        threading.excepthook = self._on_thread
        before = qInstallMessageHandler(self._on_qt)
        self._undo = [
            lambda: setattr(sys, "excepthook", main),
            lambda: setattr(threading, "excepthook", thread),
            lambda: qInstallMessageHandler(before),
        ]

    def uninstall(self) -> None:
        """Restore the previous hooks."""
        for undo in self._undo:
            undo()
        self._undo = []

    def report(self) -> str:
        """The report for the developers: machine, the last errors, Qt's last messages."""
        with self._lock:
            parts = [machine_lines(), *self._reports, "\n".join(self._messages)]
        return "\n\n".join(part for part in parts if part)

    def note(self, error: BaseException) -> None:
        """Record an error and emit `crashed`."""
        report = report_for(error)
        with self._lock:
            self._reports.append(report)
        self._write(report)
        self.crashed.emit(report)

    def _on_main(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.note(error)

    def _on_thread(self, hook: threading.ExceptHookArgs) -> None:
        if hook.exc_value is not None and hook.exc_type is not SystemExit:
            self.note(hook.exc_value)

    def _on_qt(self, kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
        line = f"{kind.name}: {without_folders(message)}"
        with self._lock:
            self._messages.append(line)
        if kind in _GRAVE:
            self._write(line)
        if sys.stderr is not None and kind is not QtMsgType.QtDebugMsg:
            sys.stderr.write(f"{message}\n")

    def _write(self, text: str) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if self._file.exists() and self._file.stat().st_size > MAX_LOG_BYTES:
                _put_aside(self._file)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n\n")
        except OSError:
            return  # an error that cannot be logged is still shown


def _put_aside(file: Path) -> None:
    """Rename ``problems.log`` to ``problems.1.log``, that to ``problems.2.log``, and so on."""
    numbered = [file.with_suffix(f".{n}.log") for n in range(1, KEPT_LOGS + 1)]
    for older, newer in zip(reversed(numbered), reversed([file, *numbered[:-1]]), strict=True):
        if newer.exists():
            newer.replace(older)


def sentence_for(error: BaseException) -> str:
    """One sentence in the user's language: what happened, why, what to do."""
    return translate(message_for(error))


def message_for(error: BaseException) -> Text:
    """The same as a `Text`, which can be kept and shown in another language later."""
    if isinstance(error, UserError):
        return error.text
    if is_out_of_memory(error):
        return Text("Not enough memory: close other programs, or convert a shorter file.")
    details = without_folders(str(error)).partition("\n")[0][:_LONGEST_DETAILS]
    return Text(
        "An internal error occurred ({error}): try again; if it happens again, send the report.",
        error=": ".join(filter(None, (type(error).__name__, details))),
    )


def report_for(error: BaseException) -> str:
    """A report for the developers: versions and traceback, without the user's folders."""
    lines = traceback.format_exception(error)
    return without_folders(f"{machine_lines()}\n\n{''.join(lines)}")


def machine_lines() -> str:
    """Program, Python and system, one a line."""
    return "\n".join(
        (
            "Ultimate RVC " + app_version(),
            f"Python {platform.python_version()}",
            f"PySide6 {_version_of('PySide6-Essentials')}, torch {_version_of('torch')}",
            f"{platform.platform()} ({platform.machine()})",
        )
    )


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(from source)"
