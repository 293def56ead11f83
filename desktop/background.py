"""Background work: tasks with progress, cancel and one outcome; and items done one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from desktop.problems import sentence_for
from engine.errors import ConversionCancelled
from engine.progress import CancelToken

Amount = float | None
Listener = Callable[[Amount, Amount], None]
"""Receives the amount done and the total (None: unknown)."""

Work = Callable[[CancelToken, Listener], Any]

Item = TypeVar("Item")

_TELL_EVERY_S = 0.05


@dataclass(frozen=True)
class Outcome:
    """How the work ended.

    Attributes
    ----------
    state : exactly one
    value : what the work returned, if it finished
    sentence : why it failed
    """

    state: Literal["finished", "failed", "cancelled"]
    value: Any = None
    sentence: str = ""


class BackgroundTask(QObject):
    """Runs work on a thread, one at a time.

    Signals
    -------
    progressed : (done, total)  at most 20 times a second
    ended : (Outcome)
    """

    progressed = Signal(object, object)
    ended = Signal(object)
    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None
        self._cancel = CancelToken()
        self._told_at_s = 0.0
        self._done.connect(self._finish)

    @property
    def is_running(self) -> bool:
        """Whether the outcome has not been emitted yet."""
        return self._thread is not None

    @property
    def is_alive(self) -> bool:
        """Whether its thread is still at work, e.g. after `close`."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Work) -> bool:
        """Start; False if something is running already."""
        if self._thread is not None:
            return False
        self._cancel = CancelToken()
        self._thread = threading.Thread(
            target=self._run, args=(work, self._cancel), name="background", daemon=True
        )
        self._thread.start()
        return True

    @Slot()
    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._cancel.cancel()

    def close(self, timeout_s: float = 5.0) -> None:
        """Cancel, and wait for the thread, before the app quits."""
        self._cancel.cancel()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, work: Work, cancel: CancelToken) -> None:
        try:
            outcome = Outcome("finished", work(cancel, self._tell))
        except ConversionCancelled:
            outcome = Outcome("cancelled")
        except Exception as error:  # noqa: BLE001 - the window must learn every outcome
            outcome = Outcome("failed", sentence=sentence_for(error))
        self._done.emit(outcome)

    def _tell(self, done: Amount, total: Amount) -> None:
        now_s = time.monotonic()
        if now_s - self._told_at_s >= _TELL_EVERY_S or done == total:
            self._told_at_s = now_s
            self.progressed.emit(done, total)

    @Slot(object)
    def _finish(self, outcome: Outcome) -> None:
        self._thread = None
        self.ended.emit(outcome)


class ItemThread(Generic[Item]):
    """Does something with items, one after the other; its thread ends when none is left.

    Parameters
    ----------
    work : is called on the thread; it can be stopped by raising `ConversionCancelled`
    name : of the thread

    Attributes
    ----------
    cancel : is set by `close`
    """

    def __init__(self, work: Callable[[Item], None], name: str) -> None:
        self.cancel = CancelToken()
        self._work = work
        self._name = name
        self._items: list[Item] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, items: Iterable[Item]) -> None:
        """Do these as well."""
        with self._lock:
            self._items += items
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop before the app quits; waits a second for the item that is being worked on."""
        self.cancel.cancel()
        thread = self._thread
        if thread is not None:
            thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._items or self.cancel.cancelled:
                    self._thread = None
                    return
                item = self._items.pop(0)
            with suppress(ConversionCancelled):
                self._work(item)
