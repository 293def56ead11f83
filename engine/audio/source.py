"""Sound as it came out of a file, and the bounded store it is decoded into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.audio.levels import cancelled
from engine.errors import AudioFileError, Message

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000
MAX_DURATION_S = 12 * 3600
MAX_VALUES = 1 << 30
"""Most samples kept over all channels: 4 GiB of float32, 6 h 12 min of mono at 48 kHz."""

MAX_MAGNITUDE = 1e12
"""Float files scaled to 32-bit integers reach 2e9; beyond this arithmetic would overflow."""

BLOCK_FRAMES = 1 << 16
"""Frames that are decoded, or written, at a time."""

_FIRST_BLOCK_FRAMES = BLOCK_FRAMES
_GROWTH = 1.25
_MOST_GROWTH_VALUES = 1 << 22
"""16 MiB: numpy fills what is new with zeros, and no other Python thread has a turn meanwhile."""


class SoundBlock(NamedTuple):
    """Some of a file's sound.

    Attributes
    ----------
    samples : float32 [n, channels]  n >= 1
    rate_hz : their rate, the same for all blocks of a file
    """

    samples: NDArray[np.float32]
    rate_hz: int


class DecoderRefusal(Exception):  # noqa: N818 - never leaves the room: the next decoder is asked
    """A decoder cannot read the file; another one may.

    Parameters
    ----------
    why : the decoder's own words
    damaged : whether it knows the format but met damage on the way
    """

    def __init__(self, why: str, *, damaged: bool = False) -> None:
        super().__init__(why)
        self.damaged = damaged


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of its sound, without decoding it.

    Attributes
    ----------
    path : the file
    format : container and codec, e.g. ``wav (pcm_24)``, ``mov (aac)``
    rate_hz : sample rate of its first audio stream
    channels : how many
    duration_s : as the file states or lets estimate it; None where it says nothing
    """

    path: Path
    format: str
    rate_hz: int
    channels: int
    duration_s: float | None


@dataclass(frozen=True)
class SourceAudio:
    """The decoded sound of a file.

    Attributes
    ----------
    path : the file
    format : container and codec, e.g. ``wav (pcm_24)``, ``mov (aac)``
    samples : float32 [n, channels]  full scale is 1; finite, n >= 1; float files may exceed 1
    rate_hz : sample rate
    notes : sentences the user should read, e.g. that the file is cut off
    """

    path: Path
    format: str
    samples: NDArray[np.float32]
    rate_hz: int
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """How many columns `samples` has."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length of the sound that is there."""
        return float(self.samples.shape[0] / self.rate_hz)


def shown_name(path: Path) -> str:
    """The file's name in quotes, printable whatever bytes it is made of."""
    name = (path.name or str(path)).encode(errors="replace").decode()
    return '"' + "".join(c if c.isprintable() else "?" for c in name) + '"'


def refused(path: Path, why: Message, advice: Message) -> AudioFileError:
    """The error for a source file that cannot be used."""
    return AudioFileError(f"Cannot read {shown_name(path)}", why, advice)


def louder_channel(audio: SourceAudio) -> SourceAudio:
    """One channel of a file whose channels cancel each other out, with a note that says so."""
    energy = np.einsum("nc,nc->c", audio.samples, audio.samples)
    loudest = int(energy.argmax())
    note = f"its channels cancel each other out; only the louder one, number {loudest + 1}, is used"
    samples = np.ascontiguousarray(audio.samples[:, loudest : loudest + 1])
    return replace(audio, samples=samples, notes=(*audio.notes, note))


def clock(seconds: float) -> str:
    """A duration for people: ``4.2 s``, ``3:20``, ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest_s:02d}" if hours else f"{minutes}:{rest_s:02d}"


def cut_off_note(promised_s: float, present_s: float) -> str:
    """The sentence for a file that ends before its header says so."""
    return (
        f"the file is cut off: its header promises {clock(promised_s)}, {clock(present_s)} is there"
    )


def require_sound(path: Path, block: NDArray[np.float32], at_s: float) -> None:
    """Refuse what would deafen or break every later step.

    Parameters
    ----------
    path : named in the error
    block : float32 [n, channels]
    at_s : where in the file it begins

    Raises
    ------
    AudioFileError : if it holds NaN, infinity or values over `MAX_MAGNITUDE`
    """
    if block.size and not float(np.abs(block).max()) <= MAX_MAGNITUDE:  # NaN compares false
        why = f"near {clock(at_s)} it holds values that are no sound (NaN, infinity or huge)"
        raise refused(path, why, "export it again from the program that made it")


class ChannelsCancelError(Exception):
    """The mean of a file's channels is next to silent, though they are not."""


class SampleBuffer:
    """Decoded blocks, joined as they come.

    It grows with what is decoded, never with what a header claims, so that a hostile header
    cannot make it allocate; it holds at most a quarter more than the sound needs.

    Parameters
    ----------
    path : named in errors
    rate_hz : sample rate of the blocks
    mono : keep the mean of the channels only

    Raises
    ------
    AudioFileError : if no voice can be converted at this sample rate
    """

    def __init__(self, path: Path, rate_hz: int, *, mono: bool) -> None:
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            why = f"its sample rate of {rate_hz} Hz lies outside {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
            raise refused(path, why, "convert it to a WAV file of 44100 Hz first")
        self._path = path
        self._rate_hz = rate_hz
        self._mono = mono
        self._n_frames = 0
        self._mixed_energy = 0.0
        self._louder_energy = 0.0
        self._data: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)

    @property
    def n_frames(self) -> int:
        """Frames kept so far."""
        return self._n_frames

    def append(self, block: NDArray[np.float32]) -> None:
        """Join a block.

        Parameters
        ----------
        block : float32 [n, channels]  a block with another number of channels than the first
            one is mixed to mono and spread over them

        Raises
        ------
        AudioFileError : if it holds NaN, infinity or values over `MAX_MAGNITUDE`, or the sound
            gets too long
        """
        with np.errstate(over="ignore", invalid="ignore"):
            kept = block.mean(axis=1, keepdims=True) if self._mono else block
        require_sound(self._path, kept, self._n_frames / self._rate_hz)
        if self._mono and block.shape[1] > 1:
            self._mixed_energy += float(np.square(kept, dtype=np.float64).sum())
            self._louder_energy += float(np.square(block, dtype=np.float64).sum(axis=0).max())
        if not self._data.size:
            self._data = np.empty((_FIRST_BLOCK_FRAMES, kept.shape[1]), dtype=np.float32)
        channels = self._data.shape[1]
        if kept.shape[1] != channels:
            kept = np.repeat(kept.mean(axis=1, keepdims=True), channels, axis=1)
        end = self._n_frames + kept.shape[0]
        if end > MAX_DURATION_S * self._rate_hz or end * channels > MAX_VALUES:
            why = f"it is longer than {clock(self._n_frames / self._rate_hz)}, too long for memory"
            raise refused(self._path, why, "cut it into shorter files")
        if end > self._data.shape[0]:
            known = self._data.shape[0]
            most = known + _MOST_GROWTH_VALUES // channels
            self._resize(max(end, min(int(known * _GROWTH), most)))
        self._data[self._n_frames : end] = kept
        self._n_frames = end

    def finish(self, n_frames: int | None = None) -> NDArray[np.float32]:
        """The sound, cut to `n_frames` if it is longer; the buffer is not used afterwards.

        Returns
        -------
        float32 [n, channels]  channels is 1 where mono was asked for

        Raises
        ------
        AudioFileError : if there is not one sample
        ChannelsCancelError : mono was asked for, and the mean of the channels is next to silent
        """
        if cancelled(self._mixed_energy, self._louder_energy):
            raise ChannelsCancelError
        n = self._n_frames if n_frames is None else min(self._n_frames, n_frames)
        if n < 1:
            raise refused(self._path, "it holds no sound", "choose another file")
        self._resize(n)
        return self._data

    def _resize(self, n_frames: int) -> None:
        # realloc in place: no second copy; nobody else holds a view of the data yet.
        self._data.resize((n_frames, self._data.shape[1]), refcheck=False)
