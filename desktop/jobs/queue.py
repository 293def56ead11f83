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

from desktop.jobs.cell_text import cell_text, describe_job
from desktop.jobs.job import Job, JobProgress, JobState
from desktop.jobs.messages import Cancelled, Failed, Finished, Outcome

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
_NUMBERS = frozenset({Column.ELAPSED, Column.REMAINING, Column.SPEED})


class JobQueue(QAbstractTableModel):
    """Jobs in the order in which they will be done; only the GUI thread touches it."""

    job_changed = Signal(str)
    progressed = Signal(object)
    job_ended = Signal(object)
    queue_changed = Signal()
    busy_changed = Signal(bool)
    cancel_wanted = Signal(str)

    def __init__(self, jobs: Sequence[Job] = ()) -> None:
        super().__init__()
        self._jobs = list(jobs)
        self._rows: dict[str, int] = {}
        self._renumber()
        self._progress: JobProgress | None = None
        self._stopping: set[str] = set()
        self._busy = self.is_busy

    # --- what there is -------------------------------------------------------------------------

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
        """The job that is being done."""
        return next((job for job in self._jobs if job.state is JobState.RUNNING), None)

    def next_waiting(self) -> Job | None:
        """The job to be done next."""
        return next((job for job in self._jobs if job.state is JobState.WAITING), None)

    def progress(self, job_id: str) -> JobProgress | None:
        """How far the running job is."""
        now = self._progress
        return now if now is not None and now.job_id == job_id else None

    def is_stopping(self, job_id: str) -> bool:
        """Whether it has been cancelled but the engine has not stopped yet."""
        return job_id in self._stopping

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states."""
        return sum(job.state in states for job in self._jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self.count(JobState.RUNNING, JobState.WAITING) > 0

    # --- what the user does --------------------------------------------------------------------

    def add(self, jobs: Sequence[Job]) -> None:
        """Put jobs at the end."""
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
        """Stop the running one of these; the others will not be begun."""
        for job in self._of(job_ids):
            if job.state in (JobState.WAITING, JobState.INTERRUPTED):
                self._put(replace(job, state=JobState.CANCELLED))
                self.job_ended.emit(self.job(job.id))
            elif job.state is JobState.RUNNING and job.id not in self._stopping:
                self._stopping.add(job.id)
                self._show(job.id)
                self.cancel_wanted.emit(job.id)
        self._tell()

    def retry(self, job_ids: Iterable[str]) -> None:
        """Do these again, as they were asked for."""
        for job in self._of(job_ids):
            if job.is_over or job.state is JobState.INTERRUPTED:
                self._put(job.again())
        self._tell()

    def remove(self, job_ids: Iterable[str]) -> None:
        """Forget these; results on the disk stay. A running job must be cancelled first."""
        rows = sorted((self._rows[job.id] for job in self._of(job_ids)), reverse=True)
        for row in rows:
            if self._jobs[row].state is not JobState.RUNNING:
                self.beginRemoveRows(_NOWHERE, row, row)
                del self._jobs[row]
                self._renumber()
                self.endRemoveRows()
        self._tell()

    def move(self, job_ids: Sequence[str], row: int) -> None:
        """Put these before the job that is now in ``row``, in their present order."""
        for job in sorted(self._of(job_ids), key=lambda job: self._rows[job.id]):
            at = self._rows[job.id]
            to = max(0, min(row, len(self._jobs)))
            if to not in (at, at + 1) and self.beginMoveRows(_NOWHERE, at, at, _NOWHERE, to):
                del self._jobs[at]
                self._jobs.insert(to - (to > at), job)
                self._renumber()
                self.endMoveRows()
            row = self._rows[job.id] + 1
        self._tell()

    def resume_interrupted(self) -> None:
        """Do what was unfinished when the app ended."""
        self.retry([job.id for job in self._jobs if job.state is JobState.INTERRUPTED])

    def clear_over(self) -> None:
        """Forget all jobs that are over."""
        kept = [job for job in self._jobs if not job.is_over]
        if len(kept) != len(self._jobs):
            self.beginResetModel()
            self._jobs = kept
            self._rows = {}
            self._renumber()
            self.endResetModel()
            self._tell()

    # --- what the worker says ------------------------------------------------------------------

    def begin(self, job_id: str) -> None:
        """The job is being done."""
        job = self.job(job_id)
        if job is not None:
            self._put(replace(job, state=JobState.RUNNING))
            self._tell()

    def set_progress(self, progress: JobProgress) -> None:
        """How far the running job is now."""
        if progress.job_id in self._rows:
            self._progress = progress
            self._show(progress.job_id, keep_quiet=True)
            self.progressed.emit(progress)

    def finish(self, outcome: Outcome) -> None:
        """The job has ended; the first outcome counts."""
        job = self.job(outcome.job_id)
        self._stopping.discard(outcome.job_id)
        self._progress = None
        if job is None or job.state is not JobState.RUNNING:
            return
        self._put(_ended(job, outcome))
        self.job_ended.emit(self.job(job.id))
        self._tell()

    # --- the table -----------------------------------------------------------------------------

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Jobs."""
        return 0 if parent.isValid() else len(self._jobs)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """Columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
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
            Qt.ItemDataRole.ToolTipRole: lambda: describe_job(job),
            Qt.ItemDataRole.AccessibleTextRole: lambda: self._cell(job, index.column()),
            Qt.ItemDataRole.TextAlignmentRole: lambda: _alignment(index.column()),
            JOB_ROLE: lambda: job,
            PROGRESS_ROLE: lambda: self.progress(job.id),
            STOPPING_ROLE: lambda: job.id in self._stopping,
        }
        return give[role]() if role in give else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Every row can be dragged, to another place or (its result) out of the window."""
        usual = super().flags(index)
        return usual | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else usual

    def mimeTypes(self) -> list[str]:
        """What a drag carries."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The results of the dragged rows, as files."""
        rows = sorted({index.row() for index in indexes})
        outputs = [self._jobs[row].output for row in rows]
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in outputs if path is not None])
        return data

    def supportedDragActions(self) -> Qt.DropAction:
        """A result is copied, never moved away."""
        return Qt.DropAction.CopyAction

    # --- inside --------------------------------------------------------------------------------

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

    def _of(self, job_ids: Iterable[str]) -> list[Job]:
        return [job for job in map(self.job, dict.fromkeys(job_ids)) if job is not None]

    def _put(self, job: Job) -> None:
        self._jobs[self._rows[job.id]] = job
        self._show(job.id)

    def _show(self, job_id: str, *, keep_quiet: bool = False) -> None:
        row = self._rows[job_id]
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))
        if not keep_quiet:
            self.job_changed.emit(job_id)

    def _renumber(self, first: int = 0) -> None:
        if first == 0:
            self._rows.clear()
        for row in range(first, len(self._jobs)):
            self._rows[self._jobs[row].id] = row

    def _tell(self) -> None:
        self.queue_changed.emit()
        busy = self.is_busy
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


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


