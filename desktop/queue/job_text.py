"""A job as text, for tables, tool tips and the clipboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication

from desktop.queue.job import Job, JobProgress, JobState, StageTime
from desktop.translation import translate
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.errors import Text
from engine.library.networks import NETWORKS
from engine.option import Option
from engine.options import all_options
from engine.plain_text import plain
from engine.stages import stage_of

_DASH = "–"
_SHORT_S = 9.95


def _tr(text: str) -> str:
    return QCoreApplication.translate("cell_text", text)


def clock(seconds: float) -> str:
    """``0:07``, ``3:20``, ``1:02:03``."""
    minutes, rest_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest_s:02d}" if hours else f"{minutes}:{rest_s:02d}"


def took(seconds: float) -> str:
    """``0.6 s``; from ten seconds on as `clock`."""
    if not seconds:
        return ""
    return f"{seconds:.1f} s" if seconds < _SHORT_S else clock(seconds)


def speed(realtime: float | None) -> str:
    """``12.3 ×``, at most four digits wide."""
    if realtime is None:
        return _DASH
    return f"{realtime:.0f} ×" if realtime >= 100 else f"{realtime:.1f} ×"


def milliseconds(seconds: float) -> str:
    """``1,234 ms``; below ten with one decimal; from ten seconds on ``24.7 s``."""
    if seconds >= _SHORT_S:
        return f"{seconds:,.1f} s"
    ms = seconds * 1000
    return f"{ms:,.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def memory(held_bytes: int) -> str:
    """``1.4 GB`` or ``320 MB``."""
    if not held_bytes:
        return _DASH
    return f"{held_bytes / 1e9:.1f} GB" if held_bytes >= 1e9 else f"{held_bytes / 1e6:.0f} MB"


def device_name(device: str) -> str:
    """Display name of a device, or several (``mps+cpu``)."""
    names = {"mps": "Metal", "cuda": "CUDA", "cpu": "CPU", "mlx": "MLX", "coreml": "Core ML"}
    return "+".join(names.get(each, each) for each in device.split("+")) or _DASH


def place_text(stage: StageTime) -> str:
    """By what, where and how precisely a stage ran: ``MLX, half precision``."""
    name = device_name(stage.device)
    return _tr("{device}, half precision").format(device=name) if stage.half else name


def stage_name(stage: str) -> str:
    """Display name of a stage."""
    row = stage_of(stage)
    return stage if row is None else translate(row.title)


def _state_name(state: JobState) -> str:
    """Display name of a state."""
    return {
        JobState.WAITING: _tr("Waiting"),
        JobState.NEEDS_NETWORKS: _tr("Needs a download"),
        JobState.RUNNING: _tr("Converting"),
        JobState.FINISHED: _tr("Finished"),
        JobState.FAILED: _tr("Failed"),
        JobState.CANCELLED: _tr("Cancelled"),
        JobState.INTERRUPTED: _tr("Not finished"),
    }[state]


def needed_bytes(job: Job) -> int:
    """How much a job waits for."""
    return sum(each.about_bytes for each in NETWORKS if each.key in job.needs)


def _needs(job: Job, download: float | None) -> str:
    """What a job waits for, or how far its download is."""
    if download is not None:
        return _tr("Downloading {percent} %").format(percent=int(download * 100))
    return _tr("Needs {size}").format(size=memory(needed_bytes(job)))


def cell_text(
    job: Job,
    progress: JobProgress | None,
    column: str,
    *,
    stopping: bool,
    download: float | None = None,
) -> str:
    """The text of a cell.

    Parameters
    ----------
    download : 0..1 of the networks that the job waits for; None if they are not downloaded now
    """
    if column == "NAME":
        return job.title
    if column == "VOICE":
        return job.voice.name
    if column == "STATE":
        if stopping:
            return _tr("Stopping…")
        if job.state is JobState.NEEDS_NETWORKS:
            return _needs(job, download)
        loading = progress is not None and progress.fraction == 0 and job.state is JobState.RUNNING
        return _tr("Loading…") if loading else _state_name(job.state)
    if column == "ELAPSED":
        elapsed_s = progress.elapsed_s if progress else job.taken_s
        return took(elapsed_s) if job.is_over else clock(elapsed_s) if elapsed_s else ""
    if column == "REMAINING":
        left_s = progress.remaining_s if progress and not stopping else None
        return "" if left_s is None else clock(left_s + 0.5)
    realtime = progress.realtime if progress else job.realtime
    return "" if realtime is None else speed(realtime)


def take_title(job: Job, *, spoken: bool = False) -> str:
    """What a take is called, with its star.

    Parameters
    ----------
    spoken : in words, for assistive technology
    """
    title = plain(job.name) or _tr("Take {number}").format(number=job.take)
    if not job.starred:
        return title
    return _tr("{take}, starred").format(take=title) if spoken else f"★ {title}"


def describe_job(job: Job) -> str:
    """The tool tip of a row: everything that may not fit into it."""
    named = [take_title(job)] if job.name or job.starred or job.take > 1 else []
    lines = [job.title, *named, job.voice.name, *_settings(job)]
    if job.message is not None:
        lines.append(translate(job.message))
    lines += note_sentences(job)
    if job.output is not None:
        lines.append(job.output.name)
    return "\n".join(lines)


def note_sentences(job: Job) -> list[str]:
    """The remarks on a finished job; the engine begins them with a small letter."""
    return [text[:1].upper() + text[1:] for text in map(translate, job.notes)]


def timings_text(job: Job) -> str:
    """A finished job's timings as plain text for the clipboard."""
    lines = [f"{job.title} → {job.voice.name}"]
    if job.taken_s:
        lines.append(
            f"{job.source_s:.1f} s of sound in {job.taken_s:.2f} s ({speed(job.realtime)} realtime)"
        )
    width = max((len(each.stage) for each in job.stages), default=0)
    lines += [
        f"{each.stage:<{width}}  {milliseconds(each.seconds):>10}  "
        f"{_stage_speed(each, job.source_s):>8}  {memory(each.memory_bytes):>8}  "
        f"{place_text(each)}"
        for each in job.stages
    ]
    if job.peak_memory_bytes:
        lines.append(f"peak memory {memory(job.peak_memory_bytes)}")
    return "\n".join(lines)


def _stage_speed(stage: StageTime, source_s: float) -> str:
    """× realtime of a stage by itself."""
    row = stage_of(stage.stage)
    counts = row is not None and row.counted and source_s and stage.seconds > 0
    return speed(source_s / stage.seconds if counts else None)


def settings_text(job: Job) -> str:
    """What differs from converting a voice with the defaults, to follow the voice's name."""
    return "".join(f" · {each}" for each in _settings(job))


def difference_text(job: Job, takes: Sequence[Job]) -> str:
    """Its voice and settings as far as the takes of its source differ in them; all if in none.

    A setting that it has by default is told too, where another take has another.
    """
    own = [job.voice.name] if any(each.voice != job.voice for each in takes) else []
    if any(_kind(each) != _kind(job) for each in takes):
        own.append(_kind(job))
    changes = [each.options.changes() for each in takes]
    changed = {name for each in changes for name in each}
    for option in (each for each in all_options() if each.name in changed):
        others = [each.get(option.name, option.default) for each in changes]
        own += _told_apart(option, job.options.value(option.name), others)
    if job.cover is not None:
        covers = [each.cover or CoverOptions() for each in takes]
        for option in COVER_OPTIONS:
            if option.name != "source_kind":  # a part of what it is taken for
                others = [getattr(each, option.name) for each in covers]
                own += _told_apart(option, getattr(job.cover, option.name), others)
        if any(each.backing_voice != job.backing_voice for each in takes):
            own.append(_backing(job))
    if job.repeats:
        own.append(_tr("exact repeat"))
    told = " · ".join(each for each in own if each)
    return told or f"{job.voice.name}{settings_text(job)}"


def _told_apart(option: Option, value: Any, others: Sequence[Any]) -> list[str]:
    """A setting where others have another value; files of one name are told with their paths."""
    different = [each for each in others if each != value]
    if not different:
        return []
    told = option.told(value)
    if isinstance(value, Path) and told in map(option.told, different):
        told = Text("{option} {value}", option=option.title, value=plain(str(value)))
    return [translate(told)]


def _kind(job: Job) -> str:
    """What its source is taken for."""
    if job.cover is None:
        return _tr("a voice")
    return {"song": _tr("whole song"), "vocals": _tr("vocals of a song")}[job.cover.source_kind]


def _backing(job: Job) -> str:
    """Who sings converted backing voices."""
    if job.cover is None or job.cover.backing != "convert":
        return ""
    if job.backing_voice is None:
        return _tr("backing by the same voice")
    return _tr("backing by {voice}").format(voice=job.backing_voice.name)


def _settings(job: Job) -> list[str]:
    words = [translate(each) for each in job.options.summary()]
    if job.cover is None:
        return words
    words = [_kind(job), *words, *map(translate, job.cover.summary())]
    return words if job.backing_voice is None else [*words, _backing(job)]
