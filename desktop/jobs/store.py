"""Keeps the queue on the disk, written by a thread of its own so that the window never waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from desktop.jobs.job import Job, JobState, job_from_record, job_to_record
from desktop.json_file import read_json, write_text

_VERSION = 1


class QueueStore:
    """The queue's file.

    Parameters
    ----------
    file : replaced whole at each change, or not at all
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
        """The jobs of last time; those that were not over are ``INTERRUPTED``."""
        found = read_json(self._file)
        records = found.get("jobs") if isinstance(found, dict) else None
        jobs = []
        seen = set()
        for record in records if isinstance(records, list) else []:
            job = job_from_record(record) if isinstance(record, dict) else None
            if job is None or job.id in seen:
                continue
            seen.add(job.id)
            jobs.append(job if job.is_over else replace(job.again(), state=JobState.INTERRUPTED))
        return tuple(jobs)

    def save(self, jobs: Sequence[Job]) -> None:
        """Have this state written soon; a later one replaces it if it comes sooner."""
        with self._wake:
            self._wanted = tuple(jobs)
            self._wake.notify_all()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until all is written; whether it is."""
        with self._wake:
            return self._wake.wait_for(
                lambda: self._wanted is None and not self._writing, timeout_s
            )

    def close(self) -> None:
        """Write what is left and end the thread."""
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
                pass  # a full disk: the session goes on, and the next change tries again
            finally:
                with self._wake:
                    self._writing = False
                    self._wake.notify_all()

    def _text(self, jobs: tuple[Job, ...]) -> str:
        """One job a line; a job that has not changed since last time is not spelt out again."""
        lines = {}
        for job in jobs:
            known = self._lines.get(job.id)
            if known is None or known[0] is not job:
                known = job, json.dumps(job_to_record(job), ensure_ascii=True)
            lines[job.id] = known
        self._lines = lines
        joined = ",\n".join(line for _, line in lines.values())
        return f'{{"version": {_VERSION}, "jobs": [\n{joined}\n]}}\n'
