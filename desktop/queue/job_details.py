"""The selected job below the queue: its timings and remarks, why it failed, or what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QGuiApplication, QPainter, QPainterPath, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.queue.job import Job, JobProgress, JobState, StageTime
from desktop.queue.job_text import (
    device_name,
    memory,
    milliseconds,
    note_sentences,
    place_text,
    speed,
    stage_name,
    timings_text,
)
from desktop.queue.needs_panel import NeedsPanel
from desktop.queue.queue_cell import paint_mark
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.translation import translate
from desktop.widgets import ElidedLabel
from engine.stages import CONVERSION_STAGES, STAGES, stage_of

_BAR_HEIGHT = 14
_LINE_HEIGHT = 21
_COLUMNS = 2
_COLUMN_GAP = 20
_DOT = 8
_MARK_POINTS = 14
_MOST_NOTE_LINES = 5
_FOLD = 20
_TIMINGS = "details.timings"
"""Remembered: whether the timings are shown."""


class TimingView(QWidget):
    """Every stage has a fixed place, so that nothing moves while numbers change."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = CONVERSION_STAGES
        self._stages: dict[str, StageTime] = {}
        self._running: str | None = None
        self._fraction = 0.0
        self._source_s = 0.0
        self._low = False
        self._places = ""
        self.setAccessibleName(self.tr("Stage timings"))
        self.show_rows_of(None)

    def show_rows_of(self, job: Job | None) -> None:
        """Make room for the stages of a job; songs have more of them."""
        whole = job is not None and job.cover is not None
        self._rows = STAGES if whole else CONVERSION_STAGES
        self._fit()

    def set_low(self, *, low: bool) -> None:
        """Show the bar only; the tool tip has the rest."""
        self._low = low
        self._fit()
        self._show_tip()

    @property
    def full_height(self) -> int:
        """Height with the lines of the stages."""
        return _BAR_HEIGHT + 10 + _LINE_HEIGHT * self._lines

    def _fit(self) -> None:
        self.setFixedHeight(_BAR_HEIGHT if self._low else self.full_height)
        self.update()

    def _show_tip(self) -> None:
        times = self.accessibleDescription().replace(", ", "\n") if self._low else ""
        self.setToolTip("\n\n".join(filter(None, (times, self._places))))

    @property
    def _lines(self) -> int:
        return -(-len(self._rows) // _COLUMNS)

    def show_stages(
        self,
        stages: tuple[StageTime, ...],
        fraction: float,
        source_s: float,
        running: str | None = None,
    ) -> None:
        """Show stages.

        Parameters
        ----------
        fraction : filled part of the bar, 0..1
        source_s : seconds of audio converted, for × realtime; 0 if unknown
        running : the running stage
        """
        self._stages = {each.stage: each for each in stages}
        self._fraction = fraction
        self._source_s = source_s
        self._running = running
        lines = (f"{stage_name(s.stage)} {milliseconds(s.seconds)}" for s in stages)
        self.setAccessibleDescription(", ".join(lines))
        self._places = "\n".join(f"{stage_name(s.stage)}: {place_text(s)}" for s in stages)
        self._show_tip()
        self.update()

    def bar_widths(self) -> dict[str, float]:
        """Part of the bar, 0..1, of each stage."""
        total = sum(each.seconds for each in self._stages.values())
        if total <= 0:
            return {}
        ordered = [each.name for each in STAGES if each.name in self._stages]
        return {name: self._fraction * self._stages[name].seconds / total for name in ordered}

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for two columns."""
        return QSize(520, self.height())

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Bar, then lines where there is room."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_bar(painter, QRectF(0, 0, self.width(), _BAR_HEIGHT))
        if self._low:
            return
        wide = (self.width() - _COLUMN_GAP * (_COLUMNS - 1)) / _COLUMNS
        painter.setFont(style.figures_font(style.small_font(self)))
        for place, stage in enumerate(each.name for each in self._rows):
            column, row = divmod(place, self._lines)
            left = column * (wide + _COLUMN_GAP)
            top = _BAR_HEIGHT + 10 + row * _LINE_HEIGHT
            self._paint_line(painter, stage, QRectF(left, top, wide, _LINE_HEIGHT))

    def _paint_bar(self, painter: QPainter, place: QRectF) -> None:
        outline = QPainterPath()
        outline.addRoundedRect(place, style.SMALL_RADIUS, style.SMALL_RADIUS)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(place, style.track(self.palette()))
        left = place.left()
        for stage, share in self.bar_widths().items():
            width = share * place.width()
            part = QRectF(left, place.top(), max(width - 1, 0.5), place.height())
            painter.fillRect(part, style.stage_colour(stage, self.palette()))
            left += width
        painter.restore()

    def _paint_line(self, painter: QPainter, stage: str, place: QRectF) -> None:
        palette = self.palette()
        found = self._stages.get(stage)
        colour = style.stage_colour(stage, palette) if found else style.track(palette)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        middle = place.center().y()
        painter.drawEllipse(QPointF(place.left() + _DOT / 2, middle), _DOT / 2, _DOT / 2)
        normal = palette.color(QPalette.ColorRole.Text)
        quiet = style.secondary_text(palette)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bold = painter.font()
        bold.setBold(stage == self._running)
        painter.setFont(bold)
        painter.setPen(normal if found else quiet)
        painter.drawText(place.adjusted(_DOT + 8, 0, 0, 0), left, stage_name(stage))
        bold.setBold(False)
        painter.setFont(bold)
        if found is None:
            return
        device_width, memory_width, speed_width = 40.0, 58.0, 54.0
        beside = device_width + memory_width
        place_ms = place.adjusted(0, 0, -(beside + speed_width), 0)
        painter.drawText(place_ms, right, milliseconds(found.seconds))
        painter.setPen(quiet)
        row = stage_of(stage)
        counts = row is not None and row.counted and self._source_s and found.seconds > 0
        own = speed(self._source_s / found.seconds) if counts else ""
        painter.drawText(place.adjusted(0, 0, -beside, 0), right, own)
        held = memory(found.memory_bytes) if found.memory_bytes else ""
        painter.drawText(place.adjusted(0, 0, -device_width, 0), right, held)
        painter.drawText(place, right, device_name(found.device))


class NotesView(QWidget):
    """The remarks on a finished job, one a line; hidden if there are none."""

    def __init__(self) -> None:
        super().__init__()
        self._label = style.PlainLabel()
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self)
        row.setContentsMargins(_MARK_POINTS + 8, 0, 0, 0)
        row.addWidget(self._label)
        self.setMaximumHeight(_MOST_NOTE_LINES * self._label.fontMetrics().lineSpacing())
        self.hide()

    @property
    def text(self) -> str:
        """What is shown."""
        return self._label.text()

    def show_notes(self, sentences: Sequence[str]) -> None:
        """Show these."""
        text = "\n".join(sentences)
        self._label.setText(text)
        self._label.setToolTip(style.plain_tip(text))
        self._label.setAccessibleName(text)
        self.setVisible(bool(text))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the mark that the row has."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top = (self._label.fontMetrics().lineSpacing() - _MARK_POINTS) / 2
        box = QRectF(0, self._label.y() + top, _MARK_POINTS, _MARK_POINTS)
        paint_mark(painter, box, style.caution(self.palette()))


class DetailPanel(QWidget):
    """Shows one job; its height only depends on the remarks on a finished job, and on the window.

    The timings can be folded away, and are a bar without lines in a low window; why a job failed
    or what it lacks is always shown.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._job: Job | None = None
        self.fold = SectionButton("", settings, _TIMINGS, opened=True)
        self.fold.setAccessibleName(self.tr("Timings"))
        self.fold.setFixedSize(_FOLD, _FOLD)
        self.fold.setToolTip(self.tr("Show or hide the timings"))
        self.fold.toggled.connect(self._show_page)
        self._title = ElidedLabel()
        self._title.setFont(style.heading_font(self._title))
        self._summary = style.PlainLabel()
        self._summary.setFont(style.figures_font(style.small_font(self)))
        self._summary.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._copy = QPushButton(self.tr("Copy Timings"))
        self._copy.clicked.connect(self.copy)
        self._copy.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.fold)
        head.addWidget(self._title, 1)
        head.addWidget(self._summary)
        head.addWidget(self._copy)
        self._timings = TimingView()
        self._failure = style.PlainLabel()
        self._failure.setWordWrap(True)
        self._failure.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._failure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._timings)
        self._pages.addWidget(self._failure)
        self.needs = NeedsPanel()
        self._pages.addWidget(self.needs)
        column = QVBoxLayout(self)
        column.setContentsMargins(style.MARGIN, 10, style.MARGIN, 12)
        column.setSpacing(10)
        self._notes = NotesView()
        column.addLayout(head)
        column.addWidget(self._notes)
        column.addWidget(self._pages)
        self.show_job(None, None)

    @property
    def timings(self) -> TimingView:
        """The chart."""
        return self._timings

    @property
    def failure(self) -> str:
        """The shown error, if the job failed."""
        return self._failure.text() if self._pages.currentWidget() is self._failure else ""

    @property
    def job(self) -> Job | None:
        """The shown job."""
        return self._job

    @property
    def notes(self) -> str:
        """The remarks on the shown job, one a line."""
        return self._notes.text

    def show_count(self, count: int) -> None:
        """Show how many jobs are selected."""
        self.show_job(None, None)
        if count:
            self._title.set_text(self.tr("{count} files selected").format(count=count))

    def show_job(
        self,
        job: Job | None,
        progress: JobProgress | None,
        download: float | None = None,
        *,
        of: int = 1,
    ) -> None:
        """Show a job; None shows an empty chart.

        Parameters
        ----------
        download : 0..1 of the networks that it waits for; None if they are not downloaded now
        of : how many jobs are selected
        """
        self._job = job
        self._notes.show_notes(note_sentences(job) if job else ())
        several = self.tr("{count} files selected – {name}")
        title = job.title if job else self.tr("No file selected")
        if job is not None and job.output is not None and of == 1:
            title = f"{title} → {job.output.name}"
        self._title.set_text(several.format(count=of, name=title) if of > 1 else title)
        self._copy.setEnabled(job is not None and bool(job.stages or job.report))
        failed = job is not None and job.state is JobState.FAILED
        self._copy.setText(self.tr("Copy Report") if failed else self.tr("Copy Timings"))
        lacking = job is not None and job.state is JobState.NEEDS_NETWORKS
        page = self._failure if failed else self.needs if lacking else self._timings
        self._pages.setCurrentWidget(page)
        self._timings.show_rows_of(job)
        self._show_page()
        self._summary.setText("")
        if job is None:
            self._timings.show_stages((), 0.0, 0.0)
        elif failed:
            self._failure.setText(translate(job.message or ""))
        elif lacking:
            self.needs.show_job(job, download)
        elif progress is not None:
            self.show_progress(progress)
        else:
            self._timings.show_stages(job.stages, job.fraction, job.source_s * job.fraction)
            self._summary.setText(_summary(job.realtime, job.device, job.memory_bytes))

    @property
    def spared(self) -> int:
        """How much lower it is now than with all timings."""
        return 0 if self._pages.isHidden() else self._timings.full_height - self._pages.height()

    def set_low(self, *, low: bool) -> None:
        """Show of the timings the bar only, or all."""
        self._timings.set_low(low=low)
        self._show_page()

    @Slot()
    def _show_page(self) -> None:
        timings = self._pages.currentWidget() is self._timings
        full, here = self._timings.full_height, self._timings.height()
        self._pages.setFixedHeight(here if timings else full)
        self.fold.setEnabled(timings)
        self._pages.setVisible(self.fold.isChecked() or not timings)

    def show_progress(self, progress: JobProgress) -> None:
        """Show the progress of the running job."""
        self._summary.setText(_summary(progress.realtime, progress.device, progress.memory_bytes))
        sound_s = (progress.realtime or 0.0) * progress.elapsed_s
        self._timings.show_stages(progress.stages, progress.fraction, sound_s, progress.stage)

    def copy(self) -> None:
        """Copy the timings, or the report of a failure."""
        if self._job is not None:
            failed = self._job.state is JobState.FAILED
            text = f"{self._job.message}\n\n{self._job.report}" if failed else ""
            QGuiApplication.clipboard().setText(text or timings_text(self._job))


def _summary(realtime: float | None, device: str, held_bytes: int) -> str:
    parts = [speed(realtime)] if realtime else []
    parts += [device_name(device)] if device else []
    parts += [memory(held_bytes)] if held_bytes else []
    return "  ·  ".join(parts)
