"""One cell of the queue: name and voice, state with its bar, or a figure."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop import style
from desktop.engine_words import spoken
from desktop.jobs.cell_text import options_text
from desktop.jobs.job import Job, JobProgress, JobState
from desktop.jobs.queue import JOB_ROLE, PROGRESS_ROLE, STOPPING_ROLE, Column

PADDING = 14
_BAR_HEIGHT = 6
_DOTS: dict[JobState, Callable[[QPalette], QColor]] = {
    JobState.FINISHED: style.good,
    JobState.FAILED: style.bad,
    JobState.RUNNING: style.accent,
    JobState.INTERRUPTED: style.caution,
}


class QueueCell(QStyledItemDelegate):
    """Paints a cell; a selected one as its view has the focus or has not."""

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """A cell."""
        job: Job = index.data(JOB_ROLE)
        self.initStyleOption(option, index)
        text = str(option.text)
        palette: QPalette = option.palette
        place: QRect = option.rect
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            focused = option.widget is None or option.widget.hasFocus()
            painter.fillRect(place, style.selection(palette, focused=focused))
            selected = focused  # on the quiet ground all colours are as usual
        inner = place.adjusted(PADDING, 0, -PADDING, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if index.column() == Column.NAME:
            _paint_name(painter, inner, job, palette, selected=selected)
        elif index.column() == Column.STATE:
            progress = index.data(PROGRESS_ROLE)
            stopping = bool(index.data(STOPPING_ROLE))
            shown = None if stopping else progress
            _paint_state(painter, inner, job, text, palette, shown, selected=selected)
        else:
            painter.setFont(style.figures_font(painter.font()))
            painter.setPen(_text_colour(palette, selected=selected, quiet=True))
            right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            painter.drawText(inner, right, text)
        painter.restore()


def _paint_name(
    painter: QPainter, place: QRect, job: Job, palette: QPalette, *, selected: bool
) -> None:
    """The name, and below it the voice with its settings, or what went wrong."""
    metrics = painter.fontMetrics()
    upper = QRect(place.left(), place.top() + 5, place.width(), place.height() // 2 - 3)
    lower = QRect(place.left(), place.center().y() + 1, place.width(), place.height() // 2 - 4)
    middle = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    painter.setPen(_text_colour(palette, selected=selected))
    name = metrics.elidedText(job.title, Qt.TextElideMode.ElideMiddle, place.width())
    painter.drawText(upper, middle, name)
    painter.setPen(_text_colour(palette, selected=selected, quiet=True))
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * 0.88)
    painter.setFont(font)
    failed = job.state is JobState.FAILED
    second = spoken(job.message) if failed else f"{job.voice.name}{options_text(job.options)}"
    if failed and not selected:
        painter.setPen(style.bad(palette))
    shown = painter.fontMetrics().elidedText(second, Qt.TextElideMode.ElideRight, place.width())
    painter.drawText(lower, middle, shown)


def _paint_state(
    painter: QPainter,
    place: QRect,
    job: Job,
    text: str,
    palette: QPalette,
    progress: JobProgress | None,
    *,
    selected: bool,
) -> None:
    """A bar with its percentage while running; else a dot and a word."""
    middle = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    if progress is not None and progress.fraction > 0:
        percent_width = 42
        bar = QRectF(
            place.left(), place.center().y() - _BAR_HEIGHT / 2 + 1, place.width() - percent_width,
            _BAR_HEIGHT,
        )  # fmt: skip
        light = style.selected_text(palette)
        colour = light if selected else style.accent(palette)
        rest = QColor(light) if selected else style.track(palette)
        if selected:
            rest.setAlphaF(0.3)
        _paint_bar(painter, bar, progress.fraction, colour, rest)
        painter.setFont(style.figures_font(painter.font()))
        painter.setPen(_text_colour(palette, selected=selected))
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(place, right, f"{progress.fraction:.0%}")
        return
    painter.setPen(Qt.PenStyle.NoPen)
    dot = style.selected_text if selected else _DOTS.get(job.state, style.secondary_text)
    painter.setBrush(dot(palette))
    painter.drawEllipse(QRectF(place.left(), place.center().y() - 3, 8, 8))
    painter.setPen(_text_colour(palette, selected=selected))
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, place.width() - 16)
    painter.drawText(place.adjusted(16, 0, 0, 0), middle, shown)


def _paint_bar(
    painter: QPainter, place: QRectF, fraction: float, colour: QColor, rest: QColor
) -> None:
    radius = place.height() / 2
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(rest)
    painter.drawRoundedRect(place, radius, radius)
    done = QRectF(place)
    done.setWidth(max(place.width() * min(fraction, 1.0), place.height()))
    painter.setBrush(colour)
    painter.drawRoundedRect(done, radius, radius)


def _text_colour(palette: QPalette, *, selected: bool, quiet: bool = False) -> QColor:
    if selected:
        return style.selected_text(palette, quiet=quiet)
    return style.secondary_text(palette) if quiet else palette.color(QPalette.ColorRole.Text)
