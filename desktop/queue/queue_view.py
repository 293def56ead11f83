"""The queue on the screen, with buttons over the row under the mouse and over the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QPoint,
    QRect,
    QSize,
    Qt,
    QVariantAnimation,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QCursor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFrame,
    QHeaderView,
    QTableView,
    QWidget,
)

from desktop import style
from desktop.queue.job import JobState
from desktop.queue.job_queue import JobQueue, blocks
from desktop.queue.job_table import Column
from desktop.queue.queue_cell import PADDING, QueueCell
from desktop.queue.row_buttons import BUTTON_POINTS, RowButtons, actions_of

_ROW_HEIGHT = 46
_WIDTHS = {Column.STATE: 176, Column.REMAINING: 94, Column.ELAPSED: 74, Column.SPEED: 78}
_HEADER_HEIGHT = 28
_FLASH_MS = 900
SEEK_S = 5.0
"""How far an arrow key moves the playing position."""
_NARROW = 680
"""Below it the speed, which is also told below the queue, and a part of the state's column make
room for names."""
_NARROW_STATE = 152


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
        inner = rect.adjusted(PADDING, 0, -PADDING, 0)
        shown = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, inner.width())
        painter.drawText(inner, int(side | Qt.AlignmentFlag.AlignVCenter), shown)


class QueueView(QTableView):
    """Shows the queue.

    Signals
    -------
    open_wanted : the selected row was double-clicked, or Return was pressed
    play_wanted : Space was pressed
    seek_wanted : (seconds)  an arrow key was pressed
    button_pressed : (name, job id)  see `RowButtons`
    """

    selection_moved = Signal()
    menu_wanted = Signal(QPoint)
    open_wanted = Signal()
    remove_wanted = Signal()
    play_wanted = Signal()
    seek_wanted = Signal(float)
    button_pressed = Signal(str, str)

    def __init__(self, queue: JobQueue) -> None:
        super().__init__()
        self._queue = queue
        self._only_id = ""
        self._hovered_id = ""
        self.setModel(queue)
        self._cell = QueueCell(self)
        self.setItemDelegate(self._cell)
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
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
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
        self._add_buttons()

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
        """Select exactly these rows, and scroll to the first."""
        rows = sorted(row for row in map(self._queue.row_of, job_ids) if row is not None)
        flag = QItemSelectionModel.SelectionFlag
        chosen = QItemSelection()
        for first, last in blocks(rows):
            chosen.select(self._queue.index(first, 0), self._queue.index(last, Column.SPEED))
        self.selectionModel().select(chosen, flag.ClearAndSelect | flag.Rows)
        if rows:
            index = self._queue.index(rows[0], Column.NAME)
            self.selectionModel().setCurrentIndex(index, flag.NoUpdate)
            self.scrollTo(self._queue.index(rows[-1], Column.NAME))
            self.scrollTo(index)

    def rename(self, job_id: str) -> None:
        """Let the user type the name of a take."""
        self.select_job(job_id)
        row = self._queue.row_of(job_id)
        if row is not None:
            self.edit(self._queue.index(row, Column.NAME))

    def flash(self, job_ids: Sequence[str]) -> None:
        """Highlight these rows for a moment."""
        self._light.stop()
        self._cell.flashing = frozenset(job_ids)
        self._light.start()

    def startDrag(self, supported: Qt.DropAction) -> None:  # noqa: N802 - Qt's name
        """Move rows within the queue; copy results out of the window.

        A drag with files is never offered as a move: Finder would move them.
        """
        jobs = map(self._queue.job, self.selected_ids())
        files = any(job is not None and job.output is not None for job in jobs)
        action = Qt.DropAction.CopyAction if files else Qt.DropAction.MoveAction
        super().startDrag(supported & action)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Delete removes, Return opens, Space plays, the arrows seek."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_wanted.emit()
        elif event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.play_wanted.emit()
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.seek_wanted.emit(-SEEK_S if event.key() == Qt.Key.Key_Left else SEEK_S)
        else:
            super().keyPressEvent(event)

    # --- the buttons over the rows ---

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the mouse."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseMove:
            self._hover_at(event.position().toPoint())
        elif event.type() == QEvent.Type.Leave:
            self._hover_at(None)
        return super().viewportEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802 - Qt's name
        """Other rows come under the mouse."""
        super().scrollContentsBy(dx, dy)
        if self._hovered_id:
            self._hover_at(self.viewport().mapFromGlobal(QCursor.pos()))
        self._place_buttons()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """The columns move; a chosen row that was in sight stays there."""
        chosen = self.currentIndex()
        seen = QRect(QPoint(), event.oldSize()).intersects(self.visualRect(chosen))
        narrow = self.width() < _NARROW
        self.setColumnHidden(Column.SPEED, narrow)
        self.setColumnWidth(Column.STATE, _NARROW_STATE if narrow else _WIDTHS[Column.STATE])
        super().resizeEvent(event)
        if seen:
            self.scrollTo(chosen)
        self._place_buttons()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the buttons of the chosen row."""
        super().focusInEvent(event)
        self._place_buttons()

    def _add_buttons(self) -> None:
        self.setMouseTracking(True)
        self._hover = RowButtons(self.viewport(), reached_by_keys=False)
        self._chosen = RowButtons(self.viewport(), reached_by_keys=True)
        for buttons in (self._hover, self._chosen):
            buttons.pressed.connect(self.button_pressed)
        self._light = QVariantAnimation(self, startValue=1.0, endValue=0.0, duration=_FLASH_MS)
        self._light.valueChanged.connect(self._on_light)
        queue = self._queue
        for signal in (queue.dataChanged, queue.rowsInserted, queue.rowsRemoved, queue.rowsMoved,
                       queue.layoutChanged, queue.modelReset):  # fmt: skip
            signal.connect(self._place_buttons)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._place_buttons)

    @property
    def row_buttons(self) -> tuple[RowButtons, RowButtons]:
        """The buttons of the row under the mouse, and those of the chosen row."""
        return self._hover, self._chosen

    def _on_light(self, value: float) -> None:
        self._cell.flash = value
        self.viewport().update()

    def _on_selection(self, *_: object) -> None:
        chosen = self.selected_ids()
        self._only_id = chosen[0] if len(chosen) == 1 else ""
        self._place_buttons()
        self.selection_moved.emit()

    def _hover_at(self, place: QPoint | None) -> None:
        index = self.indexAt(place) if place is not None else None
        valid = index is not None and index.isValid()
        self._hovered_id = self._queue.jobs()[index.row()].id if valid and index else ""
        self._place_buttons()

    @Slot()
    def _place_buttons(self, *_: object) -> None:
        focused = self.hasFocus() or self._chosen.has_focus()
        if focused != self._cell.has_focus:
            self._cell.has_focus = focused
            self.viewport().update()
        chosen = self._only_id if focused else ""
        self._place(self._chosen, chosen)
        self._place(self._hover, self._hovered_id if self._hovered_id != chosen else "")
        covered = frozenset((chosen, self._hovered_id))
        if covered != self._cell.covered:
            self._cell.covered = covered
            self.viewport().update()

    def _place(self, buttons: RowButtons, job_id: str) -> None:
        """Show the buttons of a job over its row; none for no job."""
        job, row = self._queue.job(job_id), self._queue.row_of(job_id)
        names: tuple[str, ...] = ()
        if job is not None:
            stopping = self._queue.is_stopping(job.id)
            downloading = self._queue.download(job) is not None
            names = actions_of(job, stopping=stopping, downloading=downloading)
        if job is None or row is None or not names:
            if buttons.has_focus():
                self.setFocus()
            buttons.hide()
            return
        selected = self._cell.has_focus and self.selectionModel().isRowSelected(row)
        buttons.show_job(job.id, names, selected=selected)
        buttons.adjustSize()
        buttons.move(self._buttons_place(row, buttons.size(), in_state=names[0], state=job.state))
        buttons.show()

    def _buttons_place(self, row: int, size: QSize, in_state: str, state: JobState) -> QPoint:
        """Beside the bar of what runs; below the title Remaining otherwise, where nothing is."""
        cell = self.visualRect(self._queue.index(row, Column.STATE))
        left = cell.right() - PADDING - BUTTON_POINTS + 4
        if in_state == "download":
            left = cell.right() + 1
        elif state is not JobState.RUNNING and in_state != "stop_download":
            beside = self.visualRect(self._queue.index(row, Column.REMAINING))
            left = beside.right() - PADDING + 5 - size.width()
        return QPoint(left, cell.center().y() - size.height() // 2)
