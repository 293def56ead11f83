"""The queue: the one state that window, menu bar and Dock are views of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QMimeData, Qt, Signal

from desktop.queue.engine_protocol import Cancelled, Failed, Finished, Outcome
from desktop.queue.job import Job, JobProgress, JobState
from desktop.queue.job_table import NOWHERE, ROWS_TYPE, Column, Index, JobTable
from desktop.queue.takes import gathered, numbered, place_among
from engine.plain_text import plain

Missing = Callable[[Sequence[Job]], Sequence[tuple[str, ...]]]
"""Gives for each job the keys of the networks that it has to wait for."""


_LAST_COLUMN = len(Column) - 1
_MAY_LACK = frozenset({JobState.WAITING, JobState.NEEDS_NETWORKS})
_NOT_BEGUN = frozenset({*_MAY_LACK, JobState.INTERRUPTED})
_MOST_UNDOS = 20
_MOST_BLOCKS = 20
"""Above this many blocks of removed rows the model is reset: each block costs as much."""


class JobQueue(JobTable):
    """Jobs in the order in which they will be converted; for the GUI thread only.

    Parameters
    ----------
    missing : see `Missing`; None where nothing is ever missing

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

    def __init__(self, jobs: Sequence[Job] = (), missing: Missing | None = None) -> None:
        super().__init__(jobs)
        self._missing = missing
        self._removed: list[list[tuple[int, Job]]] = []
        self._busy = self.is_busy

    # --- changes by the user ---

    def add(self, jobs: Sequence[Job]) -> None:
        """Append jobs; those of a source that is here already are further takes, beneath it."""
        new = [job for job in jobs if job.id not in self._rows]
        new = self._looked_at(numbered(new, self._jobs))
        if not new:
            return
        after = gathered([*self._jobs, *new])
        ids = {job.id for job in new}
        rows = [row for row, job in enumerate(after) if job.id in ids]
        ranges = blocks(rows)
        if len(ranges) > _MOST_BLOCKS or len(after) != len(self._jobs) + len(new):
            self._keep(after)
            ranges = []
        for first, last in ranges:
            self.beginInsertRows(NOWHERE, first, last)
            self._jobs[first:first] = after[first : last + 1]
            self._renumber()
            self.endInsertRows()
        self._tell()

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Stop the running job, if it is one of these; the others are not started."""
        given_up = []
        for job in self._of(job_ids):
            if job.state in _NOT_BEGUN:
                given_up.append(replace(job, state=JobState.CANCELLED))
            elif job.state is JobState.RUNNING and job.id not in self._stopping:
                self._stopping.add(job.id)
                self._show(job.id)
                self.cancel_wanted.emit(job.id)
        self._put(*given_up)
        if given_up:
            self.jobs_ended.emit(tuple(given_up))
        self._tell()

    def retry(self, job_ids: Iterable[str]) -> tuple[str, ...]:
        """Convert these again, with the same settings; a take that is finished gets another one.

        Returns
        -------
        the ids of the new takes
        """
        found = self._of(job_ids)
        undone = (JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)
        again = [job for job in found if job.state in undone]
        self._put(*self._looked_at([job.again() for job in again]))
        new = [job.another_take() for job in found if job.state is JobState.FINISHED]
        self.add(new)
        self._tell()
        return tuple(job.id for job in new)

    def repeat(self, job_ids: Iterable[str]) -> tuple[str, ...]:
        """Make these takes again exactly; those without a recipe are left out.

        Returns
        -------
        the ids of the new takes
        """
        new = [
            replace(job.another_take(), repeats=job.recipe)
            for job in self._of(job_ids)
            if job.recipe
        ]
        self.add(new)
        return tuple(job.id for job in new)

    def star(self, job_ids: Iterable[str]) -> None:
        """Give these a star; if all have one, take it away."""
        jobs = self._of(job_ids)
        starred = not all(job.starred for job in jobs)
        self._put(*(replace(job, starred=starred) for job in jobs if job.starred != starred))
        self._tell()

    def rename(self, job_id: str, name: str) -> None:
        """Give a take a name; "" is its number."""
        job, name = self.job(job_id), plain(name).strip()
        if job is not None and name != job.name:
            self._put(replace(job, name=name))
            self._tell()

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802 - Qt's name
        """Take the name that was typed into a row."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole:
            return False
        self.rename(self._jobs[index.row()].id, str(value))
        return True

    def remove(self, job_ids: Iterable[str]) -> None:
        """Remove these from the queue; results are kept. A running job must be cancelled first."""
        gone = {job.id for job in self._of(job_ids) if job.state is not JobState.RUNNING}
        self._keep_for_undo(gone)
        ranges = blocks(sorted(self._rows[job_id] for job_id in gone))
        if len(ranges) > _MOST_BLOCKS:
            self._keep([job for job in self._jobs if job.id not in gone])
        for first, last in reversed(ranges if len(ranges) <= _MOST_BLOCKS else []):
            self.beginRemoveRows(NOWHERE, first, last)
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
        row = place_among(self._jobs, max(0, row), moved)
        if len(moved) > _MOST_BLOCKS:
            self._reorder(self._with_moved(moved, row))
            moved = []
        for job in moved:
            at = self._rows[job.id]
            to = max(self._first_place(job), min(row, len(self._jobs)))
            if to not in (at, at + 1) and self.beginMoveRows(NOWHERE, at, at, NOWHERE, to):
                del self._jobs[at]
                self._jobs.insert(to - (to > at), job)
                self._renumber()
                self.endMoveRows()
            row = self._rows[job.id] + 1
        if (together := gathered(self._jobs)) != self._jobs:
            self._reorder(together)
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
            self._keep_for_undo({job.id for job in self._jobs if job.is_over})
            self._keep(kept)
            self._tell()

    @property
    def can_undo(self) -> bool:
        """Whether there are removed jobs that can come back."""
        return bool(self._removed)

    def undo_remove(self) -> tuple[str, ...]:
        """Put the jobs that were removed last where they were; returns their ids."""
        back = [(row, job) for row, job in self._removed.pop() if job.id not in self._rows]
        jobs = list(self._jobs)
        looked_at = self._looked_at([job for _, job in back])
        for (row, _), job in zip(back, looked_at, strict=True):
            jobs.insert(min(row, len(jobs)), job)
        self._keep(gathered(jobs))
        self._tell()
        return tuple(job.id for job in looked_at)

    # --- time left ---

    def time_left_s(self) -> float | None:
        """Seconds until everything that waits is converted; None while that is unknown.

        Jobs whose source's length is unknown count as long as the others on average.
        """
        running = self.running()
        progress = None if running is None else self.progress(running.id)
        if progress is None or progress.remaining_s is None or not progress.realtime:
            return None
        waiting = [job.source_s for job in self._jobs if job.state is JobState.WAITING]
        known = [seconds for seconds in waiting if seconds > 0]
        if waiting and not known:
            return None
        sound_s = sum(known) * len(waiting) / max(1, len(known))
        return progress.remaining_s + sound_s / progress.realtime

    def set_source_length(self, job_id: str, seconds: float) -> None:
        """Take the length of the source of a job that has not run."""
        job = self.job(job_id)
        if job is not None and job.state in _NOT_BEGUN:
            self._put(replace(job, source_s=seconds))

    # --- networks ---

    def look_for_networks(self) -> None:
        """Let jobs continue whose networks are installed now; let the others wait."""
        changed = []
        for job, looked_at in zip(self._jobs, self._looked_at(self._jobs), strict=True):
            if looked_at is not job:
                changed.append(looked_at)
        self._put(*changed)
        if changed:
            self._tell()

    def set_download(self, keys: Iterable[str], fraction: float) -> None:
        """Take the progress of a download of these networks, 0..1."""
        self._download = frozenset(keys), fraction
        rows = [r for r, job in enumerate(self._jobs) if job.state is JobState.NEEDS_NETWORKS]
        if rows:
            self.dataChanged.emit(self.index(rows[0], 0), self.index(rows[-1], _LAST_COLUMN))
            self.jobs_changed.emit(tuple(self._jobs[row].id for row in rows))

    def _looked_at(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs, those that wait with the networks that are missing now."""
        waiting = [job for job in jobs if job.state in _MAY_LACK]
        if self._missing is None or not waiting:
            return list(jobs)
        known = dict(zip((job.id for job in waiting), self._missing(waiting), strict=True))
        looked_at = []
        for job in jobs:
            needs = known.get(job.id, job.needs)
            state = job.state
            if job.id in known:
                state = JobState.NEEDS_NETWORKS if needs else JobState.WAITING
            same = (state, needs) == (job.state, job.needs)
            looked_at.append(job if same else replace(job, state=state, needs=needs))
        return looked_at

    # --- changes by the worker ---

    def next_ready(self) -> Job | None:
        """The first waiting job whose networks are installed; others before it need a download."""
        lacking = False
        while (job := self.next_waiting()) is not None:
            (looked_at,) = self._looked_at([job])
            if looked_at is job:
                return job
            self._put(looked_at)
            lacking = True
        if lacking:
            self._tell()
        return None

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
        progress = self.progress(outcome.job_id)
        self._stopping.discard(outcome.job_id)
        self._progress = None
        if job is None or job.state is not JobState.RUNNING:
            return
        ended = _ended(job, outcome, progress.fraction if progress else 0.0)
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

    def _keep_for_undo(self, gone: set[str]) -> None:
        """Remember the jobs that are about to be removed."""
        if gone:
            self._removed.append([(row, j) for row, j in enumerate(self._jobs) if j.id in gone])
            del self._removed[:-_MOST_UNDOS]

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


def blocks(rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and last row of each contiguous block."""
    found: list[tuple[int, int]] = []
    for row in rows:
        first = found.pop()[0] if found and found[-1][1] == row - 1 else row
        found.append((first, row))
    return found


def _ended(job: Job, outcome: Outcome, fraction: float) -> Job:
    match outcome:
        case Finished():
            return replace(
                job,
                state=JobState.FINISHED,
                fraction=1.0,
                output=outcome.output,
                source_s=outcome.source_s,
                taken_s=outcome.taken_s,
                stages=outcome.stages,
                device=outcome.device,
                memory_bytes=outcome.memory_bytes,
                peak_memory_bytes=outcome.peak_memory_bytes,
                notes=outcome.notes,
                parts=outcome.parts,
                recipe=outcome.recipe,
                repeats="",
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
            return replace(job, state=JobState.CANCELLED, stages=outcome.stages, fraction=fraction)
