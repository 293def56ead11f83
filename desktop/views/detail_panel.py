"""The selected job below the queue: its timings while it runs and after, or why it failed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.engine_words import spoken
from desktop.jobs.cell_text import device_name, memory, speed, timings_text
from desktop.jobs.job import Job, JobProgress, JobState
from desktop.views.elided_label import ElidedLabel
from desktop.views.timing_view import TimingView


class DetailPanel(QWidget):
    """Shows one job; its height never changes."""

    def __init__(self) -> None:
        super().__init__()
        self._job: Job | None = None
        self._title = ElidedLabel()
        self._title.setFont(style.heading_font(self._title))
        self._summary = QLabel()
        self._summary.setFont(style.figures_font(style.small_font(self)))
        self._summary.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._copy = QPushButton(self.tr("Copy as Text"))
        self._copy.clicked.connect(self.copy)
        self._copy.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._title, 1)
        head.addWidget(self._summary)
        head.addWidget(self._copy)
        self._timings = TimingView()
        self._failure = QLabel()
        self._failure.setWordWrap(True)
        self._failure.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._failure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._timings)
        self._pages.addWidget(self._failure)
        self._pages.setFixedHeight(self._timings.height())
        column = QVBoxLayout(self)
        column.setContentsMargins(style.MARGIN, 10, style.MARGIN, 12)
        column.setSpacing(10)
        column.addLayout(head)
        column.addWidget(self._pages)
        self.show_job(None, None)

    @property
    def timings(self) -> TimingView:
        """The chart."""
        return self._timings

    @property
    def failure(self) -> str:
        """The sentence shown, if the job failed."""
        return self._failure.text() if self._pages.currentWidget() is self._failure else ""

    def show_count(self, count: int) -> None:
        """Say how many are selected, where it is not one."""
        self.show_job(None, None)
        if count:
            self._title.set_text(self.tr("{count} files selected").format(count=count))

    def show_job(self, job: Job | None, progress: JobProgress | None) -> None:
        """Show a job as it is now; None shows an empty chart."""
        self._job = job
        self._title.set_text(job.title if job else self.tr("No file selected"))
        self._copy.setEnabled(job is not None and bool(job.stages or job.report))
        failed = job is not None and job.state is JobState.FAILED
        self._copy.setText(self.tr("Copy Report") if failed else self.tr("Copy as Text"))
        self._pages.setCurrentWidget(self._failure if failed else self._timings)
        self._summary.setText("")
        if job is None:
            self._timings.show_stages((), 0.0, 0.0)
        elif failed:
            self._failure.setText(spoken(job.message))
        elif progress is not None:
            self.show_progress(progress)
        else:
            done = 1.0 if job.state is JobState.FINISHED else 0.0
            self._timings.show_stages(job.stages, done, job.source_s)
            self._summary.setText(_summary(job.realtime, job.device, job.memory_bytes))

    def show_progress(self, progress: JobProgress) -> None:
        """Show how far the running job is."""
        self._summary.setText(_summary(progress.realtime, progress.device, progress.memory_bytes))
        sound_s = (progress.realtime or 0.0) * progress.elapsed_s
        self._timings.show_stages(progress.stages, progress.fraction, sound_s, progress.stage)

    def copy(self) -> None:
        """Put timings, or the report of a failure, into the clipboard."""
        if self._job is not None:
            failed = self._job.state is JobState.FAILED
            text = f"{self._job.message}\n\n{self._job.report}" if failed else ""
            QGuiApplication.clipboard().setText(text or timings_text(self._job))


def _summary(realtime: float | None, device: str, held_bytes: int) -> str:
    parts = [speed(realtime)] if realtime else []
    parts += [device_name(device)] if device else []
    parts += [memory(held_bytes)] if held_bytes else []
    return "  ·  ".join(parts)
