"""A video as the result: the source's picture and other tracks, with the converted sound."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.audio import movie_sound
from engine.audio.boxes import boxes
from engine.audio.headers import handler, is_movie, read_header
from engine.audio.source import Sound, VideoFacts
from engine.audio.writer import Sink, write_sound
from engine.errors import Message, Refusal
from engine.files import scratch_folder
from engine.options import FileFormat

_NO_PICTURE = "there is no picture in it, so the result is a sound file"
_OTHER_KIND = (
    "its picture cannot be kept, only that of MP4, MOV and Matroska files, so the result is a "
    "sound file"
)
_MOVIE_ENDINGS = frozenset({".mp4", ".mov", ".m4v"})


@dataclass(frozen=True)
class Video:
    """A source whose picture is kept.

    Attributes
    ----------
    ending : of the result's name
    sound_format : in which its sound is encoded
    """

    source: Path
    facts: VideoFacts
    ending: str
    sound_format: FileFormat

    def write(self, descriptor: int, sound: Sound) -> None:
        """Write the video with another sound into an open, empty file.

        Raises
        ------
        Refusal : this file's tracks cannot be copied
        OutputFileError, OSError : the disk is full or refuses
        """
        facts = self.facts
        with scratch_folder() as folder:
            coded = write_sound(folder / f"sound.{self.sound_format}", sound, self.sound_format)
            if facts.family == "movie":
                new = movie_sound.NewSound(coded, sound.n_frames / sound.rate_hz, facts.starts_s)
                with self.source.open("rb") as file, suppress(movie_sound.NotEditableError):
                    movie_sound.write(descriptor, file, facts.track, new)
                    return
            if find_spec("av") is None:
                raise Refusal(
                    "its picture cannot be copied on this Mac",
                    "convert it without keeping the picture",
                )
            from engine.audio import remux

            sink = Sink(descriptor)
            remux.write(sink, self.source, facts.track, coded, facts.starts_s, self.ending)
            sink.require_success()


def video_of(source: Path, track: int | None) -> Video | Message:
    """The picture of a source that can be kept, or the sentence that says why not.

    Raises
    ------
    AudioFileError : it has no sound that can be decoded
    OSError : it cannot be read
    """
    if find_spec("av") is not None:
        from engine.audio.container_decoder import video_facts

        facts = video_facts(source, track)
    else:
        facts = _facts_of_movie(source, track)
    if not facts.has_picture:
        return _NO_PICTURE
    if facts.family == "matroska":
        return Video(source, facts, "mkv", "flac")  # AAC would move the picture by its padding
    if facts.family == "movie":
        ending = source.suffix.lower() if source.suffix.lower() in _MOVIE_ENDINGS else ".mp4"
        return Video(source, facts, ending[1:], "m4a")
    return _OTHER_KIND


def _facts_of_movie(source: Path, track: int | None) -> VideoFacts:
    """Where there is no FFmpeg; macOS decodes a track from its own beginning on."""
    header = read_header(source) if is_movie(source) else None
    if header is None:
        return VideoFacts("", has_picture=False, track=1, starts_s=0.0)
    tracks = [content for name, content in boxes(header) if name == b"trak"]
    kinds = [handler(each) for each in tracks]
    sounds = [each for each, kind in zip(tracks, kinds, strict=True) if kind == b"soun"]
    number = track or 1
    starts_s = movie_sound.empty_edit_s(header, sounds[number - 1]) if sounds else 0.0
    return VideoFacts("movie", b"vide" in kinds, number, starts_s)
