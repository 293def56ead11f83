"""The areas of the main window: side panel, notices, queue, details of one job, status."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.notices import NoticeBar
from desktop.queue.drop_window import EmptyPage
from desktop.queue.job import JobProgress, JobState
from desktop.queue.job_details import DetailPanel
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_text import clock
from desktop.queue.queue_view import QueueView
from desktop.settings.store import Settings
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from desktop.voices.voice_panel import WIDTH, VoicePanel
from desktop.widgets import ElidedLabel


class _Side(QScrollArea):
    """The scrolled side panel; grows by its scroll bar, which would cover the controls."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__()
        self._panel = panel
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its controls scroll into view by themselves
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setFixedWidth(WIDTH)
        self.setWidget(panel)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep room for the whole panel beside the scroll bar."""
        super().resizeEvent(event)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the panel where a section of it opens."""
        if watched is self._panel and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        needed = max(WIDTH, self._panel.minimumSizeHint().width())
        self.setFixedWidth(needed + self.width() - self.viewport().width())


class _SideColumn(QWidget):
    """The side panel, and below it what stays in sight while it is scrolled."""

    def __init__(self, side: _Side, *buttons: QPushButton) -> None:
        super().__init__()
        self._foot = foot = QVBoxLayout()
        foot.setContentsMargins(style.MARGIN, 10, style.MARGIN, 12)
        foot.setSpacing(8)
        for button in buttons:
            foot.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(side)
        column.addLayout(foot)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The ground of the side panel, with hairlines to the right of it and above the foot."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.sidebar(self.palette()))
        line = style.hairline(self.palette())
        painter.fillRect(self.rect().adjusted(self.width() - 1, 0, 0, 0), line)
        painter.fillRect(0, self._foot.geometry().top(), self.width(), 1, line)


class _Line(QWidget):
    """A hairline between two areas."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the line."""
        QPainter(self).fillRect(self.rect(), style.hairline(self.palette()))


class _Work(QWidget):
    """Queue, details and panels; in a low window the timings give way to the queue."""

    def __init__(self, detail: DetailPanel) -> None:
        super().__init__()
        self._detail = detail

    def event(self, event: QEvent) -> bool:
        """Follow the window, and what is opened in it."""
        done = super().event(event)
        layout = self.layout()
        if layout is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            wanted = layout.sizeHint().height() + self._detail.spared
            self._detail.set_low(low=wanted > self.height())
        return done


class MainLayout(QWidget):
    """Side panel | notice, queue or invitation, details, status."""

    def __init__(
        self, queue: JobQueue, draft: Draft, voices: VoiceList, settings: Settings
    ) -> None:
        super().__init__()
        self._queue = queue
        self.voice_panel = VoicePanel(draft, voices, settings)
        self.audition = QPushButton(self.tr("Audition"))
        self.audition.setCheckable(True)
        self.audition.setToolTip(
            self.tr(
                "Hear ten seconds of the selected file with these settings; drag in a waveform "
                "for another part"
            )
        )
        self.convert = QPushButton(self.tr("Convert with These Settings"))
        self.convert.setToolTip(self.tr("Another take of the selected files; the others stay"))
        for button in (self.audition, self.convert):  # Space still plays after a click, as on Macs
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.notice = NoticeBar()
        self.empty = EmptyPage()
        self.queue_view = QueueView(queue)
        self.detail = DetailPanel(settings)
        self._panels = QVBoxLayout()
        self._panels.setContentsMargins(0, 0, 0, 0)
        self._counts, self._time_left = ElidedLabel(), style.PlainLabel()
        status = QHBoxLayout()
        status.setContentsMargins(style.MARGIN, 5, style.MARGIN, 6)
        status.setSpacing(style.MARGIN)
        for label, stretch in ((self._counts, 1), (self._time_left, 0)):
            label.setFont(style.figures_font(style.small_font(self)))
            status.addWidget(label, stretch)
        work = _Work(self.detail)
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.queue_view, 1)
        column.addWidget(_Line())
        column.addWidget(self.detail)
        column.addLayout(self._panels)
        column.addWidget(_Line())
        column.addLayout(status)
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
        side = _SideColumn(_Side(self.voice_panel), self.audition, self.convert)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(side)
        row.addLayout(right, 1)

    def add_panel(self, panel: QWidget) -> None:
        """Add an area below the details."""
        self._panels.addWidget(_Line())
        self._panels.addWidget(panel)

    def refresh(self) -> None:
        """Show the empty page or the queue, and the counts in the status line."""
        empty = self._queue.rowCount() == 0
        appears = not empty and self.pages.currentIndex() == 0
        self.pages.setCurrentIndex(0 if empty else 1)
        if appears:
            self.queue_view.setFocus()  # so that Space plays what was dropped
        counts = (
            (self.tr("{count} converting"), self._queue.count(JobState.RUNNING)),
            (self.tr("{count} waiting"), self._queue.count(JobState.WAITING)),
            (
                self.tr("{count} waiting for a download"),
                self._queue.count(JobState.NEEDS_NETWORKS),
            ),
            (self.tr("{count} not finished"), self._queue.count(JobState.INTERRUPTED)),
            (self.tr("{count} finished"), self._queue.count(JobState.FINISHED)),
            (self.tr("{count} failed"), self._queue.count(JobState.FAILED)),
            (self.tr("{count} cancelled"), self._queue.count(JobState.CANCELLED)),
        )
        self._counts.set_text("  ·  ".join(text.format(count=n) for text, n in counts if n))
        running = self._queue.running()
        if running is None or self._queue.is_stopping(running.id):
            self._time_left.clear()

    def show_progress(self, progress: JobProgress) -> None:
        """The remaining time of all jobs; of the running one while the others' is unknown."""
        left_s = progress.remaining_s
        if left_s is None or self._queue.is_stopping(progress.job_id):
            self._time_left.clear()
            return
        alone = not self._queue.count(JobState.WAITING)
        in_all_s = None if alone else self._queue.time_left_s()
        if alone:
            text = self.tr("{time} left")
        elif in_all_s is None:
            text = self.tr("{time} left for this file")
        else:
            text, left_s = self.tr("About {time} left for all files"), in_all_s
        self._time_left.setText(text.format(time=clock(left_s + 0.5)))

    @property
    def status(self) -> tuple[str, str]:
        """The status line: how many jobs are in which state, and the time that is left."""
        return self._counts.text(), self._time_left.text()
