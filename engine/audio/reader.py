"""Open any audio or video file. Its content decides how it is read, never its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.audio import sndfile_decoder
from engine.audio.source import (
    AudioInfo,
    Decoded,
    DecoderRefusal,
    Intake,
    Receiver,
    Sound,
    SoundBlock,
    clock,
    ends_before,
    like_the_first,
    no_such_track,
    refused,
    require_sound,
)
from engine.errors import Message, Text

Floats = NDArray[np.float32]

MAX_VALUES = 1 << 30
"""Most samples that `read_audio` keeps in memory, over all channels: 4 GiB of float32."""

_FIRST_FRAMES = 1 << 16
_GROWTH = 1.25
_MOST_GROWTH_VALUES = 1 << 22
"""16 MiB: numpy fills new memory with zeros and blocks every other Python thread meanwhile."""


@dataclass(frozen=True)
class SourceAudio:
    """The decoded sound of a file.

    Attributes
    ----------
    format : container and codec, e.g. ``wav (pcm_24)``, ``mov (aac)``
    samples : float32 [n, channels]  full scale is 1; finite, n >= 1; float files may exceed 1
    notes : sentences for the user, e.g. that the file is cut off
    """

    path: Path
    format: str
    samples: Floats
    rate_hz: int
    notes: tuple[Message, ...] = ()

    @property
    def channels(self) -> int:
        """How many columns `samples` has."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length of the sound that is there."""
        return float(self.samples.shape[0] / self.rate_hz)


class _Decoder(Protocol):
    """Decodes the files that libsndfile does not know."""

    def probe(self, path: Path, track: int | None = None) -> AudioInfo:
        """Read the header."""

    def decode(
        self, path: Path, intake: Intake, track: int | None = None, *, damaged: bool = False
    ) -> Decoded:
        """Decode the whole file."""

    def blocks(self, path: Path, start_s: float, track: int | None = None) -> Iterator[SoundBlock]:
        """Decode a block at a time."""

    def starts_anywhere(self, path: Path) -> bool:
        """Whether `blocks` decodes nothing that lies far before its start."""


def _other_decoder() -> _Decoder:
    """FFmpeg; in the app's bundle, which has none, macOS' own."""
    if find_spec("av") is not None:
        from engine.audio import container_decoder

        return container_decoder
    from engine.audio import system_decoder

    return system_decoder


def decode_audio(
    path: str | os.PathLike[str],
    receiver: Receiver,
    *,
    channels: int | None,
    track: int | None = None,
) -> Decoded:
    """Decode the sound of a file into a receiver, in the memory of a few blocks.

    Parameters
    ----------
    path : an audio or video file with any name
    channels : most to keep, 1 or 2: mixed by their layout, without empty ones; None keeps all.
        Where mixing to 1 cancels the channels out, the louder one is kept, and a note says so
    track : which one of several, from 1; None is the first one that has sound, where possible
        the default one, and a note says which it is

    Returns
    -------
    Decoded : its notes say if the file is cut off or damaged in parts

    Raises
    ------
    AudioFileError : if the file is missing, unreadable, not sound, a silent video, protected,
        too damaged, too long, or holds NaN or infinity
    """
    source = _readable(path)

    def play(intake: Intake) -> Decoded:
        try:
            decoded = sndfile_decoder.decode(source, intake)
        except DecoderRefusal as refusal:
            return _other_decoder().decode(source, intake, track, damaged=refusal.damaged)
        _require_first(source, track)
        return decoded

    try:
        return _received(source, play, receiver, channels)
    except OSError as error:
        raise _failed(source, error) from error


def decode_part(
    path: str | os.PathLike[str],
    start_s: float,
    stop_s: float,
    receiver: Receiver,
    *,
    channels: int,
    track: int | None = None,
) -> Decoded:
    """Decode a stretch of a file as `decode_audio` would if it were a file of its own.

    Nothing after it is read, and in most formats nothing before it.

    Raises
    ------
    OptionError : the file ends before the stretch begins
    AudioFileError : as `decode_audio`
    """
    source = _readable(path)

    def stretch() -> Iterator[SoundBlock]:
        left_s = stop_s - start_s
        with closing(read_blocks(source, start_s=start_s, track=track)) as blocks:
            for block in blocks:
                n = round(left_s * block.rate_hz)
                yield block._replace(samples=block.samples[:n])
                left_s -= len(block.samples) / block.rate_hz
                if round(left_s * block.rate_hz) < 1:
                    return

    def play(intake: Intake) -> Decoded:
        intake.take(stretch())
        if not intake.n_frames:
            raise ends_before(source)
        intake.finish()
        return Decoded("stretch", intake.rate_hz, intake.n_frames)

    return _received(source, play, receiver, channels)


def receive_array(samples: Floats, rate_hz: int, receiver: Receiver, *, channels: int) -> Decoded:
    """Pass samples float32 [n, channels] to a receiver as `decode_audio` does with a file's."""
    return receive_sound(Sound.of(samples, rate_hz), receiver, channels=channels)


def receive_sound(sound: Sound, receiver: Receiver, *, channels: int) -> Decoded:
    """Pass a sound to a receiver as `decode_audio` does with a file's."""

    def play(intake: Intake) -> Decoded:
        intake.take(SoundBlock(block, sound.rate_hz) for block in sound.blocks())
        intake.finish()
        return Decoded("samples", sound.rate_hz, intake.n_frames)

    return _received(Path("samples"), play, receiver, channels)


def _received(
    path: Path, play: Callable[[Intake], Decoded], receiver: Receiver, channels: int | None
) -> Decoded:
    intake = Intake(path, receiver, channels)
    decoded = play(intake)
    better = intake.better_mix()
    if better is not None:
        intake = Intake(path, receiver, channels, better)
        decoded = play(intake)
    return replace(decoded, notes=(*decoded.notes, *intake.notes))


def read_audio(path: str | os.PathLike[str], *, mono: bool = False) -> SourceAudio:
    """Decode the sound of a file into memory; see `decode_audio`.

    Parameters
    ----------
    mono : keep only the mean of the channels, mixed while decoding

    Raises
    ------
    AudioFileError : as `decode_audio`, or if the sound is too long for memory
    """
    buffer = _Buffer(Path(path))
    decoded = decode_audio(path, buffer, channels=1 if mono else None)
    samples = buffer.finish(decoded.n_frames)
    return SourceAudio(Path(path), decoded.format, samples, decoded.rate_hz, decoded.notes)


class _Buffer:
    """Decoded blocks in one array.

    It grows with the decoded sound, never to what a header claims, so that a hostile header
    cannot make it allocate; it holds at most a quarter more than the sound needs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rate_hz = 0
        self._n = 0
        self._data: Floats = np.empty((0, 0), dtype=np.float32)

    def begin(self, rate_hz: int, channels: int) -> None:
        """See `Receiver`."""
        self._rate_hz, self._n = rate_hz, 0
        self._data = np.empty((_FIRST_FRAMES, channels), dtype=np.float32)

    def append(self, block: Floats) -> None:
        """See `Receiver`."""
        known, channels = self._data.shape
        end = self._n + len(block)
        if end * channels > MAX_VALUES:
            why = Text(
                "it is longer than {duration}, too long for memory",
                duration=clock(self._n / self._rate_hz),
            )
            raise refused(self._path, why, "cut it into shorter files")
        if end > known:
            most = known + _MOST_GROWTH_VALUES // channels
            self._resize(max(end, min(int(known * _GROWTH), most)))
        self._data[self._n : end] = block
        self._n = end

    def finish(self, n_frames: int) -> Floats:
        """The sound, cut to ``n_frames``; the buffer is not used afterwards."""
        self._resize(min(self._n, n_frames))
        return self._data

    def _resize(self, n_frames: int) -> None:
        # realloc in place: no second copy; there is no other view of the data yet.
        self._data.resize((n_frames, self._data.shape[1]), refcheck=False)


def probe_audio(path: str | os.PathLike[str], *, track: int | None = None) -> AudioInfo:
    """What a file states about its sound, without decoding it.

    Parameters
    ----------
    track : which one of several, from 1; see `decode_audio`

    Raises
    ------
    AudioFileError : if the file is missing, unreadable, or not in a known audio format
    """
    source = _readable(path)
    try:
        try:
            info = sndfile_decoder.probe(source)
        except DecoderRefusal:
            return _other_decoder().probe(source, track)
    except OSError as error:
        raise _failed(source, error) from error
    _require_first(source, track)
    return info


def starts_anywhere(path: str | os.PathLike[str]) -> bool:
    """Whether `read_blocks` can start far into a file without decoding what is before.

    Raises
    ------
    AudioFileError : as `probe_audio`
    """
    source = _readable(path)
    try:
        try:
            sndfile_decoder.probe(source)
        except DecoderRefusal:
            return _other_decoder().starts_anywhere(source)
    except OSError as error:
        raise _failed(source, error) from error
    return True


def read_blocks(
    path: str | os.PathLike[str], *, start_s: float = 0.0, track: int | None = None
) -> Generator[SoundBlock, None, None]:
    """Decode the sound of a file a block at a time, in memory of one block.

    Unlike `decode_audio` it can start anywhere, and gives no notes. Closing the iterator closes the
    file.

    Parameters
    ----------
    path : an audio or video file with any name
    start_s : where to begin; beyond the end there are no blocks
    track : which one of several, from 1; see `decode_audio`

    Yields
    ------
    SoundBlock : of at most 65536 frames; all with one rate and number of channels

    Raises
    ------
    AudioFileError : as `decode_audio`, when the first or the faulty block is read
    """
    source = _readable(path)
    try:
        yield from _checked(source, _blocks(source, start_s, track), start_s)
    except OSError as error:
        raise _failed(source, error) from error


def _blocks(source: Path, start_s: float, track: int | None) -> Iterator[SoundBlock]:
    reached_s = start_s
    try:
        for block in sndfile_decoder.blocks(source, start_s):
            _require_first(source, track)
            yield block
            reached_s += block.samples.shape[0] / block.rate_hz
        if reached_s > 0:
            return
    except DecoderRefusal:
        pass  # unknown format, or damage: the other decoder continues from there
    yield from _other_decoder().blocks(source, reached_s, track)


def _checked(source: Path, blocks: Iterator[SoundBlock], start_s: float) -> Iterator[SoundBlock]:
    at_s = start_s
    found_any = False
    for block in like_the_first(blocks):
        require_sound(source, block.samples, at_s)
        at_s += block.samples.shape[0] / block.rate_hz
        found_any = True
        yield block
    if not found_any and start_s <= 0:
        raise refused(source, "it holds no sound", "choose another file")


def _require_first(source: Path, track: int | None) -> None:
    """Files that libsndfile reads have one track of sound."""
    if track is not None and track != 1:
        raise no_such_track(source, track, 1)


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
        raise refused(source, "it isn't a regular file", "choose an audio or video file")
    if status.st_size == 0:
        raise refused(source, "the file is empty", "choose another file")
    return source


def _failed(source: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return refused(source, "the file does not exist", "check the name and the folder")
    if isinstance(error, PermissionError):
        return refused(
            source, "you are not allowed to read it", "change its permissions or copy it elsewhere"
        )
    why = Text("the disk reports: {report}", report=error.strerror or str(error))
    return refused(source, why, "copy the file to another disk")
