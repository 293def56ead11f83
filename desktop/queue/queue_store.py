"""Saves the queue, and removes partial results of a killed session."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from desktop.queue.job import Job, JobState, job_from_record, job_to_record
from desktop.queue.takes import gathered, numbered
from desktop.storage import read_json, write_text

_VERSION = 2
"""From 2 on, takes have numbers."""


class QueueStore:
    """The queue's file.

    Parameters
    ----------
    file : replaced atomically at each change
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: dict[str, tuple[Job, str]] = {}
        self._wanted: tuple[Job, ...] | None = None
        self._wake = threading.Condition()
        self._writing = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="queue store", daemon=True)
        self._thread.start()

    def load(self) -> tuple[Job, ...]:
        """The saved jobs; those that were not over are ``INTERRUPTED``, or still lack networks."""
        found = read_json(self._file)
        records = found.get("jobs") if isinstance(found, dict) else None
        jobs = []
        seen = set()
        for record in records if isinstance(records, list) else []:
            job = job_from_record(record) if isinstance(record, dict) else None
            if job is None or job.id in seen:
                continue
            seen.add(job.id)
            kept = job.is_over or job.state is JobState.NEEDS_NETWORKS
            jobs.append(job if kept else replace(job.again(), state=JobState.INTERRUPTED))
        version = found.get("version") if isinstance(found, dict) else None
        return tuple(gathered(jobs if version == _VERSION else numbered(jobs)))

    def save(self, jobs: Sequence[Job]) -> None:
        """Request to write this state soon; a later request replaces it."""
        with self._wake:
            self._wanted = tuple(jobs)
            self._wake.notify_all()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything is written; False after the timeout."""
        with self._wake:
            return self._wake.wait_for(
                lambda: self._wanted is None and not self._writing, timeout_s
            )

    def close(self) -> None:
        """Write pending changes and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join(10.0)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._wanted is not None or self._closed)
                jobs, self._wanted = self._wanted, None
                if jobs is None:
                    return
                self._writing = True
            try:
                write_text(self._file, self._text(jobs))
            except OSError:
                pass  # the next change tries again
            finally:
                with self._wake:
                    self._writing = False
                    self._wake.notify_all()

    def _text(self, jobs: tuple[Job, ...]) -> str:
        """One job per line; unchanged jobs are not serialized again."""
        lines = {}
        for job in jobs:
            known = self._lines.get(job.id)
            if known is None or known[0] is not job:
                known = job, _line(job)
            lines[job.id] = known
        self._lines = lines
        joined = ",\n".join(line for _, line in lines.values())
        return f'{{"version": {_VERSION}, "jobs": [\n{joined}\n]}}\n'


def _line(job: Job) -> str:
    """As JSON: a thousand at once are written while the window wants to go on."""
    record = job_to_record(job)
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:  # of a file whose name is not UTF-8
        return json.dumps(record)


_PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""The name of a result until it is complete (see the engine's `atomic_file`)."""

_QUIET_S = 5.0
"""A file changed more recently may still be written by another program."""


def remove_leftovers(jobs: Iterable[Job], wait: Callable[[float], object] = time.sleep) -> int:
    """Remove partial results of unfinished jobs; returns how many.

    Recent ones, which another program may still be writing, are checked again later: after a crash
    the app is usually restarted at once.

    Parameters
    ----------
    wait : sleeps for so many seconds; called at most once
    """
    undone = (job for job in jobs if job.state is JobState.INTERRUPTED)
    found: dict[Path, float] = {}
    for folder in {job.result_folder or job.source.parent for job in undone}:
        with contextlib.suppress(OSError):
            found.update(
                (file, file.stat().st_mtime) for file in folder.iterdir() if _is_part(file)
            )
    if any(time.time() - changed_s <= _QUIET_S for changed_s in found.values()):
        wait(1.2 * _QUIET_S)
    removed = 0
    for file, changed_s in found.items():
        with contextlib.suppress(OSError):
            # Skip a file that is still being written.
            if file.stat().st_mtime == changed_s and time.time() - changed_s > _QUIET_S:
                file.unlink()
                removed += 1
    return removed


def _is_part(file: Path) -> bool:
    return bool(_PART.fullmatch(file.name)) and not file.is_symlink() and file.is_file()
