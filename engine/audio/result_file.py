"""The file of a result: its name, its format, and what it takes over from its source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.audio.names import VIDEO_SUFFIXES, number_of, output_path_for
from engine.audio.reader import probe_audio
from engine.audio.source import Sound, shown_name
from engine.audio.tags.file_tags import read_tags
from engine.audio.video import Video, video_of
from engine.audio.writer import (
    check_output,
    unwritable,
    with_possible_subtype,
    write_file,
    write_free,
    write_sound,
)
from engine.errors import Message, OutputFileError, Text
from engine.options import ConversionOptions


class Written(NamedTuple):
    """A finished file.

    Attributes
    ----------
    sound : SHA-256 of its samples before they were encoded; "" where that was not asked for
    """

    path: Path
    sound: str


@dataclass(frozen=True)
class ResultFile:
    """Where a result goes.

    Attributes
    ----------
    source : it keeps the tags of this file, and where that is asked for the picture
    options : those that were asked for, as far as they are possible
    name : that was asked for; None takes what ``choose`` gives, which is free
    video : the source's picture, where it is kept
    notes : sentences for the user
    """

    source: Path
    options: ConversionOptions
    name: Path | None
    choose: Callable[[], Path]
    video: Video | None
    notes: tuple[Message, ...]

    @classmethod
    def plan(
        cls,
        source: Path,
        voice_title: str,
        options: ConversionOptions,
        output: Path | None,
        output_dir: Path | None,
    ) -> ResultFile:
        """Choose the name and the format, and refuse what could not be written in the end.

        Parameters
        ----------
        output, output_dir : as in `engine.converter.Converter.convert_file`

        Raises
        ------
        AudioFileError : the source is missing or not sound, which is said first
        OutputFileError : the result would replace its source, or cannot be written there
        """
        notes: list[Message] = []
        video = None
        if options.video:
            probe_audio(source, track=options.track)
            found = video_of(source, options.track)
            if isinstance(found, Video):
                video = found
                options = replace(options, file_format=found.sound_format, subtype=None)
            else:
                notes.append(found)
        options, note = with_possible_subtype(options)
        notes += [] if note is None else [note]
        ending = options.file_format if video is None else video.ending
        choose = partial(output_path_for, source, voice_title, output_dir, ending)
        made = cls(source, options, output, choose, video, tuple(notes))
        made._check()
        return made

    @property
    def _overwrites(self) -> bool:
        return self.options.overwrite and self.name is not None

    def _check(self) -> None:
        target = self.name or self.choose()
        with suppress(OSError):
            if target.samefile(self.source):
                raise unwritable(
                    target, "it is the file that is to be converted", "give the result another name"
                )
        if self.video is not None and target.suffix.lower() != f".{self.video.ending}":
            why = Text("the picture of {name} is kept", name=shown_name(self.source))
            raise unwritable(target, why, Text("end it with .{ending}", ending=self.video.ending))
        kind, subtype = self.options.file_format, self.options.subtype
        if self.options.video and self.video is None and target.suffix.lower() in VIDEO_SUFFIXES:
            raise unwritable(target, self.notes[0], Text("end it with .{ending}", ending=kind))
        try:
            check_output(target, kind, subtype, overwrite=self._overwrites)
        except OutputFileError:
            probe_audio(self.source)  # what is wrong with the source is said first
            raise

    def write(self, sound: Sound, *, hashed: bool = False) -> Written:
        """Write the result; it appears under its name only when it is complete and on disk.

        The title has the number of a name that we had to number.

        Parameters
        ----------
        hashed : whether the SHA-256 of the samples is wanted

        Raises
        ------
        OutputFileError : as `engine.audio.writer.write_sound`, or the picture cannot be copied
        """
        if self.name is not None:
            return self._write(self.name, sound, hashed=hashed)
        return write_free(self.choose, partial(self._write, sound=sound, hashed=hashed))

    def _write(self, name: Path, sound: Sound, *, hashed: bool) -> Written:
        digest = None
        if hashed:
            sound, digest = _hashed(sound)
        if self.video is not None:
            make = partial(self.video.write, sound=sound)
            write_file(name, make, overwrite=self._overwrites)
        else:
            tags = read_tags(self.source)
            tags = tags if self.name is not None else tags.titled(number_of(name))
            kind, subtype = self.options.file_format, self.options.subtype
            write_sound(name, sound, kind, subtype, overwrite=self._overwrites, tags=tags)
        return Written(name, "" if digest is None else digest.hexdigest())


def _hashed(sound: Sound) -> tuple[Sound, hashlib._Hash]:
    """The sound, and the SHA-256 of what was read of it so far."""
    digest = hashlib.sha256(f"{sound.rate_hz} {sound.channels} ".encode())

    def blocks() -> Iterator[NDArray[np.float32]]:
        for block in sound.blocks():
            digest.update(np.ascontiguousarray(block, np.float32).data)
            yield block

    return replace(sound, blocks=blocks), digest
