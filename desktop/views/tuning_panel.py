"""“Tune for This Mac”: starts the measurement, shows how far it is, and what it was made on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop.tasks.background import BackgroundTask, Outcome, Work
from desktop.tasks.tuning import TuningWork
from desktop.views.gain_text import progress_text, tuned_text
from desktop.views.setting_row import caption
from engine.tuning import Tuning, TuningProgress, TuningRecord

_LOOK_EVERY_MS = 500


class TuningPanel(QWidget):
    """A button, a line of text, and while it runs a bar.

    Signals
    -------
    tuned : a tuning was saved

    Parameters
    ----------
    is_busy : whether a conversion runs or waits: then nothing can be measured
    make_work : what tunes; another in tests
    """

    tuned = Signal()

    def __init__(
        self,
        is_busy: Callable[[], bool],
        voices_dir: Path | None = None,
        make_work: Callable[[], Work] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._is_busy = is_busy
        self._make_work = make_work or (lambda: TuningWork(voices_dir))
        self._work: Work | None = None
        self._said = ""
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._show_progress)
        mac = sys.platform == "darwin"
        self.button = QPushButton(
            self.tr("Tune for This Mac") if mac else self.tr("Tune for This Computer")
        )
        self.button.clicked.connect(self.start)
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(self._task.cancel)
        self.bar = QProgressBar(maximum=1000, textVisible=False)
        self.bar.setAccessibleName(self.tr("Progress of the measurement"))
        self.status = caption("")
        self.buttons = QHBoxLayout()
        for widget in (self.button, self.cancel_button):
            self.buttons.addWidget(widget)
        self.buttons.addWidget(self.bar, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self.buttons)
        column.addWidget(self.status)
        self.show_state()

    @property
    def is_running(self) -> bool:
        """Whether something is being measured."""
        return self._task.is_running

    @Slot()
    def start(self) -> None:
        """Begin, unless a conversion runs or waits."""
        if self._is_busy():
            self._said = self.tr(
                "A conversion runs or waits: it would spoil the figures. Tune when the queue is "
                "done."
            )
            self.show_state()
            return
        self._said = ""
        self._work = self._make_work()
        self._task.start(self._work)
        self._look.start()
        self.show_state()
        self._show_progress()

    def give_way(self) -> None:
        """A conversion begins: what is measured beside it would be wrong."""
        if self._task.is_running:
            self._said = self.tr("Stopped, because a conversion began; nothing was changed.")
            self._task.cancel()

    def close_tasks(self) -> None:
        """Stop before the app quits."""
        self._task.close()

    def show_state(self) -> None:
        """Show what is kept, or how far the measurement is."""
        running = self._task.is_running
        self.button.setVisible(not running)
        self.cancel_button.setVisible(running)
        self.bar.setVisible(running)
        if not running:
            kept = self._kept()
            self.status.setText(" ".join(part for part in (self._said, kept) if part))

    def _kept(self) -> str:
        record = TuningRecord()
        latest = record.latest()
        if latest is None:
            return self.tr(
                "Nothing was measured here yet: in force is what usually pays. Tuning takes some "
                "minutes and can be cancelled."
            )
        device, tuning = latest
        changed = record.stale(device)
        if changed is None:
            return tuned_text(tuning)
        return self.tr(
            "Out of date: measured before this machine had {change}, so it is not used any more. "
            "Tune again."
        ).format(change=changed)

    @Slot()
    def _show_progress(self) -> None:
        progress = getattr(self._work, "progress", None)
        if isinstance(progress, TuningProgress) and self._task.is_running:
            self.bar.setValue(round(progress.fraction * 1000))
            self.status.setText(progress_text(progress))

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        self._look.stop()
        self._work = None
        if outcome.state == "failed":
            self._said = outcome.sentence
        elif outcome.state == "cancelled":
            self._said = self._said or self.tr("Cancelled; nothing was changed.")
        self.show_state()
        if isinstance(outcome.value, Tuning):
            self.tuned.emit()
