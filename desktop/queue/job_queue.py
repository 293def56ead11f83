"""The queue as a table: the one state that window, menu bar and Dock are views of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    QUrl,
    Signal,
)

from desktop.queue.engine_protocol import Cancelled, Failed, Finished, Outcome
from desktop.queue.job import Job, JobProgress, JobState
from desktop.queue.job_text import cell_text, describe_job
from desktop.style import plain_tip

Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class Column(IntEnum):
    """Columns of the table."""

    NAME = 0
    VOICE = 1
    STATE = 2
    ELAPSED = 3
    REMAINING = 4
    SPEED = 5


JOB_ROLE = Qt.ItemDataRole.UserRole
PROGRESS_ROLE = Qt.ItemDataRole.UserRole + 1
STOPPING_ROLE = Qt.ItemDataRole.UserRole + 2
ROWS_TYPE = "application/x-ultimate-rvc-rows"
"""Ids of dragged jobs, one a line."""

_NUMBERS = frozenset({Column.ELAPSED, Column.REMAINING, Column.SPEED})


class JobTable(QAbstractTableModel):
    """Jobs in the order in which they will be converted."""

    def __init__(self, jobs: Sequence[Job] = ()) -> None:
        super().__init__()
        self._jobs = list(jobs)
        self._rows: dict[str, int] = {}
        self._renumber()
        self._progress: JobProgress | None = None
        self._stopping: set[str] = set()

    def jobs(self) -> tuple[Job, ...]:
        """All jobs, in order."""
        return tuple(self._jobs)

    def job(self, job_id: str) -> Job | None:
        """The job of that id."""
        row = self._rows.get(job_id)
        return None if row is None else self._jobs[row]

    def row_of(self, job_id: str) -> int | None:
        """Where it stands."""
        return self._rows.get(job_id)

    def running(self) -> Job | None:
        """The running job."""
        return next((job for job in self._jobs if job.state is JobState.RUNNING), None)

    def next_waiting(self) -> Job | None:
        """The first waiting job."""
        return next((job for job in self._jobs if job.state is JobState.WAITING), None)

    def progress(self, job_id: str) -> JobProgress | None:
        """Progress of the running job."""
        now = self._progress
        return now if now is not None and now.job_id == job_id else None

    def is_stopping(self, job_id: str) -> bool:
        """Whether it was cancelled but the engine has not stopped yet."""
        return job_id in self._stopping

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states."""
        return sum(job.state in states for job in self._jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self.count(JobState.RUNNING, JobState.WAITING) > 0

    # --- the table -----------------------------------------------------------------------------

    def rowCount(self, parent: Index = _NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Jobs."""
        return 0 if parent.isValid() else len(self._jobs)

    def columnCount(self, parent: Index = _NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Names of the columns."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._titles()[section]
        if role == Qt.ItemDataRole.TextAlignmentRole and section in _NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        """A cell."""
        if not index.isValid():
            return None
        job = self._jobs[index.row()]
        give: dict[int, Callable[[], Any]] = {
            Qt.ItemDataRole.DisplayRole: lambda: self._cell(job, index.column()),
            Qt.ItemDataRole.ToolTipRole: lambda: plain_tip(describe_job(job)),
            Qt.ItemDataRole.AccessibleTextRole: lambda: self._cell(job, index.column()),
            Qt.ItemDataRole.TextAlignmentRole: lambda: _alignment(index.column()),
            JOB_ROLE: lambda: job,
            PROGRESS_ROLE: lambda: self.progress(job.id),
            STOPPING_ROLE: lambda: job.id in self._stopping,
        }
        return give[role]() if role in give else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows can be dragged, to another place or, with their results, out of the window."""
        usual = super().flags(index)
        return usual | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else usual

    def mimeTypes(self) -> list[str]:  # noqa: N802 - Qt's name
        """Only rows of this table can be dropped here."""
        return [ROWS_TYPE]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802 - Qt's name
        """The dragged rows for this table, and their results as files for other programs."""
        jobs = [self._jobs[row] for row in sorted({index.row() for index in indexes})]
        outputs = [QUrl.fromLocalFile(str(job.output)) for job in jobs if job.output is not None]
        data = QMimeData()
        data.setData(ROWS_TYPE, "\n".join(job.id for job in jobs).encode())
        if outputs:
            data.setUrls(outputs)
        return data

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802 - Qt's name
        """Rows are moved; files are only copied, see `QueueView.startDrag`."""
        return Qt.DropAction.CopyAction | Qt.DropAction.MoveAction

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802 - Qt's name
        """A drag with files only offers to copy; the rows are moved all the same."""
        return Qt.DropAction.CopyAction | Qt.DropAction.MoveAction

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Name"),
            self.tr("Voice"),
            self.tr("State"),
            self.tr("Elapsed"),
            self.tr("Remaining"),
            self.tr("Speed"),
        )

    def _cell(self, job: Job, column: int) -> str:
        stopping = job.id in self._stopping
        return cell_text(job, self.progress(job.id), Column(column).name, stopping=stopping)

    def _renumber(self, first: int = 0) -> None:
        if first == 0:
            self._rows.clear()
        for row in range(first, len(self._jobs)):
            self._rows[self._jobs[row].id] = row


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


_LAST_COLUMN = len(Column) - 1
_MOST_BLOCKS = 20
"""Above this many blocks of removed rows the model is reset: each block costs as much."""


class JobQueue(JobTable):
    """Jobs in the order in which they will be converted; for the GUI thread only.

    Signals
    -------
    jobs_changed : (ids)  all that changed together: each signal may switch threads
    jobs_ended : (jobs)  as they are now
    """

    jobs_changed = Signal(object)
    progressed = Signal(object)
    jobs_ended = Signal(object)
    queue_changed = Signal()
    busy_changed = Signal(bool)
    cancel_wanted = Signal(str)

    def __init__(self, jobs: Sequence[Job] = ()) -> None:
        super().__init__(jobs)
        self._busy = self.is_busy

    # --- changes by the user ---

    def add(self, jobs: Sequence[Job]) -> None:
        """Append jobs."""
        new = [job for job in jobs if job.id not in self._rows]
        if not new:
            return
        first = len(self._jobs)
        self.beginInsertRows(_NOWHERE, first, first + len(new) - 1)
        self._jobs.extend(new)
        self._renumber(first)
        self.endInsertRows()
        self._tell()

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Stop the running job, if it is one of these; the others are not started."""
        given_up = []
        for job in self._of(job_ids):
            if job.state in (JobState.WAITING, JobState.INTERRUPTED):
                given_up.append(replace(job, state=JobState.CANCELLED))
            elif job.state is JobState.RUNNING and job.id not in self._stopping:
                self._stopping.add(job.id)
                self._show(job.id)
                self.cancel_wanted.emit(job.id)
        self._put(*given_up)
        if given_up:
            self.jobs_ended.emit(tuple(given_up))
        self._tell()

    def retry(self, job_ids: Iterable[str]) -> None:
        """Convert these again, with the same settings."""
        found = self._of(job_ids)
        again = [job for job in found if job.is_over or job.state is JobState.INTERRUPTED]
        self._put(*(job.again() for job in again))
        self._tell()

    def remove(self, job_ids: Iterable[str]) -> None:
        """Remove these from the queue; results are kept. A running job must be cancelled first."""
        gone = {job.id for job in self._of(job_ids) if job.state is not JobState.RUNNING}
        blocks = _blocks(sorted(self._rows[job_id] for job_id in gone))
        if len(blocks) > _MOST_BLOCKS:
            self._keep([job for job in self._jobs if job.id not in gone])
        for first, last in reversed(blocks if len(blocks) <= _MOST_BLOCKS else []):
            self.beginRemoveRows(_NOWHERE, first, last)
            del self._jobs[first : last + 1]
            self._renumber()
            self.endRemoveRows()
        self._tell()

    def move(self, job_ids: Sequence[str], row: int) -> None:
        """Move these before the job that is now in ``row``, in their present order.

        The running job stays in place, and waiting jobs stay behind it.
        """
        moved = sorted(self._of(job_ids), key=lambda job: self._rows[job.id])
        moved = [job for job in moved if job.state is not JobState.RUNNING]
        if len(moved) > _MOST_BLOCKS:
            self._reorder(self._with_moved(moved, row))
            moved = []
        for job in moved:
            at = self._rows[job.id]
            to = max(self._first_place(job), min(row, len(self._jobs)))
            if to not in (at, at + 1) and self.beginMoveRows(_NOWHERE, at, at, _NOWHERE, to):
                del self._jobs[at]
                self._jobs.insert(to - (to > at), job)
                self._renumber()
                self.endMoveRows()
            row = self._rows[job.id] + 1
        self._tell()

    def dropMimeData(  # noqa: N802 - Qt's name
        self, data: QMimeData, _action: Qt.DropAction, row: int, _column: int, parent: Index
    ) -> bool:
        """Accept rows that were dragged to another place."""
        if not data.hasFormat(ROWS_TYPE):
            return False
        ids = bytes(data.data(ROWS_TYPE).data()).decode().splitlines()
        below = parent.row() if parent.isValid() else len(self._jobs)
        self.move(ids, row if row >= 0 else below)
        return True

    def resume_interrupted(self) -> None:
        """Convert what was unfinished when the app quit."""
        self.retry([job.id for job in self._jobs if job.state is JobState.INTERRUPTED])

    def clear_over(self) -> None:
        """Remove all jobs that are over."""
        kept = [job for job in self._jobs if not job.is_over]
        if len(kept) != len(self._jobs):
            self._keep(kept)
            self._tell()

    # --- changes by the worker ---

    def begin(self, job_id: str) -> None:
        """Mark the job as running."""
        job = self.job(job_id)
        if job is not None:
            self._put(replace(job, state=JobState.RUNNING))
            self._tell()

    def set_progress(self, progress: JobProgress) -> None:
        """Take the progress of the running job."""
        if progress.job_id in self._rows:
            self._progress = progress
            self._show(progress.job_id, keep_quiet=True)
            self.progressed.emit(progress)

    def finish(self, outcome: Outcome) -> None:
        """Record how the job ended; only the first outcome counts."""
        job = self.job(outcome.job_id)
        self._stopping.discard(outcome.job_id)
        self._progress = None
        if job is None or job.state is not JobState.RUNNING:
            return
        ended = _ended(job, outcome)
        self._put(ended)
        self.jobs_ended.emit((ended,))
        self._tell()

    # --- private ---

    def _of(self, job_ids: Iterable[str]) -> list[Job]:
        return [job for job in map(self.job, dict.fromkeys(job_ids)) if job is not None]

    def _put(self, *jobs: Job) -> None:
        """Replace these jobs; views are notified once."""
        rows = [self._rows[job.id] for job in jobs]
        for row, job in zip(rows, jobs, strict=True):
            self._jobs[row] = job
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), _LAST_COLUMN))
            self.jobs_changed.emit(tuple(job.id for job in jobs))

    def _first_place(self, job: Job) -> int:
        """The first row that it may be moved to: waiting jobs stay behind the running one."""
        running = self.running()
        return 0 if running is None or job.is_over else self._rows[running.id] + 1

    def _with_moved(self, moved: Sequence[Job], row: int) -> list[Job]:
        ids = {job.id for job in moved}
        row = max(row, *map(self._first_place, moved))
        before = [job for job in self._jobs[:row] if job.id not in ids]
        return [*before, *moved, *(job for job in self._jobs[row:] if job.id not in ids)]

    def _reorder(self, jobs: list[Job]) -> None:
        """Change the order; the selection is kept."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        ids = [self._jobs[index.row()].id for index in before]
        self._jobs = jobs
        self._renumber()
        places = zip(ids, before, strict=True)
        after = [self.index(self._rows[job_id], index.column()) for job_id, index in places]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _keep(self, jobs: list[Job]) -> None:
        self.beginResetModel()
        self._jobs = jobs
        self._renumber()
        self.endResetModel()

    def _show(self, job_id: str, *, keep_quiet: bool = False) -> None:
        row = self._rows[job_id]
        self.dataChanged.emit(self.index(row, 0), self.index(row, _LAST_COLUMN))
        if not keep_quiet:
            self.jobs_changed.emit((job_id,))

    def _tell(self) -> None:
        self.queue_changed.emit()
        busy = self.is_busy
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)


def _blocks(rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and last row of each contiguous block."""
    blocks: list[tuple[int, int]] = []
    for row in rows:
        first = blocks.pop()[0] if blocks and blocks[-1][1] == row - 1 else row
        blocks.append((first, row))
    return blocks


def _ended(job: Job, outcome: Outcome) -> Job:
    match outcome:
        case Finished():
            return replace(
                job,
                state=JobState.FINISHED,
                output=outcome.output,
                source_s=outcome.source_s,
                taken_s=outcome.taken_s,
                stages=outcome.stages,
                device=outcome.device,
                memory_bytes=outcome.memory_bytes,
                peak_memory_bytes=outcome.peak_memory_bytes,
                notes=outcome.notes,
            )
        case Failed():
            return replace(
                job,
                state=JobState.FAILED,
                message=outcome.message,
                report=outcome.report,
                stages=outcome.stages,
            )
        case Cancelled():
            return replace(job, state=JobState.CANCELLED, stages=outcome.stages)
