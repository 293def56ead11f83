"""Files on their way through the engine: where results go, what is read, what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.audio.names import output_path_for
from engine.audio.reader import probe_audio, read_audio
from engine.audio.writer import check_output, file_rate, write_free
from engine.errors import OutputFileError, UserError
from engine.options import ConversionOptions
from engine.pipeline import Source
from engine.run import Run

Floats = NDArray[np.float32]

TOGETHER_S = 120.0
"""Files are converted together while they are no longer than this in sum: a longer one has pieces
enough of its own to fill a batch."""


@dataclass(frozen=True)
class FileConversion:
    """Made by `plan`, which refuses what cannot be written.

    Attributes
    ----------
    output : the result's name; a function where it is ours to choose
    """

    source: Path
    options: ConversionOptions
    output: Path | Callable[[], Path]
    overwrite: bool

    @classmethod
    def plan(
        cls,
        source: Path,
        voice_title: str,
        options: ConversionOptions,
        output: Path | None = None,
        output_dir: Path | None = None,
    ) -> FileConversion:
        """Choose the result's name, see `engine.converter.Converter.convert_file`.

        Raises
        ------
        OutputFileError : the result cannot be written there
        """
        overwrite = options.overwrite and output is not None
        free = partial(output_path_for, source, voice_title, output_dir, options.file_format)
        planned = output or free()
        if _is_same_file(planned, source):
            raise OutputFileError(
                f'Cannot write "{planned.name}"',
                "it is the file that is to be converted",
                "give the result another name",
            )
        check_output(planned, options.file_format, options.subtype, overwrite=overwrite)
        return cls(source, options, output or free, overwrite)

    def write(self, samples: Floats, rate_hz: int) -> Path:
        """Write the result, whole or not at all; its name.

        Raises
        ------
        OutputFileError : the disk is full or refuses
        """
        return write_free(self.output, samples, rate_hz, self.options, overwrite=self.overwrite)


@dataclass(frozen=True)
class FileResult:
    """A result that lies on the disk.

    Attributes
    ----------
    source_s : length of the source
    rate_hz : of the result
    notes : what was odd about the source
    """

    path: Path
    source_s: float
    rate_hz: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Facts:
    """What stays known of a file when its samples are gone."""

    source_s: float
    notes: tuple[str, ...]


def plan_all(
    sources: Sequence[Path], voice_title: str, options: ConversionOptions, output_dir: Path | None
) -> list[FileConversion | UserError]:
    """Of each file its plan, or why there is none."""
    planned: list[FileConversion | UserError] = []
    for source in sources:
        try:
            planned.append(FileConversion.plan(source, voice_title, options, None, output_dir))
        except UserError as error:
            planned.append(error)
    return planned


def carry_out(
    files: Sequence[FileConversion | UserError],
    voice_rate_hz: Callable[[], int],
    convert: Callable[[list[Source]], list[Floats]],
    run: Run,
) -> list[FileResult | UserError]:
    """Read files, convert them together, and write the results; for each its own, or why not.

    Parameters
    ----------
    files : what could not be planned is passed on
    voice_rate_hz : loads the voice; asked when there is something to be converted
    convert : samples of each source; may empty the list that it is given

    Raises
    ------
    UserError : of `voice_rate_hz` and `convert`; nothing was written
    ConversionCancelled : likewise
    """
    sources: list[Source] = []
    known: list[tuple[FileConversion, _Facts] | UserError] = []
    for file in files:
        if isinstance(file, UserError):
            known.append(file)
            continue
        try:
            source, facts = _decoded(file, run)
        except UserError as error:
            known.append(error)
            continue
        sources.append(source)
        del source  # the largest thing in memory, which `convert` lets go in time
        known.append((file, facts))
    if not sources:
        return [each for each in known if isinstance(each, UserError)]
    voice_hz = voice_rate_hz()
    for place, source in enumerate(sources):
        rate_hz = _rate_hz(source.options, voice_hz)
        options = replace(source.options, output_rate_hz=rate_hz)
        sources[place] = replace(source, options=options)
        del source
    converted = iter(convert(sources))
    run.pause()
    return [
        each if isinstance(each, UserError) else _written(*each, next(converted), voice_hz, run)
        for each in known
    ]


def _decoded(file: FileConversion, run: Run) -> tuple[Source, _Facts]:
    with run.stage("decode"):
        audio = read_audio(file.source, mono=not file.options.stereo)
    return Source(audio.samples, audio.rate_hz, file.options), _Facts(audio.duration_s, audio.notes)


def _rate_hz(options: ConversionOptions, voice_rate_hz: int) -> int:
    return file_rate(options.file_format, options.output_rate_hz or voice_rate_hz)


def _written(
    file: FileConversion, facts: _Facts, samples: Floats, voice_rate_hz: int, run: Run
) -> FileResult | UserError:
    rate_hz = _rate_hz(file.options, voice_rate_hz)
    try:
        with run.stage("write", 1.0, stoppable=False):  # or half of the files would be there
            path = file.write(samples, rate_hz)
    except UserError as error:
        return error
    return FileResult(path, facts.source_s, rate_hz, facts.notes)


def groups_of_files(sources: Sequence[Path], size: int) -> list[list[Path]]:
    """Files in their order, up to `size` in a group, long ones by themselves.

    A file that cannot be read is by itself too: it is refused when its turn comes.
    """
    if size < 2 or len(sources) < 2:  # nothing to ask of the files, which may mean to decode them
        return [[source] for source in sources]
    groups: list[list[Path]] = []
    room_s = 0.0
    for source in sources:
        seconds = _seconds(source)
        if seconds > room_s or len(groups[-1]) >= size:
            groups.append([])
            room_s = TOGETHER_S
        groups[-1].append(source)
        room_s -= seconds
    return groups


def _seconds(source: Path) -> float:
    try:
        found = probe_audio(source).duration_s
    except (UserError, OSError):
        return TOGETHER_S
    return TOGETHER_S if found is None else found


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
