"""What stands in a lane: the source, a take, or a part of a song."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from desktop.listen.feeder import PlayedFile
from desktop.queue.job import Job
from desktop.queue.job_text import difference_text, take_title
from desktop.translation import translate
from engine.cover.options import COVER_OPTIONS, Part

SOURCE = "source"


@dataclass(frozen=True)
class Lane:
    """A sound that can be heard.

    Attributes
    ----------
    key : unique among the lanes of one source
    name, tip : as shown, and what else there is to know
    description : for assistive technology
    file : None where there is none (yet)
    job_id : of a take
    part : of a cover
    """

    key: str
    name: str
    description: str
    file: PlayedFile | None = None
    tip: str = ""
    job_id: str = ""
    part: Part | None = None

    @property
    def path(self) -> Path | None:
        """The file, whichever of its tracks is meant."""
        return None if self.file is None else self.file.path


def lanes_of(job: Job | None, takes: Sequence[Job]) -> list[Lane]:
    """The source of a job, then its takes in their order.

    Parameters
    ----------
    takes : all takes of the source, this one too or not; those without a result are left out
    """
    if job is not None and job.id not in {each.id for each in takes}:
        takes = [*takes, job]
    shown = [each for each in takes if each.output is not None or each is job]
    source = None if job is None else PlayedFile(job.source, job.options.track)
    lanes = [Lane(SOURCE, _tr("Source"), _tr("Waveform of the source"), source)]
    alone = len(shown) == 1 and not (shown[0].name or shown[0].starred)
    if not shown or alone:
        return [*lanes, _take(shown[0] if shown else None, _tr("Result"), shown)]
    return [*lanes, *(_take(each, take_title(each), shown) for each in shown)]


def _take(job: Job | None, name: str, takes: Sequence[Job]) -> Lane:
    if job is None:
        return Lane("", name, _tr("Waveform of the result"))
    alone = len(takes) == 1
    spoken = _tr("Waveform of {take}").format(take=take_title(job, spoken=True))
    return Lane(
        job.id,
        name,
        _tr("Waveform of the result") if alone else spoken,
        None if job.output is None else PlayedFile(job.output),
        difference_text(job, takes),
        job.id,
    )


def part_lane(part: Part, path: Path) -> Lane:
    """A part of a cover."""
    title = next(each.title for each in COVER_OPTIONS if each.name == f"{part}_db")
    name = translate(title)
    described = _tr("Waveform of {take}").format(take=name)
    return Lane(f"part {part}", name, described, PlayedFile(path), part=part)


def _tr(text: str) -> str:
    return QCoreApplication.translate("lane", text)
