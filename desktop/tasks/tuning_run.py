"""The measurement of this machine, which goes on whatever becomes of the windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import QObject, Signal, Slot

from desktop.settings import Settings
from desktop.tasks.background import BackgroundTask, Outcome, Work
from desktop.tasks.tuning import TuningWork, use_tuned
from engine.measure.tuning import Tuning, TuningProgress


class TuningRun(QObject):
    """Starts it, stops it, and lets what was found be used.

    Attributes
    ----------
    make_work : what tunes; another in tests
    last : how the last one ended; ``busy``: it was not begun because of a conversion
    failure : the sentence, if it failed

    Parameters
    ----------
    is_busy : whether a conversion runs or waits: then nothing can be measured

    Signals
    -------
    changed : one began, ended, or was not begun
    tuned : what was found is kept and used
    """

    changed = Signal()
    tuned = Signal()

    def __init__(
        self,
        settings: Settings,
        is_busy: Callable[[], bool] = lambda: False,
        make_work: Callable[[], Work] = TuningWork,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._is_busy = is_busy
        self.make_work = make_work
        self.last: Literal["", "busy", "gave way", "cancelled", "failed", "finished"] = ""
        self.failure = ""
        self._gives_way = False
        self._work: Work | None = None
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        """Whether something is being measured."""
        return self._task.is_running

    @property
    def progress(self) -> TuningProgress | None:
        """What is being measured now; None: nothing, or it does not say."""
        progress = getattr(self._work, "progress", None)
        return progress if isinstance(progress, TuningProgress) else None

    @Slot()
    def start(self) -> None:
        """Begin, unless a conversion runs or waits, or it runs already."""
        if self._task.is_running:
            return
        if self._is_busy():
            self.last = "busy"
        else:
            self.last = ""
            self._gives_way = False
            self._work = self.make_work()
            self._task.start(self._work)
        self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """Stop, at the user's wish."""
        self._task.cancel()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """A conversion begins: what is measured beside it would be wrong."""
        if busy and self._task.is_running:
            self._gives_way = True
            self._task.cancel()

    def close(self) -> None:
        """Stop before the app quits."""
        self._task.close()

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        self._work = None
        gave_way = outcome.state == "cancelled" and self._gives_way
        self.last = "gave way" if gave_way else outcome.state
        self.failure = outcome.sentence
        found = isinstance(outcome.value, Tuning)
        if found:
            use_tuned(self._settings)
        self.changed.emit()
        if found:
            self.tuned.emit()
