"""Sound on its way out of a file: a block at a time, checked, and mixed as asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.audio.mixdown import Layout, Mix, MixReview, usual_mix
from engine.audio.resampling import resample_blocks
from engine.audio.spool import BLOCK_FRAMES
from engine.errors import AudioFileError, Message, OptionError, Text

Floats = NDArray[np.float32]

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000
MAX_DURATION_S = 12 * 3600

MAX_MAGNITUDE = 1e12
"""Float files scaled to 32-bit integers reach 2e9; beyond this arithmetic would overflow."""

SILENT_PEAK = 5e-5
"""-86 dB: the noise of 16-bit files without any sound lies below."""

_HELD_FRAMES = 1 << 14
"""Kept back until the end is known: more than the padding that an encoder leaves there."""


VideoFamily = Literal["movie", "matroska", ""]
"""Of containers of video; "" is one that is not written."""


class SoundBlock(NamedTuple):
    """Some of a file's sound.

    Attributes
    ----------
    samples : float32 [n, channels]  n >= 1
    rate_hz : their rate
    layout : places of the channels; None if unknown
    """

    samples: Floats
    rate_hz: int
    layout: Layout | None = None


class VideoFacts(NamedTuple):
    """What a decoder knows of a video.

    Attributes
    ----------
    family : of the container; "" is one that cannot be written
    has_picture : whether it is more than a cover
    track : the sound track that is used, from 1
    starts_s : when its first sample is played, in the file's own time
    """

    family: VideoFamily
    has_picture: bool
    track: int
    starts_s: float


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
    channels : most to keep: 1 or 2, by the layout (see `engine.audio.mixdown`); None keeps all
    mix : how to mix them, where a first pass has found a better way than the usual one
    """

    def __init__(
        self, path: Path, receiver: Receiver, channels: int | None, mix: Mix | None = None
    ) -> None:
        self._path = path
        self._receiver = receiver
        self._limit = channels
        self._given = mix
        self._start()

    def _start(self) -> None:
        self.rate_hz = 0
        self.n_frames = 0
        self._mix: Mix | None = self._given
        self._review: MixReview | None = None
        self._low = self._high = np.zeros(0, np.float32)
        self._held: deque[Floats] = deque()
        self._held_frames = 0

    def take(self, blocks: Iterable[SoundBlock]) -> None:
        """Take a sound from its beginning; `finish` ends it. What came before is dropped.

        Raises
        ------
        AudioFileError : no voice can be converted at this sample rate; it holds NaN, infinity or
            values over `MAX_MAGNITUDE`, or is longer than `MAX_DURATION_S`
        """
        self._start()
        for block in like_the_first(blocks):
            if not self.rate_hz:
                self._begin(block)
            self._append(block.samples)

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

    def better_mix(self) -> Mix | None:
        """Another mix, where the one that was used loses sound; to be called once, at the end."""
        return None if self._review is None else self._review.better_mix()

    @property
    def is_silent(self) -> bool:
        """Whether there was nothing but silence, or a constant."""
        return bool((self._high - self._low).max(initial=0.0) <= 2 * SILENT_PEAK)

    @property
    def notes(self) -> tuple[Message, ...]:
        """Sentences for the user about what was heard."""
        heard = () if self._mix is None else self._mix.notes
        return (SILENT_NOTE,) if self.is_silent else heard

    def _begin(self, block: SoundBlock) -> None:
        if not MIN_RATE_HZ <= block.rate_hz <= MAX_RATE_HZ:
            why = Text(
                "its sample rate of {rate} Hz lies outside {lowest} to {highest} Hz",
                rate=block.rate_hz,
                lowest=MIN_RATE_HZ,
                highest=MAX_RATE_HZ,
            )
            raise refused(self._path, why, "convert it to a WAV file of 44100 Hz first")
        self.rate_hz = block.rate_hz
        channels = block.samples.shape[1]
        if self._limit is not None and channels > self._limit and self._mix is None:
            self._mix = usual_mix(channels, block.layout, self._limit)
            self._review = MixReview(self._mix, self.rate_hz, channels)
        self._low = self._high = np.zeros(channels, np.float32)
        self._receiver.begin(self.rate_hz, min(channels, self._limit or channels))

    def _append(self, block: Floats) -> None:
        require_sound(self._path, block, self.n_frames / self.rate_hz)
        if not self.n_frames:
            self._low, self._high = block[0].copy(), block[0].copy()
        for k, channel in enumerate(block.T):  # much faster than over the first axis
            self._low[k] = min(self._low[k], channel.min())
            self._high[k] = max(self._high[k], channel.max())
        if self._review is not None:
            self._review.add(block)
        kept = block if self._mix is None else self._mix.apply(block, self.n_frames)
        self.n_frames += len(kept)
        if self.n_frames > MAX_DURATION_S * self.rate_hz:
            why = Text("it is longer than {duration}", duration=clock(MAX_DURATION_S))
            raise refused(self._path, why, "cut it into shorter files")
        self._held.append(kept)
        self._held_frames += len(kept)
        while self._held_frames - len(self._held[0]) >= _HELD_FRAMES:
            self._pass_on(len(self._held[0]))

    def _pass_on(self, most: int) -> int:
        block = self._held.popleft()
        self._held_frames -= len(block)
        self._receiver.append(block[:most])
        return len(block)


def like_the_first(blocks: Iterable[SoundBlock]) -> Iterator[SoundBlock]:
    """Blocks with the rate and the number of channels of the first one.

    A recording that was written after another may differ: it is resampled, and where its channels
    are others, their mean is on all channels.
    """
    first: SoundBlock | None = None
    for (rate_hz, channels), run in groupby(
        blocks, lambda block: (block.rate_hz, block.samples.shape[1])
    ):
        alike = run
        if first is not None and rate_hz != first.rate_hz > 0 < rate_hz:
            samples = resample_blocks((each.samples for each in run), rate_hz, first.rate_hz)
            alike = (SoundBlock(each, first.rate_hz) for each in samples)
        for block in alike:
            first = first or block
            if channels == (n := first.samples.shape[1]):
                yield block
            else:
                mean = block.samples.mean(axis=1, keepdims=True)
                yield block._replace(samples=np.repeat(mean, n, axis=1))


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


def ends_before(path: Path) -> OptionError:
    """The error for a stretch that begins where the file has ended."""
    return OptionError(
        Text("Cannot convert a part of {name}", name=shown_name(path)),
        "the file ends before that part begins",
        "choose another part",
    )


def no_such_track(path: Path, track: int, count: int) -> AudioFileError:
    """The error for a sound track that was asked for and is not there."""
    why = Text("it has no sound track {track}, only {count}", track=track, count=count)
    if count == 1:
        why = Text("it has no sound track {track}, only one", track=track)
    return refused(path, why, "choose an existing track, or leave the choice to the program")


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


SILENT_NOTE = "there is no sound in it"

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
