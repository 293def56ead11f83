"""A file in, its stems out: what a network separates from a song, and what remains."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.audio.names import output_path_for
from engine.audio.resampling import resampled_length
from engine.audio.source import Sound
from engine.audio.spool import temporary_disk_errors
from engine.audio.writer import (
    SUBTYPES_OF,
    all_or_none,
    check_output,
    file_rate,
    write_free,
    write_sound,
)
from engine.errors import Message
from engine.files import scratch_folder
from engine.finding import ProbeRecord
from engine.options import FileFormat, Subtype
from engine.separation.separator import Separator
from engine.separation.song import Cancelled, Progress, remainder, separate, song_of, unheard

REMAINDERS = {"vocals": "instrumental", "lead": "backing", "dry": "reverb", "noreverb": "reverb"}
"""What is left of a song without a stem, by the stem's name."""
STEM_NAMES = frozenset({*REMAINDERS, *REMAINDERS.values(), "rest", "converted"})
"""What stands in the names of files that were made of a song."""


@dataclass(frozen=True)
class StemFiles:
    """The files of a separated song.

    Attributes
    ----------
    paths : by the stem's name, e.g. ``vocals`` and ``instrumental``
    source_s : seconds of the song
    taken_s : seconds that everything took
    rate_hz : of the files
    device : where the network ran
    notes : sentences for the user
    """

    paths: dict[str, Path]
    source_s: float
    taken_s: float
    rate_hz: int
    device: str
    notes: tuple[Message, ...]


def stem_names(separator: Separator) -> tuple[str, str]:
    """The names of a network's stem and of what remains."""
    return separator.stem, REMAINDERS.get(separator.stem, "rest")


def separate_file(
    source: Path,
    separator: Separator,
    *,
    output_dir: Path | None = None,
    file_format: FileFormat = "wav",
    device: str = "cpu",
    half: bool = False,
    record: ProbeRecord | None = None,
    progress: Progress = unheard,
    cancelled: Cancelled = lambda: False,
) -> StemFiles:
    """Write ``NAME (vocals).wav`` and ``NAME (instrumental).wav``, as long as the source.

    They add up to the source. Where one is louder than full scale, both hold float numbers, if the
    format can.

    Parameters
    ----------
    source : an audio or video file
    output_dir : None is the source's folder
    device, half, record : see `engine.separation.separator.Separator.to`

    Raises
    ------
    AudioFileError : the source has no sound that can be read
    OutputFileError : a file cannot be written; then there is neither
    ConversionCancelled : nothing was written
    """
    started_s = time.perf_counter()
    names = stem_names(separator)
    for name in names:
        path = output_path_for(source, name, output_dir, file_format)
        check_output(path, file_format, None, overwrite=False)
    with ExitStack() as stack:
        with temporary_disk_errors():
            place = stack.enter_context(scratch_folder())
        song, decoded = song_of(source, place / "song", cancelled=cancelled)
        stem = separate(
            song, separator, place / "stem", device=device, half=half, record=record,
            progress=progress, cancelled=cancelled,
        )  # fmt: skip
        rate_hz = file_rate(file_format, decoded.rate_hz)
        n = resampled_length(decoded.n_frames, decoded.rate_hz, rate_hz)
        sounds = (stem.sound(rate_hz, n), remainder(song, stem, rate_hz, n))
        subtype = subtype_for(file_format, sounds)
        with all_or_none() as paths:
            for name, sound in zip(names, sounds, strict=True):
                free = partial(output_path_for, source, name, output_dir, file_format)
                write = partial(write_sound, sound=sound, file_format=file_format, subtype=subtype)
                paths.append(write_free(free, write))
    return StemFiles(
        dict(zip(names, paths, strict=True)),
        decoded.duration_s,
        time.perf_counter() - started_s,
        rate_hz,
        separator.device,
        (*decoded.notes, *separator.notes),
    )


def subtype_for(file_format: FileFormat, sounds: Iterable[Sound]) -> Subtype | None:
    """Float where integers would clip; None for the format's own."""
    if "float" not in SUBTYPES_OF[file_format]:
        return None
    peak = max(float(np.abs(block).max()) for sound in sounds for block in sound.blocks())
    return "float" if peak > 1 else None
