"""The queue as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    QUrl,
)

from desktop.queue.job import Job, JobProgress, JobState
from desktop.queue.job_text import (
    cell_text,
    describe_job,
    difference_text,
    note_sentences,
    take_title,
)
from desktop.style import plain_tip

Index = QModelIndex | QPersistentModelIndex
NOWHERE = QModelIndex()


class Column(IntEnum):
    """Columns of the table."""

    NAME = 0
    VOICE = 1
    STATE = 2
    REMAINING = 3
    ELAPSED = 4
    SPEED = 5


class Standing(Enum):
    """How a job stands to the other takes of its source."""

    ALONE = "alone"
    FIRST = "first"
    BENEATH = "beneath"


JOB_ROLE = Qt.ItemDataRole.UserRole
PROGRESS_ROLE = Qt.ItemDataRole.UserRole + 1
STOPPING_ROLE = Qt.ItemDataRole.UserRole + 2
DOWNLOAD_ROLE = Qt.ItemDataRole.UserRole + 3
STANDING_ROLE = Qt.ItemDataRole.UserRole + 4
DIFFERENCE_ROLE = Qt.ItemDataRole.UserRole + 5
ROWS_TYPE = "application/x-ultimate-rvc-rows"
"""Ids of dragged jobs, one a line."""

_ROLE = Qt.ItemDataRole
_FLAG = Qt.ItemFlag
_CELL_FLAGS = (
    _FLAG.ItemIsSelectable | _FLAG.ItemIsEnabled | _FLAG.ItemNeverHasChildren
    | _FLAG.ItemIsDragEnabled
)  # fmt: skip
_NAME_FLAGS = _CELL_FLAGS | _FLAG.ItemIsEditable

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
        self._download: tuple[frozenset[str], float] = frozenset(), 0.0

    def jobs(self) -> tuple[Job, ...]:
        """All jobs, in order."""
        return tuple(self._jobs)

    def job(self, job_id: str) -> Job | None:
        """The job of that id."""
        row = self._rows.get(job_id)
        return None if row is None else self._jobs[row]

    def takes(self, job: Job) -> tuple[Job, ...]:
        """All conversions of the source of a job, in order."""
        row = self._rows.get(job.id)
        if row is None:
            return ()
        first = last = row
        while first > 0 and self._jobs[first - 1].source == job.source:
            first -= 1
        while last + 1 < len(self._jobs) and self._jobs[last + 1].source == job.source:
            last += 1
        return tuple(self._jobs[first : last + 1])

    def standing(self, row: int) -> Standing:
        """How a row stands to the other takes of its source."""
        source = self._jobs[row].source
        if row > 0 and self._jobs[row - 1].source == source:
            return Standing.BENEATH
        more = row + 1 < len(self._jobs) and self._jobs[row + 1].source == source
        return Standing.FIRST if more else Standing.ALONE

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

    def download(self, job: Job) -> float | None:
        """How much of the networks that a job waits for is there, 0..1; None if none is coming."""
        keys, fraction = self._download
        return None if keys.isdisjoint(job.needs) else fraction

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states."""
        return sum(job.state in states for job in self._jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self.count(JobState.RUNNING, JobState.WAITING) > 0

    # --- the table -----------------------------------------------------------------------------

    def rowCount(self, parent: Index = NOWHERE) -> int:  # noqa: N802 - Qt's name
        """Jobs."""
        return 0 if parent.isValid() else len(self._jobs)

    def columnCount(self, parent: Index = NOWHERE) -> int:  # noqa: N802 - Qt's name
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
        give = _GIVE.get(role)
        return None if give is None else give(self, index, self._jobs[index.row()])

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows can be dragged, to another place or, with their results, out of the window."""
        if not index.isValid():
            return super().flags(index)
        return _NAME_FLAGS if index.column() == Column.NAME else _CELL_FLAGS

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
            self.tr("Remaining"),
            self.tr("Elapsed"),
            self.tr("Speed"),
        )

    def text(self, job: Job, column: int) -> str:
        """A cell as it is shown."""
        stopping = job.id in self._stopping
        name, progress, download = Column(column).name, self.progress(job.id), self.download(job)
        return cell_text(job, progress, name, stopping=stopping, download=download)

    def spoken(self, job: Job, column: int) -> str:
        """A cell for assistive technology: the state includes the remarks on the job."""
        notes = note_sentences(job) if column == Column.STATE else ()
        take: tuple[str, ...] = ()
        if column == Column.NAME and (job.name or job.starred or len(self.takes(job)) > 1):
            take = (take_title(job, spoken=True),)
        return "\n".join((self.text(job, column), *take, *notes))

    def _renumber(self, first: int = 0) -> None:
        if first == 0:
            self._rows.clear()
        for row in range(first, len(self._jobs)):
            self._rows[self._jobs[row].id] = row


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


_GIVE: dict[int, Callable[[JobTable, Index, Job], Any]] = {
    _ROLE.DisplayRole: lambda table, index, job: table.text(job, index.column()),
    _ROLE.ToolTipRole: lambda _table, _index, job: plain_tip(describe_job(job)),
    _ROLE.AccessibleTextRole: lambda table, index, job: table.spoken(job, index.column()),
    _ROLE.AccessibleDescriptionRole: lambda _table, _index, job: describe_job(job),
    _ROLE.TextAlignmentRole: lambda _table, index, _job: _alignment(index.column()),
    JOB_ROLE: lambda _table, _index, job: job,
    PROGRESS_ROLE: lambda table, _index, job: table.progress(job.id),
    STOPPING_ROLE: lambda table, _index, job: table.is_stopping(job.id),
    DOWNLOAD_ROLE: lambda table, _index, job: table.download(job),
    DIFFERENCE_ROLE: lambda table, _index, job: difference_text(job, table.takes(job)),
    STANDING_ROLE: lambda table, index, _job: table.standing(index.row()),
    _ROLE.EditRole: lambda _table, _index, job: job.name,
}
"""What a cell gives for a role; made once, for the rows are painted while music plays."""
