"""The queue on the screen: a table whose cells are painted, so that a row costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QItemSelectionModel,
    QPoint,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QTableView,
    QWidget,
)

from desktop import style
from desktop.jobs.queue import Column, JobQueue
from desktop.views.queue_cell import PADDING, QueueCell

_ROW_HEIGHT = 46
_WIDTHS = {Column.STATE: 156, Column.ELAPSED: 80, Column.REMAINING: 94, Column.SPEED: 88}
_HEADER_HEIGHT = 28


class _Header(QHeaderView):
    """Quiet column titles that stand exactly over what they name."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setFixedHeight(_HEADER_HEIGHT)
        self.setFont(style.small_font(self))

    def paintSection(self, painter: QPainter, rect: QRect, logical_index: int) -> None:  # noqa: N802 - Qt's name
        """Text over a hairline."""
        palette = self.palette()
        painter.fillRect(rect, palette.color(QPalette.ColorRole.Base))
        line = QRect(rect.left(), rect.bottom(), rect.width(), 1)
        painter.fillRect(line, style.hairline(palette))
        painter.setPen(style.secondary_text(palette))
        numbers = logical_index > Column.STATE
        side = Qt.AlignmentFlag.AlignRight if numbers else Qt.AlignmentFlag.AlignLeft
        title = str(self.model().headerData(logical_index, Qt.Orientation.Horizontal))
        inner = rect.adjusted(PADDING, 0, -PADDING, 0)
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
        self.setItemDelegate(QueueCell(self))
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
        self.hideColumn(Column.VOICE)  # it stands under the name
        self.selectionModel().selectionChanged.connect(self._on_selection)
        queue.modelReset.connect(self._on_selection)  # which forgets the selection without a word

    def selected_ids(self) -> list[str]:
        """Ids of the selected jobs, from top to bottom."""
        jobs = self._queue.jobs()
        # By ranges: the model's own list of rows asks for the flags of every cell.
        ranges = self.selectionModel().selection().toList()
        rows = {row for part in ranges for row in range(part.top(), part.bottom() + 1)}
        return [jobs[row].id for row in sorted(rows)]

    def is_only_selected(self, job_id: str) -> bool:
        """Whether this one is selected and no other; costs nothing, however many are."""
        return job_id == self._only_id

    def select_job(self, job_id: str) -> None:
        """Select one row and bring it into sight."""
        row = self._queue.row_of(job_id)
        if row is not None:
            index = self._queue.index(row, Column.NAME)
            # Not selectRow: that heeds the keys held down just now, e.g. the Command of a paste.
            flag = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
            self.scrollTo(index)

    def select_jobs(self, job_ids: Sequence[str]) -> None:
        """Select these rows, in place of others."""
        self.clearSelection()
        flag = QItemSelectionModel.SelectionFlag
        rows = [row for row in map(self._queue.row_of, job_ids) if row is not None]
        for row in rows:
            index = self._queue.index(row, Column.NAME)
            self.selectionModel().select(index, flag.Select | flag.Rows)

    def startDrag(self, supported: Qt.DropAction) -> None:  # noqa: N802 - Qt's name
        """Within the queue rows change places; out of the window a result is copied.

        What carries files is never offered for moving: Finder would take them from their folder.
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
