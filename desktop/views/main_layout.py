"""Where things stand in the main window."""

from __future__ import annotations

from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.jobs.cell_text import clock
from desktop.jobs.draft import Draft
from desktop.jobs.job import JobProgress, JobState
from desktop.jobs.queue import JobQueue
from desktop.jobs.voice_list import VoiceList
from desktop.views.detail_panel import DetailPanel
from desktop.views.drop_area import EmptyPage
from desktop.views.notice_bar import NoticeBar
from desktop.views.queue_view import QueueView
from desktop.views.voice_panel import WIDTH, VoicePanel


class _Line(QWidget):
    """A hairline between two areas."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Whatever the theme."""
        QPainter(self).fillRect(self.rect(), style.hairline(self.palette()))


class MainLayout(QWidget):
    """Side panel | notice, queue or invitation, details, status."""

    def __init__(self, queue: JobQueue, draft: Draft, voices: VoiceList) -> None:
        super().__init__()
        self._queue = queue
        self.voice_panel = VoicePanel(draft, voices)
        self.notice = NoticeBar()
        self.empty = EmptyPage()
        self.queue_view = QueueView(queue)
        self.detail = DetailPanel()
        self._panels = QVBoxLayout()
        self._panels.setContentsMargins(0, 0, 0, 0)
        self._status = QLabel()
        self._status.setFont(style.figures_font(style.small_font(self)))
        self._status.setContentsMargins(style.MARGIN, 5, style.MARGIN, 6)
        self._status_base = ""
        work = QWidget()
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.queue_view, 1)
        column.addWidget(_Line())
        column.addWidget(self.detail)
        column.addLayout(self._panels)
        column.addWidget(_Line())
        column.addWidget(self._status)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(work)
        self.pages.setAutoFillBackground(True)
        self.pages.setBackgroundRole(QPalette.ColorRole.Base)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.notice)
        right.addWidget(self.pages, 1)
        side = QScrollArea()
        side.setWidget(self.voice_panel)
        side.setWidgetResizable(True)
        side.setFixedWidth(WIDTH)
        side.setFrameShape(QScrollArea.Shape.NoFrame)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(side)
        row.addLayout(right, 1)

    def add_panel(self, panel: QWidget) -> None:
        """A further area under the details."""
        self._panels.addWidget(_Line())
        self._panels.addWidget(panel)

    def refresh(self) -> None:
        """Show the invitation while there is nothing else, and what there is in a line."""
        empty = self._queue.rowCount() == 0
        self.pages.setCurrentIndex(0 if empty else 1)
        counts = (
            (self.tr("{count} converting"), self._queue.count(JobState.RUNNING)),
            (self.tr("{count} waiting"), self._queue.count(JobState.WAITING)),
            (self.tr("{count} not finished"), self._queue.count(JobState.INTERRUPTED)),
            (self.tr("{count} finished"), self._queue.count(JobState.FINISHED)),
            (self.tr("{count} failed"), self._queue.count(JobState.FAILED)),
            (self.tr("{count} cancelled"), self._queue.count(JobState.CANCELLED)),
        )
        self._status_base = "  ·  ".join(text.format(count=n) for text, n in counts if n)
        self._status.setText(self._status_base)

    def show_progress(self, progress: JobProgress) -> None:
        """The remaining time of the running job."""
        if progress.remaining_s is not None:
            alone = not self._queue.count(JobState.WAITING)
            text = self.tr("{time} left") if alone else self.tr("{time} left for this file")
            left = text.format(time=clock(progress.remaining_s + 0.5))
            self._status.setText(f"{self._status_base}  ·  {left}")
