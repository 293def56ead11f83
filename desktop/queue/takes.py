"""Takes: conversions of one source, which stand together in the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from desktop.queue.job import Job


def gathered(jobs: Iterable[Job]) -> list[Job]:
    """The jobs with the takes of a source together, where the first of them is."""
    by_source: dict[Path, list[Job]] = {}
    for job in jobs:
        by_source.setdefault(job.source, []).append(job)
    return [job for takes in by_source.values() for job in takes]


def numbered(jobs: Iterable[Job], before: Iterable[Job] = ()) -> list[Job]:
    """The jobs with the numbers that follow those of the takes before them."""
    last: Counter[Path] = Counter()
    for job in before:
        last[job.source] = max(last[job.source], job.take)
    found = []
    for job in jobs:
        last[job.source] += 1
        found.append(job if job.take == last[job.source] else replace(job, take=last[job.source]))
    return found


def place_among(jobs: Sequence[Job], row: int, moved: Sequence[Job]) -> int:
    """The row before which jobs can be put without parting the takes of another source.

    Parameters
    ----------
    jobs : as they are now
    row : where they should go
    moved : what is moved to there
    """
    parts = 0 < row < len(jobs) and jobs[row - 1].source == jobs[row].source
    if not parts or any(job.source == jobs[row].source for job in moved):
        return row
    ids = {job.id for job in moved}
    upwards = row < next((place for place, job in enumerate(jobs) if job.id in ids), 0)
    source = jobs[row].source
    while 0 < row < len(jobs) and jobs[row - 1 if upwards else row].source == source:
        row += -1 if upwards else 1
    return row
