"""Asks whether files that sound like whole songs should become covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QCoreApplication

from desktop.queue.job import Job, JobState
from desktop.shell.main_window import MainWindow
from desktop.voices.draft import SONG, Draft


def _tr(text: str) -> str:
    return QCoreApplication.translate("song_question", text)


def suggest_songs(window: MainWindow, draft: Draft, job_ids: Sequence[str]) -> None:
    """Ask about jobs that convert whole songs as if they were voices; until answered, they go on.

    Parameters
    ----------
    draft : takes the answer for the next files, too
    """
    jobs = _voices(window, job_ids)
    if not jobs:
        return
    one = _tr("“{name}” sounds like a whole song, but is converted as a voice.")
    several = _tr("{count} files sound like whole songs, but are converted as voices.")
    text = (one if len(jobs) == 1 else several).format(name=jobs[0].title, count=len(jobs))

    def convert() -> None:
        draft.set_file_kind(SONG)
        told = _voices(window, job_ids)
        cover, backing = draft.cover, draft.backing_voice
        songs = [replace(each.another_take(), cover=cover, backing_voice=backing) for each in told]
        window.queue.cancel([job.id for job in told if job.state is JobState.RUNNING])
        window.queue.remove([job.id for job in told if not job.is_over])
        window.queue.add(songs)
        window.show_new([song.id for song in songs])

    window.notice.tell(
        text,
        ((_tr("Keep as a Voice"), lambda: None), (_tr("Convert as a Song"), convert)),
        again=lambda other: suggest_songs(other, draft, job_ids),
    )


def _voices(window: MainWindow, job_ids: Sequence[str]) -> list[Job]:
    """Those of the jobs that are still in the queue and converted as voices."""
    found = map(window.queue.job, job_ids)
    return [job for job in found if job is not None and job.cover is None]
