"""Half-written results of a session that was killed are removed at the next start."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from desktop.jobs.job import Job, JobState

_PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""What the engine's `atomic_file` calls a result until it is whole."""

_QUIET_S = 5.0
"""One that has been written to more recently may belong to a program that is at work."""


def remove_leftovers(jobs: Iterable[Job], wait: Callable[[float], object] = time.sleep) -> int:
    """Remove what unfinished jobs left in the folders of their results; how many there were.

    Those that may still belong to a program at work are looked at again a while later: after a
    crash the app is usually started again at once.

    Parameters
    ----------
    wait : sleeps for so many seconds; called at most once
    """
    undone = (job for job in jobs if job.state is JobState.INTERRUPTED)
    found: dict[Path, float] = {}
    for folder in {job.output_dir or job.source.parent for job in undone}:
        with contextlib.suppress(OSError):
            found.update(
                (file, file.stat().st_mtime) for file in folder.iterdir() if _is_part(file)
            )
    if any(time.time() - changed_s <= _QUIET_S for changed_s in found.values()):
        wait(1.2 * _QUIET_S)
    removed = 0
    for file, changed_s in found.items():
        with contextlib.suppress(OSError):
            # One that is being written to now, or was begun meanwhile, is not ours to remove.
            if file.stat().st_mtime == changed_s and time.time() - changed_s > _QUIET_S:
                file.unlink()
                removed += 1
    return removed


def _is_part(file: Path) -> bool:
    return bool(_PART.fullmatch(file.name)) and not file.is_symlink() and file.is_file()
