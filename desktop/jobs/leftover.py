"""Half-written results of a session that was killed are removed at the next start."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable

from desktop.jobs.job import Job, JobState

_PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""What the engine's `atomic_file` calls a result until it is whole."""

_QUIET_S = 5.0
"""One that has been written to more recently may belong to a program that is at work."""


def remove_leftovers(jobs: Iterable[Job]) -> int:
    """Remove what unfinished jobs left in the folders of their results; how many there were."""
    undone = (job for job in jobs if job.state is JobState.INTERRUPTED)
    removed = 0
    for folder in {job.output_dir or job.source.parent for job in undone}:
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                ours = _PART.fullmatch(file.name) and not file.is_symlink() and file.is_file()
                if ours and time.time() - file.stat().st_mtime > _QUIET_S:
                    file.unlink()
                    removed += 1
    return removed
