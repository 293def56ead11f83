"""One conversion in the queue; frozen, so that it keeps the settings it was made with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from random import getrandbits
from typing import Any

from desktop.storage import folder_for_result
from engine.cover.options import CoverOptions
from engine.errors import Text
from engine.options import ConversionOptions
from engine.plain_text import plain


class JobState(StrEnum):
    """State of a job.

    ``NEEDS_NETWORKS``: waits until they are installed. ``INTERRUPTED``: unfinished when the app
    quit; offered again.
    """

    WAITING = "waiting"
    NEEDS_NETWORKS = "needs networks"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


OVER = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True)
class Voice:
    """A voice that can be chosen.

    Attributes
    ----------
    name : as shown, and in the names of results
    weights, index : its files
    key : unique
    built_in : whether it ships with the program
    """

    name: str
    weights: Path
    index: Path | None = None
    key: str = ""
    built_in: bool = False


@dataclass(frozen=True)
class StageTime:
    """Seconds of one stage, its device, the peak memory there, and whether it was rounded.

    Attributes
    ----------
    half : whether a network of it computed in half precision
    """

    stage: str
    seconds: float
    device: str
    memory_bytes: int = 0
    half: bool = False


@dataclass(frozen=True)
class JobProgress:
    """Progress of the running job.

    Attributes
    ----------
    fraction : 0..1 that is done
    elapsed_s, remaining_s : seconds; None while unknown
    realtime : seconds of sound converted in a second
    stage : the running stage, if any
    stages : all stages so far, including the running one
    memory_bytes : current use of the device (or the process)
    """

    job_id: str
    fraction: float = 0.0
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    realtime: float | None = None
    stage: str | None = None
    stages: tuple[StageTime, ...] = ()
    device: str = ""
    memory_bytes: int = 0


def _new_id() -> str:
    """As unique as a UUID, without the system call: that would let other threads run for each of a
    thousand dropped files.
    """
    return f"{getrandbits(128):032x}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A file, its voice and settings, and the outcome.

    Attributes
    ----------
    cover : of a song; None converts the file as a voice
    backing_voice : of a song's backing voices where they are converted; None is the same voice
    output_dir : folder of the result; None is next to the source
    source_s, taken_s : duration of the source (0: unknown), and of the conversion
    fraction : 0..1 that was done when it ended
    output : the result, once it is written
    message, report : why it failed, for the user and for the developers
    notes : remarks on a finished job, e.g. that the source is cut off
    needs : keys of the networks that it waits for
    take : its number among the conversions of its source, from 1
    name : what the user calls the take; "" is its number
    starred : whether the user likes it
    parts : of a finished cover, see `engine.cover.parts.PartCache.find`; "" where there are none
    recipe : of a finished take, see `engine.recipe.Recipe.from_json`; "" where there is none
    repeats : the recipe of the take of which this one has to have the samples; "" for a new one
    """

    source: Path
    voice: Voice
    options: ConversionOptions = field(default_factory=ConversionOptions)
    cover: CoverOptions | None = None
    backing_voice: Voice | None = None
    output_dir: Path | None = None
    id: str = field(default_factory=_new_id)
    state: JobState = JobState.WAITING
    stages: tuple[StageTime, ...] = ()
    source_s: float = 0.0
    taken_s: float = 0.0
    fraction: float = 0.0
    output: Path | None = None
    message: Text | None = None
    report: str = ""
    notes: tuple[Text, ...] = ()
    needs: tuple[str, ...] = ()
    device: str = ""
    memory_bytes: int = 0
    peak_memory_bytes: int = 0
    take: int = 1
    name: str = ""
    starred: bool = False
    parts: str = ""
    recipe: str = ""
    repeats: str = ""

    @property
    def title(self) -> str:
        """The source's name, printable."""
        return plain(self.source.name)

    @property
    def result_folder(self) -> Path | None:
        """The folder to write into; None is next to the source, but never inside the program."""
        return self.output_dir or folder_for_result(self.source)

    @property
    def is_over(self) -> bool:
        """True once the job has reached a final state."""
        return self.state in OVER

    @property
    def realtime(self) -> float | None:
        """Seconds of audio converted per second, once finished."""
        return self.source_s / self.taken_s if self.source_s and self.taken_s else None

    def again(self) -> Job:
        """The same job, not started yet."""
        return replace(
            self.another_take(),
            id=self.id,
            take=self.take,
            name=self.name,
            starred=self.starred,
            repeats=self.repeats,
        )

    def another_take(self) -> Job:
        """A new conversion of the same source with the same settings."""
        return Job(
            source=self.source,
            voice=self.voice,
            options=self.options,
            cover=self.cover,
            backing_voice=self.backing_voice,
            output_dir=self.output_dir,
            source_s=self.source_s,
        )


def job_to_record(job: Job) -> dict[str, Any]:
    """A job as JSON data; ``asdict`` would copy a thousand jobs deeply and block the window."""
    backing = job.backing_voice
    return {
        **vars(job),
        "source": str(job.source),
        "voice": _voice_record(job.voice),
        "options": job.options.to_record(),
        "cover": None if job.cover is None else job.cover.to_record(),
        "backing_voice": None if backing is None else _voice_record(backing),
        "output_dir": _text(job.output_dir),
        "output": _text(job.output),
        "message": None if job.message is None else job.message.to_record(),
        "notes": [note.to_record() for note in job.notes],
        "needs": list(job.needs),
        "stages": [list(vars(each).values()) for each in job.stages],
    }


def job_from_record(record: dict[str, Any]) -> Job | None:
    """The job of a record; None if the record is invalid."""
    try:
        backing = record.get("backing_voice")
        return Job(
            id=str(record["id"]),
            source=Path(record["source"]),
            voice=_voice_from_record(record["voice"]),
            options=ConversionOptions.from_record(record["options"]),
            cover=_cover(record.get("cover")),
            backing_voice=None if backing is None else _voice_from_record(backing),
            output_dir=_path(record["output_dir"]),
            state=JobState(record["state"]),
            stages=tuple(_stage_from_record(*each) for each in record["stages"]),
            source_s=float(record["source_s"]),
            taken_s=float(record["taken_s"]),
            fraction=float(record.get("fraction", record["state"] == JobState.FINISHED)),
            output=_path(record["output"]),
            message=Text.from_record(record["message"]) if record["message"] else None,
            report=str(record["report"]),
            notes=tuple(Text.from_record(note) for note in record["notes"]),
            needs=tuple(map(str, record.get("needs", ()))),
            device=str(record["device"]),
            memory_bytes=int(record["memory_bytes"]),
            peak_memory_bytes=int(record["peak_memory_bytes"]),
            take=max(1, int(record.get("take", 1))),
            name=str(record.get("name", "")),
            starred=bool(record.get("starred", False)),
            parts=str(record.get("parts", "")),
            recipe=str(record.get("recipe", "")),
            repeats=str(record.get("repeats", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _voice_from_record(record: dict[str, Any]) -> Voice:
    return Voice(
        str(record["name"]),
        Path(record["weights"]),
        _path(record["index"]),
        str(record["key"]),
        bool(record["built_in"]),
    )


def _stage_from_record(
    stage: Any, seconds: Any, device: Any, held_bytes: Any = 0, half: Any = None
) -> StageTime:
    return StageTime(str(stage), float(seconds), str(device), int(held_bytes), bool(half))


def _voice_record(voice: Voice) -> dict[str, Any]:
    return {**vars(voice), "weights": str(voice.weights), "index": _text(voice.index)}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _cover(record: Any) -> CoverOptions | None:
    return None if record is None else CoverOptions.from_record(record)


def _path(value: Any) -> Path | None:
    return Path(value) if value else None
