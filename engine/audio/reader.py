"""Open any sound or video file. What it holds decides how it is read, never its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from engine.audio import sndfile_decoder
from engine.audio.names import AUDIO_SUFFIXES, SUPPORTED_SUFFIXES, VIDEO_SUFFIXES
from engine.audio.source import (
    AudioInfo,
    ChannelsCancelError,
    DecoderRefusal,
    SoundBlock,
    SourceAudio,
    louder_channel,
    refused,
    require_sound,
)

__all__ = [
    "AUDIO_SUFFIXES",
    "SUPPORTED_SUFFIXES",
    "VIDEO_SUFFIXES",
    "probe_audio",
    "read_audio",
    "read_blocks",
]


class _Decoder(Protocol):
    """What decodes the files that libsndfile does not know."""

    def probe(self, path: Path) -> AudioInfo:
        """Read the header."""

    def decode(self, path: Path, *, mono: bool, damaged: bool = False) -> SourceAudio:
        """Decode the whole file."""

    def blocks(self, path: Path, start_s: float) -> Iterator[SoundBlock]:
        """Decode a block at a time."""


def _other_decoder() -> _Decoder:
    """FFmpeg; in the app's bundle, which has none, macOS' own."""
    if find_spec("av") is not None:
        from engine.audio import container_decoder

        return container_decoder
    from engine.audio import system_decoder

    return system_decoder


def read_audio(path: str | os.PathLike[str], *, mono: bool = False) -> SourceAudio:
    """Decode the (first) sound of a file.

    Parameters
    ----------
    path : a sound or video file with any name
    mono : keep only the mean of the channels, mixed while decoding: an hour of 48 kHz stereo
        then takes 0.7 GB instead of 1.4 GB. Where the channels cancel each other out (one of
        them is turned round), the louder one is kept, and a note says so

    Returns
    -------
    SourceAudio : its notes say if the file is cut off or damaged in parts

    Raises
    ------
    AudioFileError : if the file is missing, unreadable, no sound, silent video, protected,
        damaged beyond use, too long, or holds NaN or infinity
    """
    source = _readable(path)
    try:
        return _decoded(source, mono=mono)
    except ChannelsCancelError:
        return louder_channel(_decoded(source, mono=False))
    except OSError as error:
        raise _failed(source, error) from error


def _decoded(source: Path, *, mono: bool) -> SourceAudio:
    try:
        return sndfile_decoder.decode(source, mono=mono)
    except DecoderRefusal as refusal:
        return _other_decoder().decode(source, mono=mono, damaged=refusal.damaged)


def probe_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """What a file says of its sound, without decoding it.

    Raises
    ------
    AudioFileError : if the file is missing, unreadable, or holds no sound of a known kind
    """
    source = _readable(path)
    try:
        try:
            return sndfile_decoder.probe(source)
        except DecoderRefusal:
            return _other_decoder().probe(source)
    except OSError as error:
        raise _failed(source, error) from error


def read_blocks(path: str | os.PathLike[str], *, start_s: float = 0.0) -> Iterator[SoundBlock]:
    """Decode the (first) sound of a file a block at a time, in memory of one block.

    For looking at and listening to files of any length. Unlike `read_audio` it tells nothing of
    cuts, and keeps the fraction of a second of padding that some encoders leave at the end.
    Closing the iterator closes the file.

    Parameters
    ----------
    path : a sound or video file with any name
    start_s : where to begin; beyond the end there are no blocks

    Yields
    ------
    SoundBlock : of at most 65536 frames; all with one rate and number of channels

    Raises
    ------
    AudioFileError : as `read_audio`, when the first or the block at fault is asked for
    """
    source = _readable(path)
    try:
        yield from _checked(source, _blocks(source, start_s), start_s)
    except OSError as error:
        raise _failed(source, error) from error


def _blocks(source: Path, start_s: float) -> Iterator[SoundBlock]:
    reached_s = start_s
    try:
        for block in sndfile_decoder.blocks(source, start_s):
            yield block
            reached_s += block.samples.shape[0] / block.rate_hz
        if reached_s > 0:
            return
    except DecoderRefusal:
        pass  # a format it does not know, or damage: the other decoder goes on from there
    yield from _other_decoder().blocks(source, reached_s)


def _checked(source: Path, blocks: Iterator[SoundBlock], start_s: float) -> Iterator[SoundBlock]:
    kind: tuple[int, int] | None = None
    at_s = start_s
    for block in blocks:
        require_sound(source, block.samples, at_s)
        at_s += block.samples.shape[0] / block.rate_hz
        found = (block.rate_hz, block.samples.shape[1])
        if found != (kind or found):
            why = "its sample rate or number of channels changes on the way"
            raise refused(source, why, "convert it to a WAV file first")
        kind = found
        yield block
    if kind is None and start_s <= 0:
        raise refused(source, "it holds no sound", "choose another file")


def _readable(path: str | os.PathLike[str]) -> Path:
    source = Path(path)
    try:
        status = source.stat()
    except ValueError as error:  # a NUL in the name
        raise refused(source, "no file can have this name", "choose another file") from error
    except OSError as error:
        raise _failed(source, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise refused(source, "it is a folder", "choose a file in it")
    if not stat.S_ISREG(status.st_mode):  # a pipe or device would block or never end
        raise refused(source, "it is no ordinary file", "choose a sound or video file")
    if status.st_size == 0:
        raise refused(source, "the file is empty", "choose another file")
    return source


def _failed(source: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return refused(source, "there is no such file", "check the name and the folder")
    if isinstance(error, PermissionError):
        return refused(
            source, "you are not allowed to read it", "change its permissions or copy it elsewhere"
        )
    why = f"the disk reports: {error.strerror or error}"
    return refused(source, why, "copy the file to another disk")
