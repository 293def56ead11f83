"""The queue on the screen: a table whose cells are painted, so that a row costs little."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop import style
from desktop.queue.job import Job, JobProgress, JobState
from desktop.queue.job_queue import JOB_ROLE, PROGRESS_ROLE, STOPPING_ROLE, Column, JobQueue
from desktop.queue.job_text import options_text
from desktop.translation import translate

_PADDING = 14
_BAR_HEIGHT = 6
_DOTS: dict[JobState, Callable[[QPalette], QColor]] = {
    JobState.FINISHED: style.good,
    JobState.FAILED: style.bad,
    JobState.RUNNING: style.accent,
    JobState.INTERRUPTED: style.caution,
}


class _QueueCell(QStyledItemDelegate):
    """Paints a cell of the queue."""

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
            selected = focused  # the grey background needs no other colours
        inner = place.adjusted(_PADDING, 0, -_PADDING, 0)
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
    """The name, and below it the voice with its settings, or the error."""
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
    second = f"{job.voice.name}{options_text(job.options)}"
    if failed:
        second = translate(job.message or "")
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
    """A progress bar with its percentage while running; else a dot and the state."""
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


_ROW_HEIGHT = 46
_WIDTHS = {Column.STATE: 156, Column.ELAPSED: 80, Column.REMAINING: 94, Column.SPEED: 88}
_HEADER_HEIGHT = 28


class _Header(QHeaderView):
    """Column titles aligned with their columns."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setFixedHeight(_HEADER_HEIGHT)
        self.setFont(style.small_font(self))

    def paintSection(self, painter: QPainter, rect: QRect, logical_index: int) -> None:  # noqa: N802 - Qt's name
        """Title over a line."""
        palette = self.palette()
        painter.fillRect(rect, palette.color(QPalette.ColorRole.Base))
        line = QRect(rect.left(), rect.bottom(), rect.width(), 1)
        painter.fillRect(line, style.hairline(palette))
        painter.setPen(style.secondary_text(palette))
        numbers = logical_index > Column.STATE
        side = Qt.AlignmentFlag.AlignRight if numbers else Qt.AlignmentFlag.AlignLeft
        title = str(self.model().headerData(logical_index, Qt.Orientation.Horizontal))
        inner = rect.adjusted(_PADDING, 0, -_PADDING, 0)
        painter.drawText(inner, int(side | Qt.AlignmentFlag.AlignVCenter), title)


class QueueView(QTableView):
    """Shows the queue; acts on the selected rows."""

    selection_moved = Signal()
    menu_wanted = Signal(QPoint)
    open_wanted = Signal()
    remove_wanted = Signal()

    def __init__(self, queue: JobQueue) -> None:
        super().__init__()
        self._queue = queue
        self._only_id = ""
        self.setModel(queue)
        self.setItemDelegate(_QueueCell(self))
        self.setAccessibleName(self.tr("Queue"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDragDropOverwriteMode(False)
        self.setDragEnabled(True)
        self.setTabKeyNavigation(False)
        self.setMinimumHeight(_ROW_HEIGHT * 2)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self.menu_wanted)
        self.doubleClicked.connect(lambda _index: self.open_wanted.emit())
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = _Header(self)
        self.setHorizontalHeader(header)
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)
        self.hideColumn(Column.VOICE)  # shown below the name
        self.selectionModel().selectionChanged.connect(self._on_selection)
        queue.modelReset.connect(self._on_selection)  # it clears the selection silently

    def selected_ids(self) -> list[str]:
        """Ids of the selected jobs, from top to bottom."""
        jobs = self._queue.jobs()
        # By ranges: selectedRows() would ask for the flags of every cell.
        ranges = self.selectionModel().selection().toList()
        rows = {row for part in ranges for row in range(part.top(), part.bottom() + 1)}
        return [jobs[row].id for row in sorted(rows)]

    def is_only_selected(self, job_id: str) -> bool:
        """Whether exactly this job is selected; fast."""
        return job_id == self._only_id

    def select_job(self, job_id: str) -> None:
        """Select one row and scroll to it."""
        row = self._queue.row_of(job_id)
        if row is not None:
            index = self._queue.index(row, Column.NAME)
            # selectRow would react to pressed modifier keys, e.g. Command of a paste.
            flag = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
            self.scrollTo(index)

    def select_jobs(self, job_ids: Sequence[str]) -> None:
        """Select exactly these rows."""
        self.clearSelection()
        flag = QItemSelectionModel.SelectionFlag
        rows = [row for row in map(self._queue.row_of, job_ids) if row is not None]
        for row in rows:
            index = self._queue.index(row, Column.NAME)
            self.selectionModel().select(index, flag.Select | flag.Rows)

    def startDrag(self, supported: Qt.DropAction) -> None:  # noqa: N802 - Qt's name
        """Move rows within the queue; copy results out of the window.

        A drag with files is never offered as a move: Finder would move them.
        """
        jobs = map(self._queue.job, self.selected_ids())
        files = any(job is not None and job.output is not None for job in jobs)
        action = Qt.DropAction.CopyAction if files else Qt.DropAction.MoveAction
        super().startDrag(supported & action)

    def _on_selection(self, *_: object) -> None:
        chosen = self.selected_ids()
        self._only_id = chosen[0] if len(chosen) == 1 else ""
        self.selection_moved.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Delete removes, Return opens."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_wanted.emit()
        else:
            super().keyPressEvent(event)
