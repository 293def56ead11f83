"""Songs on disk while they are separated, and the separation of a song.

A song is a file of raw float32 numbers, little-endian, [n, 2] at 44,100 Hz: it is read and written
piece by piece, so that memory does not grow with its length.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.audio.reader import decode_audio, decode_part
from engine.audio.resampling import Resampler, fit_length, resample_blocks, resampled_length
from engine.audio.source import Decoded, Receiver, Sound
from engine.audio.spool import BLOCK_FRAMES, temporary_disk_errors
from engine.errors import ConversionCancelled, OutputFileError, Text, as_user_error, on_disk
from engine.files import atomic_file, write_at
from engine.finding import ProbeRecord
from engine.plain_text import plain
from engine.separation.chunks import Piece, overlap_add
from engine.separation.separator import Separator
from engine.stages import CPU
from engine.stopping import StopBetweenOperations

Floats = NDArray[np.float32]

SONG_RATE_HZ = 44_100
CHANNELS = 2
_FRAME_BYTES = 4 * CHANNELS
_LEAST_DEVIATION = 1e-8
_LONGEST_SHIFT = SONG_RATE_HZ // 2

Progress = Callable[[float, float | None], None]
"""Receives the share that is done, 0..1, and the seconds that are left once they are known."""


def unheard(done: float, left_s: float | None) -> None:
    """No-op listener."""


Cancelled = Callable[[], bool]
"""Whether the user wants to stop; asked between the pieces of a song, on the CPU more often."""


@dataclass(frozen=True)
class Song:
    """A song on disk.

    Attributes
    ----------
    n : its samples, >= 1
    """

    path: Path
    n: int

    @classmethod
    def open(cls, path: Path) -> Song:
        """A file that was written before.

        Raises
        ------
        OSError : there is no such file
        """
        return cls(path, path.stat().st_size // _FRAME_BYTES)

    def __len__(self) -> int:
        return self.n

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, 2]; zero before the beginning and after the end."""
        samples = np.zeros((stop - start, CHANNELS), "<f4")
        low, high = max(start, 0), min(stop, self.n)
        if low < high:
            with temporary_disk_errors(), self.path.open("rb", buffering=0) as file:
                file.seek(low * _FRAME_BYTES)
                found = samples[low - start : high - start].view(np.uint8).reshape(-1).data
                while len(found) and (count := file.readinto(found)):
                    found = found[count:]
        return samples

    def blocks(self, size: int = BLOCK_FRAMES) -> Iterator[Floats]:
        """All of it, float32 [m, 2] at a time."""
        for start in range(0, self.n, size):
            yield self.read(start, min(start + size, self.n))

    def sound(self, rate_hz: int = SONG_RATE_HZ, n: int | None = None) -> Sound:
        """To be written, at another rate and of exactly n samples there if asked for."""
        return _at_rate(Sound(SONG_RATE_HZ, self.n, CHANNELS, self.blocks), rate_hz, n)


def song_of(
    source: Path, path: Path, *, track: int | None = None, cancelled: Cancelled = lambda: False
) -> tuple[Song, Decoded]:
    """Decode any audio or video file into a song; mono fills both channels.

    Parameters
    ----------
    path : of the song, which appears when it is complete; one that exists is replaced
    track : which sound track of several; see `engine.audio.reader.decode_audio`

    Returns
    -------
    The song, and the source's own rate, length and notes

    Raises
    ------
    AudioFileError : as `decode_audio`
    OutputFileError : the disk refuses
    ConversionCancelled : nothing was written
    """
    return _received(partial(decode_audio, source, channels=CHANNELS, track=track), path, cancelled)


def part_of_song(
    source: Path,
    start_s: int,
    stop_s: float,
    path: Path,
    *,
    track: int | None = None,
    cancelled: Cancelled = lambda: False,
) -> Song:
    """A stretch of a file as a song; only that is decoded. See `song_of`.

    Raises
    ------
    OptionError : the file ends before the stretch begins
    AudioFileError, OutputFileError, ConversionCancelled : as `song_of`
    """
    decode = partial(decode_part, source, start_s, stop_s, channels=CHANNELS, track=track)
    return _received(decode, path, cancelled)[0]


def _received(
    decode: Callable[[Receiver], Decoded], path: Path, cancelled: Cancelled
) -> tuple[Song, Decoded]:
    """A song of what a decoder gives."""
    with _written(path) as descriptor:
        receiver = _SongReceiver(descriptor, path.parent, cancelled)
        decoded = decode(receiver)
        n = max(1, resampled_length(decoded.n_frames, decoded.rate_hz, SONG_RATE_HZ))
        receiver.finish(n)
    return Song(path, n), decoded


def song_of_sound(sound: Sound, path: Path, *, cancelled: Cancelled = lambda: False) -> Song:
    """A song of what is decoded already; see `song_of`.

    Parameters
    ----------
    sound : of 1 or 2 channels
    """
    with _written(path) as descriptor:
        receiver = _SongReceiver(descriptor, path.parent, cancelled)
        receiver.begin(sound.rate_hz, sound.channels)
        for block in sound.blocks():
            receiver.append(block)
        n = max(1, resampled_length(sound.n_frames, sound.rate_hz, SONG_RATE_HZ))
        receiver.finish(n)
    return Song(path, n)


def remainder(song: Song, stem: Song, rate_hz: int = SONG_RATE_HZ, n: int | None = None) -> Sound:
    """What a song holds beside a stem: the difference, sample by sample.

    Parameters
    ----------
    song, stem : of one length; the stem was made of this very song
    rate_hz, n : as in `Song.sound`
    """

    def blocks() -> Iterator[Floats]:
        for whole, part in zip(song.blocks(), stem.blocks(), strict=True):
            yield whole - part

    return _at_rate(Sound(SONG_RATE_HZ, song.n, CHANNELS, blocks), rate_hz, n)


def separate(
    song: Song,
    network: Path | Separator,
    out_file: Path,
    *,
    device: str = "cpu",
    half: bool = False,
    record: ProbeRecord | None = None,
    progress: Progress = unheard,
    cancelled: Cancelled = lambda: False,
    shifts: int = 0,
    seed: int = 0,
) -> Song:
    """Write the network's first stem of a song (the vocals): the same numbers on every run.

    Parameters
    ----------
    network : a file of one, or one that is loaded
    out_file : the stem, of exactly as many samples as the song; it appears when it is complete
    device, half, record : where and how the network runs, see `Separator.to`; one that is loaded
        is moved
    shifts : above 0, the mean of so many passes over the song, each shifted by up to half a second

    Raises
    ------
    WeightsError : the network's file cannot be used
    OutputFileError : the disk refuses
    ConversionCancelled : nothing was written
    """
    separator = network if isinstance(network, Separator) else Separator.open(network)
    separator.to(device, half=half, record=record)
    rng = np.random.default_rng(seed)
    offsets = [int(rng.integers(_LONGEST_SHIFT)) for _ in range(shifts)] or [0]
    mean, deviation = _level(song) if separator.normalises else (np.float32(0), np.float32(1))
    passes = [(offset, separator.plan.pieces(song.n + offset)) for offset in offsets]
    clock = _Clock(sum(len(pieces) for _, pieces in passes), progress, cancelled)

    def blocks(offset: int, pieces: list[Piece]) -> Iterator[Floats]:
        """One pass over the song with silence before it."""

        def reader(start: int, stop: int) -> Floats:
            places = np.arange(start - offset, stop - offset)
            inside = (places >= 0) & (places < song.n)
            samples = (song.read(start - offset, stop - offset) - mean) / deviation
            samples[~inside] = 0
            return samples

        def separated(piece: Piece) -> Floats:
            clock.start()
            with StopBetweenOperations(cancelled) if separator.device == CPU else nullcontext():
                result = separator.separate(piece.read(reader))
            clock.finish()
            return result

        skipped = 0
        for block in overlap_add(song.n + offset, pieces, separated):
            rest = block[max(0, offset - skipped) :]
            skipped += len(block) - len(rest)
            if len(rest):
                yield rest * deviation + mean

    with _written(out_file) as descriptor:
        for number, (offset, pieces) in enumerate(passes):
            at = 0
            for block in blocks(offset, pieces):
                if number:
                    made = np.frombuffer(os.pread(descriptor, block.nbytes, at), "<f4")
                    block = block + made.reshape(block.shape)
                if number == len(passes) - 1:
                    block = block / np.float32(len(passes))
                at += _append(descriptor, block, at)
    return Song(out_file, song.n)


class _Clock:
    """Tells the progress, and how long the rest takes by the pace since the second piece."""

    def __init__(self, pieces: int, progress: Progress, cancelled: Cancelled) -> None:
        self._pieces = pieces
        self._done = 0
        self._progress = progress
        self._cancelled = cancelled
        self._after_first_s = 0.0
        progress(0.0, None)

    def start(self) -> None:
        if self._cancelled():
            raise ConversionCancelled

    def finish(self) -> None:
        now_s = time.monotonic()
        self._done += 1
        left_s = None
        if self._done == 1:
            self._after_first_s = now_s  # the first piece also prepares the device
        else:
            pace_s = (now_s - self._after_first_s) / (self._done - 1)
            left_s = pace_s * (self._pieces - self._done)
        self._progress(self._done / self._pieces, left_s)


class _SongReceiver:
    """Receives a source and writes it as a song; see `engine.audio.source.Receiver`."""

    def __init__(self, descriptor: int, folder: Path, cancelled: Cancelled) -> None:
        self._descriptor = descriptor
        self._folder = folder
        self._cancelled = cancelled
        self.begin(SONG_RATE_HZ, CHANNELS)

    def begin(self, rate_hz: int, channels: int) -> None:
        self._resampler = Resampler(rate_hz, SONG_RATE_HZ, channels)
        self._at = 0

    def append(self, block: Floats) -> None:
        if self._cancelled():
            raise ConversionCancelled
        self._keep(self._resampler.resample(block))

    def finish(self, n: int) -> None:
        """Write the rest; the song has n samples then."""
        self._keep(self._resampler.finish())
        os.ftruncate(self._descriptor, n * _FRAME_BYTES)

    def _keep(self, block: Floats) -> None:
        if len(block):
            stereo = np.broadcast_to(block, (len(block), CHANNELS))
            with _disk_errors(self._folder):  # here, or the source would be blamed
                self._at += _append(self._descriptor, stereo, self._at)


@contextmanager
def _written(path: Path) -> Iterator[int]:
    with _disk_errors(path.parent), atomic_file(path, overwrite=True) as file:
        yield file


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Say that the disk of a song failed."""
    what = Text("Cannot keep the song in {folder}", folder=plain(str(folder.absolute())))
    with as_user_error(what, OutputFileError), on_disk():
        yield


def _append(descriptor: int, block: Floats, at: int) -> int:
    """Write float32 [m, 2] at a position; returns its bytes."""
    data = np.ascontiguousarray(block, "<f4").tobytes()
    write_at(descriptor, data, at)
    return len(data)


def _level(song: Song) -> tuple[np.float32, np.float32]:
    """Mean and deviation of the mean of both channels."""
    total, squares = 0.0, 0.0
    for block in song.blocks():
        total += float(block.mean(1, dtype=np.float64).sum())
    mean = total / song.n
    for block in song.blocks():
        squares += float(np.square(block.mean(1, dtype=np.float64) - mean).sum())
    deviation = math.sqrt(squares / (song.n - 1)) if song.n > 1 else 1.0
    return np.float32(mean), np.float32(deviation + _LEAST_DEVIATION)


def _at_rate(sound: Sound, rate_hz: int, n: int | None) -> Sound:
    if n is None:
        n = resampled_length(sound.n_frames, sound.rate_hz, rate_hz)
    if rate_hz == sound.rate_hz and n == sound.n_frames:
        return sound

    def fitted() -> Iterator[Floats]:
        blocks = resample_blocks(sound.blocks(), sound.rate_hz, rate_hz)
        return fit_length(blocks, n, sound.channels)

    return Sound(rate_hz, n, sound.channels, fitted)
