"""How a cell of the queue is painted; so a row costs little."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop import style
from desktop.queue.job import Job, JobState
from desktop.queue.job_table import (
    DIFFERENCE_ROLE,
    DOWNLOAD_ROLE,
    JOB_ROLE,
    PROGRESS_ROLE,
    STANDING_ROLE,
    STOPPING_ROLE,
    Column,
    Standing,
)
from desktop.queue.job_text import settings_text, take_title
from desktop.queue.row_buttons import BUTTON_POINTS, paint_pill, pill_size
from desktop.translation import translate

PADDING = 14
_INDENT = 20
"""Of the further takes of a source."""
_BAR_HEIGHT = 6
_PERCENT_WIDTH = 42
_MARK_POINTS = 14
_FLASH_OPACITY = 0.38
_LEFT, _RIGHT = (
    int(side | Qt.AlignmentFlag.AlignVCenter)
    for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight)
)
_DOTS: dict[JobState, Callable[[QPalette], QColor]] = {
    JobState.FINISHED: style.good,
    JobState.FAILED: style.bad,
    JobState.RUNNING: style.accent,
    JobState.INTERRUPTED: style.caution,
    JobState.NEEDS_NETWORKS: style.caution,
}


class QueueCell(QStyledItemDelegate):
    """Paints a cell of the queue.

    Attributes
    ----------
    flash : 0..1, how strongly the rows of `flashing` are highlighted
    has_focus : whether the rows, or the buttons over them, have the focus
    covered : jobs over whose rows there are buttons
    """

    flash = 0.0
    flashing: frozenset[str] = frozenset()
    has_focus = False
    covered: frozenset[str] = frozenset()

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """A cell."""
        job: Job = index.data(JOB_ROLE)
        text = str(index.data())
        palette: QPalette = option.palette
        place: QRect = option.rect
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(place, style.selection(palette, focused=self.has_focus))
            selected = self.has_focus  # the grey background needs no other colours
        if self.flash and job.id in self.flashing:
            light = style.selected_text(palette) if selected else style.accent(palette)
            light.setAlphaF(_FLASH_OPACITY * self.flash)
            painter.fillRect(place, light)
        inner = place.adjusted(PADDING, 0, -PADDING, 0)
        painter.save()
        painter.setFont(option.font)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if index.column() == Column.NAME:
            standing: Standing = index.data(STANDING_ROLE)
            second = _second_line(index, job, standing)
            _paint_name(painter, inner, job, standing, second, palette, selected=selected)
        elif index.column() == Column.STATE:
            self._paint_state(painter, inner, index, text, palette, selected=selected)
        elif index.column() == Column.REMAINING and self._offers_download(job, index):
            painter.setFont(style.smaller_font(option.font))
            title = self.tr("Download")
            place = pill_place(place, painter.fontMetrics().horizontalAdvance(title))
            paint_pill(painter, place, title, palette, selected=selected, down=False)
        elif text:
            painter.setFont(style.figures_font(painter.font()))
            painter.setPen(_text_colour(palette, selected=selected, quiet=True))
            painter.drawText(inner, _RIGHT, text)
        painter.restore()

    def updateEditorGeometry(  # noqa: N802 - Qt's name
        self,
        editor: QWidget,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Put the field for a take's name over its name."""
        standing: Standing = index.data(STANDING_ROLE)
        beneath = standing is Standing.BENEATH
        place: QRect = option.rect
        place = place.adjusted(PADDING - 4 + (_INDENT if beneath else 0), 0, -PADDING, 0)
        upper, lower = _lines_of(place)
        line = upper if beneath else lower
        height = editor.sizeHint().height()
        line.setTop(max(place.top(), line.center().y() - height // 2))
        line.setHeight(height)
        line.moveBottom(min(line.bottom(), place.bottom()))
        editor.setGeometry(line)

    def _offers_download(self, job: Job, index: QModelIndex | QPersistentModelIndex) -> bool:
        lacking = job.state is JobState.NEEDS_NETWORKS and index.data(DOWNLOAD_ROLE) is None
        return lacking and job.id not in self.covered

    def _paint_state(
        self,
        painter: QPainter,
        place: QRect,
        index: QModelIndex | QPersistentModelIndex,
        text: str,
        palette: QPalette,
        *,
        selected: bool,
    ) -> None:
        """A progress bar with its percentage while something runs; else a dot and the state."""
        job: Job = index.data(JOB_ROLE)
        progress, download = index.data(PROGRESS_ROLE), index.data(DOWNLOAD_ROLE)
        if download is not None:
            _paint_progress(painter, place, download, palette, selected=selected)
        elif progress is not None and progress.fraction > 0 and not index.data(STOPPING_ROLE):
            _paint_progress(painter, place, progress.fraction, palette, selected=selected)
        else:
            _paint_words(painter, place, job, text, palette, selected=selected)


def pill_place(cell: QRect, text_width: int) -> QRect:
    """Where the button Download is in its cell."""
    place = QRect(cell.topLeft(), pill_size(text_width))
    place.moveTop(cell.center().y() - place.height() // 2)
    return place


def _paint_name(
    painter: QPainter,
    place: QRect,
    job: Job,
    standing: Standing,
    second: str,
    palette: QPalette,
    *,
    selected: bool,
) -> None:
    """The name, and below it a second line.

    Further takes of a source are indented, with their own names instead of the source's.
    """
    beneath = standing is Standing.BENEATH
    if beneath:
        painter.setPen(_text_colour(palette, selected=selected, quiet=True))
        edge = place.left() + 3
        painter.drawLine(edge, place.top(), edge, place.center().y())
        painter.drawLine(edge, place.center().y(), edge + 7, place.center().y())
        place = place.adjusted(_INDENT, 0, 0, 0)
    upper, lower = _lines_of(place)
    metrics = painter.fontMetrics()
    painter.setPen(_text_colour(palette, selected=selected))
    title = take_title(job) if beneath else job.title
    name = metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, place.width())
    painter.drawText(upper, _LEFT, name)
    painter.setPen(_text_colour(palette, selected=selected, quiet=True))
    painter.setFont(style.smaller_font(painter.font()))
    if job.state is JobState.FAILED and not selected:
        painter.setPen(style.bad(palette))
    shown = painter.fontMetrics().elidedText(second, Qt.TextElideMode.ElideRight, place.width())
    painter.drawText(lower, _LEFT, shown)


def _second_line(index: QModelIndex | QPersistentModelIndex, job: Job, standing: Standing) -> str:
    """The voice with its settings; of a further take what tells it from the others; the error."""
    if job.state is JobState.FAILED:
        return translate(job.message or "")
    if standing is Standing.BENEATH:
        return str(index.data(DIFFERENCE_ROLE))
    text = f"{job.voice.name}{settings_text(job)}"
    named = standing is Standing.FIRST or job.name or job.starred
    return f"{take_title(job)} · {text}" if named else text


def _lines_of(place: QRect) -> tuple[QRect, QRect]:
    """The two lines of a cell."""
    upper = QRect(place.left(), place.top() + 5, place.width(), place.height() // 2 - 3)
    lower = QRect(place.left(), place.center().y() + 1, place.width(), place.height() // 2 - 4)
    return upper, lower


def _paint_progress(
    painter: QPainter, place: QRect, fraction: float, palette: QPalette, *, selected: bool
) -> None:
    """A bar and its percentage; room is left for a button."""
    light = style.selected_text(palette)
    colour = light if selected else style.accent(palette)
    rest = QColor(light) if selected else style.track(palette)
    if selected:
        rest.setAlphaF(0.3)
    numbers = place.adjusted(0, 0, -BUTTON_POINTS, 0)
    width = numbers.width() - _PERCENT_WIDTH
    top = place.center().y() - _BAR_HEIGHT / 2 + 1
    _paint_bar(painter, QRectF(place.left(), top, width, _BAR_HEIGHT), fraction, colour, rest)
    painter.setFont(style.figures_font(painter.font()))
    painter.setPen(_text_colour(palette, selected=selected))
    painter.drawText(numbers, _RIGHT, f"{fraction:.0%}")


def _paint_words(
    painter: QPainter, place: QRect, job: Job, text: str, palette: QPalette, *, selected: bool
) -> None:
    """A dot, the state, and a mark where there are remarks on the job."""
    painter.setPen(Qt.PenStyle.NoPen)
    dot = style.selected_text if selected else _DOTS.get(job.state, style.secondary_text)
    painter.setBrush(dot(palette))
    painter.drawEllipse(QRectF(place.left(), place.center().y() - 3, 8, 8))
    painter.setPen(_text_colour(palette, selected=selected))
    room = place.adjusted(16, 0, -_MARK_POINTS - 6 if job.notes else 0, 0)
    metrics = painter.fontMetrics()
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
    painter.drawText(room, _LEFT, shown)
    if job.notes:
        left = room.left() + metrics.horizontalAdvance(shown) + 7
        box = QRectF(left, place.center().y() - _MARK_POINTS / 2 + 1, _MARK_POINTS, _MARK_POINTS)
        colour = style.selected_text(palette) if selected else style.caution(palette)
        paint_mark(painter, box, colour)


def paint_mark(painter: QPainter, box: QRectF, colour: QColor) -> None:
    """Draw the mark of a job with remarks: an i in a circle."""
    width = box.width() / 10
    painter.setPen(QPen(colour, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(box.adjusted(width / 2, width / 2, -width / 2, -width / 2))
    middle = box.center()
    painter.setPen(QPen(colour, 1.2 * width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawLine(middle - QPointF(0, 0.4 * width), middle + QPointF(0, 2.4 * width))
    painter.drawPoint(middle - QPointF(0, 2.3 * width))


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
