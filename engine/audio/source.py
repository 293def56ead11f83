"""Sound on its way out of a file: a block at a time, checked, and mixed as asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.audio.levels import is_cancelled
from engine.audio.spool import BLOCK_FRAMES
from engine.errors import AudioFileError, Message, Text

Floats = NDArray[np.float32]

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000
MAX_DURATION_S = 12 * 3600

MAX_MAGNITUDE = 1e12
"""Float files scaled to 32-bit integers reach 2e9; beyond this arithmetic would overflow."""

_HELD_FRAMES = 1 << 14
"""Kept back until the end is known: more than the padding that an encoder leaves there."""


class SoundBlock(NamedTuple):
    """Some of a file's sound.

    Attributes
    ----------
    samples : float32 [n, channels]  n >= 1
    rate_hz : their rate, the same for all blocks of a file
    """

    samples: Floats
    rate_hz: int


class DecoderRefusal(Exception):  # noqa: N818 - internal: the next decoder is tried
    """A decoder cannot read the file; another one may.

    Parameters
    ----------
    why : the decoder's own words
    damaged : True if it knows the format but the file is damaged
    """

    def __init__(self, why: str, *, damaged: bool = False) -> None:
        super().__init__(why)
        self.damaged = damaged


@dataclass(frozen=True)
class AudioInfo:
    """What a file states about its sound, without decoding it.

    Attributes
    ----------
    format : container and codec, e.g. ``wav (pcm_24)``, ``mov (aac)``
    rate_hz, channels : of its first audio stream
    duration_s : as stated or estimated; None where the file says nothing
    """

    path: Path
    format: str
    rate_hz: int
    channels: int
    duration_s: float | None


@dataclass(frozen=True)
class Decoded:
    """Facts about a sound that was decoded.

    Attributes
    ----------
    format : container and codec, e.g. ``wav (pcm_24)``, ``mov (aac)``
    n_frames : its length, without the encoder's padding
    notes : sentences for the user, e.g. that the file is cut off
    """

    format: str
    rate_hz: int
    n_frames: int
    notes: tuple[Message, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_frames / self.rate_hz


@dataclass(frozen=True, eq=False)
class Sound:
    """A finished sound of known length, read a block at a time and as often as needed.

    Attributes
    ----------
    blocks : starts again from the beginning; yields float32 [m, channels], n_frames in all
    """

    rate_hz: int
    n_frames: int
    channels: int
    blocks: Callable[[], Iterator[Floats]]

    @classmethod
    def of(cls, samples: Floats, rate_hz: int) -> Sound:
        """An array, float32 [n] or [n, channels]."""
        columns = samples[:, None] if samples.ndim == 1 else samples
        return cls(rate_hz, len(columns), columns.shape[1], lambda: in_blocks(columns))


class Receiver(Protocol):
    """Takes decoded sound."""

    def begin(self, rate_hz: int, channels: int) -> None:
        """A sound starts. Called again where another decoder starts over: drop what came before."""

    def append(self, block: Floats) -> None:
        """The next float32 [m, channels], m >= 1."""


class Intake:
    """Checks decoded blocks, mixes their channels, and passes them to a receiver.

    Parameters
    ----------
    path : named in errors
    channels : most to keep: 1 keeps the mean, 2 spreads further channels over the first two;
        None keeps all
    only : keep this channel alone
    """

    def __init__(
        self, path: Path, receiver: Receiver, channels: int | None, only: int | None = None
    ) -> None:
        self._path = path
        self._receiver = receiver
        self._limit = channels
        self._only = only
        self.rate_hz = 0
        self.n_frames = 0
        self._channels = 0
        self._mixed_energy = 0.0
        self._energies: NDArray[np.float64] = np.zeros(0)
        self._held: deque[Floats] = deque()
        self._held_frames = 0

    def begin(self, rate_hz: int) -> None:
        """Start, or start over with another decoder.

        Raises
        ------
        AudioFileError : no voice can be converted at this sample rate
        """
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            why = Text(
                "its sample rate of {rate} Hz lies outside {lowest} to {highest} Hz",
                rate=rate_hz,
                lowest=MIN_RATE_HZ,
                highest=MAX_RATE_HZ,
            )
            raise refused(self._path, why, "convert it to a WAV file of 44100 Hz first")
        self.rate_hz = rate_hz
        self.n_frames = 0
        self._channels = 0
        self._mixed_energy = 0.0
        self._energies = np.zeros(0)
        self._held.clear()
        self._held_frames = 0

    def append(self, block: Floats) -> None:
        """Take float32 [m, channels].

        A block with another number of channels than the first one is mixed to mono and spread.

        Raises
        ------
        AudioFileError : it holds NaN, infinity or values over `MAX_MAGNITUDE`, or the sound is
            longer than `MAX_DURATION_S`
        """
        with np.errstate(over="ignore", invalid="ignore"):
            kept = self._mixed(block)
        require_sound(self._path, kept, self.n_frames / self.rate_hz)
        if self._limit == 1 and block.shape[1] > 1 and self._only is None:
            self._count_energy(block, kept)
        if not self._channels:
            self._channels = kept.shape[1]
            self._receiver.begin(self.rate_hz, self._channels)
        if kept.shape[1] != self._channels:
            kept = np.repeat(kept.mean(axis=1, keepdims=True), self._channels, axis=1)
        self.n_frames += len(kept)
        if self.n_frames > MAX_DURATION_S * self.rate_hz:
            why = Text("it is longer than {duration}", duration=clock(MAX_DURATION_S))
            raise refused(self._path, why, "cut it into shorter files")
        self._held.append(kept)
        self._held_frames += len(kept)
        while self._held_frames - len(self._held[0]) >= _HELD_FRAMES:
            self._pass_on(len(self._held[0]))

    def finish(self, n_frames: int | None = None) -> None:
        """End the sound, cut to ``n_frames`` if it is longer.

        Raises
        ------
        AudioFileError : there is not one sample
        """
        passed = self.n_frames - self._held_frames
        if n_frames is not None and n_frames < self.n_frames:
            self.n_frames = n_frames
        if self.n_frames < 1:
            raise refused(self._path, "it holds no sound", "choose another file")
        left = self.n_frames - passed
        while left > 0:
            left -= self._pass_on(left)

    def louder_channel(self) -> int | None:
        """The loudest channel, where the mean of all was asked for and is next to silent."""
        if not len(self._energies):
            return None
        if not is_cancelled(self._mixed_energy, float(self._energies.max())):
            return None
        return int(self._energies.argmax())

    def _pass_on(self, most: int) -> int:
        block = self._held.popleft()
        self._held_frames -= len(block)
        self._receiver.append(block[:most])
        return len(block)

    def _mixed(self, block: Floats) -> Floats:
        if self._only is not None:
            only: Floats = block[:, min(self._only, block.shape[1] - 1)][:, None]
            return only
        if self._limit is None or block.shape[1] <= self._limit:
            return block
        if self._limit == 1:
            mean: Floats = block.mean(axis=1, keepdims=True)
            return mean
        kept = self._limit
        spread: Floats = block[:, :kept] + block[:, kept:].mean(1, keepdims=True)
        return spread

    def _count_energy(self, block: Floats, mixed: Floats) -> None:
        if not len(self._energies):
            self._energies = np.zeros(block.shape[1])
        if len(self._energies) == block.shape[1]:
            self._energies += np.einsum("nc,nc->c", block, block, dtype=np.float64)
            self._mixed_energy += float(np.einsum("nc,nc->", mixed, mixed, dtype=np.float64))


def in_blocks(samples: Floats) -> Iterator[Floats]:
    """An array [n, ...] a block at a time."""
    for start in range(0, len(samples), BLOCK_FRAMES):
        yield samples[start : start + BLOCK_FRAMES]


def shown_name(path: Path) -> str:
    """The file's name in quotes, printable whatever bytes it is made of."""
    name = (path.name or str(path)).encode(errors="replace").decode()
    return '"' + "".join(c if c.isprintable() else "?" for c in name) + '"'


def refused(path: Path, why: Message, advice: Message) -> AudioFileError:
    """The error for a source file that cannot be used."""
    return AudioFileError(Text("Cannot read {name}", name=shown_name(path)), why, advice)


def louder_channel_note(channel: int) -> Text:
    """The sentence for a file whose channels cancel each other out."""
    return Text(
        "its channels cancel each other out; only the louder one, number {number}, is used",
        number=channel + 1,
    )


def clock(seconds: float) -> str:
    """A duration for people: ``4.2 s``, ``3:20``, ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest_s:02d}" if hours else f"{minutes}:{rest_s:02d}"


def cut_off_note(promised_s: float, present_s: float) -> Text:
    """The sentence for a file that ends before its header says so."""
    return Text(
        "the file is cut off: its header promises {promised}, {present} is there",
        promised=clock(promised_s),
        present=clock(present_s),
    )


DAMAGED_NOTE = "parts of the file are damaged and were left out"


def require_sound(path: Path, block: Floats, at_s: float) -> None:
    """Refuse samples that later steps cannot use.

    Parameters
    ----------
    block : float32 [n, channels]
    at_s : where in the file it begins

    Raises
    ------
    AudioFileError : it holds NaN, infinity or values over `MAX_MAGNITUDE`
    """
    if block.size and not float(np.abs(block).max()) <= MAX_MAGNITUDE:  # NaN compares false
        why = Text(
            "near {time} it holds values that are not sound (NaN, infinity or too large)",
            time=clock(at_s),
        )
        raise refused(path, why, "export it again from the program that made it")
