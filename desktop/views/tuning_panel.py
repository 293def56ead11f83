"""“Tune for This Mac”: starts the measurement, shows how far it is, and what it was made on."""

from __future__ import annotations

import sys

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop.tasks.tuning_run import TuningRun
from desktop.views.gain_text import progress_text, tuned_text
from desktop.views.setting_row import caption
from engine.measure.tuning import TuningRecord

_LOOK_EVERY_MS = 500


class TuningPanel(QWidget):
    """A button, a line of text, and while it runs a bar.

    Parameters
    ----------
    run : the measurement; it may be running already
    """

    def __init__(self, run: TuningRun, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = run
        run.changed.connect(self.show_state)
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._show_progress)
        mac = sys.platform == "darwin"
        self.button = QPushButton(
            self.tr("Tune for This Mac") if mac else self.tr("Tune for This Computer")
        )
        self.button.clicked.connect(run.start)
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(run.cancel)
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

    @Slot()
    def show_state(self) -> None:
        """Show what is kept, or how far the measurement is."""
        running = self._run.is_running
        self.button.setVisible(not running)
        self.cancel_button.setVisible(running)
        self.bar.setVisible(running)
        if running:
            self._look.start()
            self._show_progress()
        else:
            self._look.stop()
            self.status.setText(" ".join(part for part in (self._said(), self._kept()) if part))

    def _said(self) -> str:
        """What came of the last one, where that is not plain from the figures."""
        return {
            "busy": self.tr(
                "A conversion runs or waits: it would spoil the figures. Tune when the queue is "
                "done."
            ),
            "gave way": self.tr("Stopped, because a conversion began; nothing was changed."),
            "cancelled": self.tr("Cancelled; nothing was changed."),
            "failed": self._run.failure,
        }.get(self._run.last, "")

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
        progress = self._run.progress
        if progress is not None:
            self.bar.setValue(round(progress.fraction * 1000))
            self.status.setText(progress_text(progress))
