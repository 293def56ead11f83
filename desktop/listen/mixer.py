"""Reads source and result in sync, and mixes them in the callback of the sound card."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import UserError

Chunk = NDArray[np.float32]
"""float32 [n, 4]  left and right of the first sound, left and right of the second"""

_CHUNK_FRAMES = 2048
_AHEAD = 16
"""Chunks read ahead: 0.7 s at 48 kHz, enough for a busy disk, 0.5 MB."""


def _stereo_blocks(
    path: Path, rate_hz: int, start_s: float, track: int | None
) -> Iterator[NDArray[np.float32]]:
    """A file as float32 [n, 2] at `rate_hz`; mono is duplicated, surround mixed by its layout."""
    from engine.audio.mixdown import usual_mix
    from engine.audio.reader import read_blocks
    from engine.audio.resampling import resample_blocks

    blocks = read_blocks(path, start_s=start_s, track=track)
    first = next(blocks, None)
    if first is None:
        return

    mix = usual_mix(first.samples.shape[1], first.layout, 2)

    def as_stereo() -> Iterator[NDArray[np.float32]]:
        for block in chain([first], blocks):
            samples = block.samples
            yield np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else mix.apply(samples, 0)

    yield from resample_blocks(as_stereo(), first.rate_hz, rate_hz)


def _pair_chunks(
    first: Path | None, second: Path | None, rate_hz: int, start_s: float, track: int | None
) -> Iterator[Chunk]:
    """Both sounds until the longer one ends; a missing one is silent."""
    sounds = [_Regular(first, rate_hz, start_s, track), _Regular(second, rate_hz, start_s, None)]
    while True:
        taken = [sound.take(_CHUNK_FRAMES) for sound in sounds]
        n = max(len(part) for part in taken)
        if n == 0:
            return
        chunk = np.zeros((n, 4), dtype=np.float32)
        for k, part in enumerate(taken):
            chunk[: len(part), 2 * k : 2 * k + 2] = part
        yield chunk


class PairFeeder:
    """Reads ahead on a thread; the sound card's callback takes what is ready.

    Parameters
    ----------
    first, second : the files, or None for silence
    rate_hz : rate of the chunks
    start_s : start position
    track : which sound track of the first; None is the one that conversions use
    """

    def __init__(
        self,
        first: Path | None,
        second: Path | None,
        rate_hz: int,
        start_s: float,
        track: int | None = None,
    ) -> None:
        self._chunks: queue.Queue[Chunk] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self.problem: UserError | None = None
        self._thread = threading.Thread(
            target=self._work,
            args=(_pair_chunks(first, second, rate_hz, start_s, track),),
            name="listen",
            daemon=True,
        )
        self._thread.start()

    @property
    def exhausted(self) -> bool:
        """Whether everything was taken, or reading failed (see `problem`)."""
        return self._ended.is_set() and self._chunks.empty()

    def take(self) -> Chunk | None:
        """The next chunk, or None if none is ready; never waits."""
        try:
            return self._chunks.get_nowait()
        except queue.Empty:
            return None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the first chunk; not on the GUI thread."""
        pause = threading.Event()
        while timeout_s > 0 and self._chunks.empty() and not self._ended.is_set():
            pause.wait(0.005)
            timeout_s -= 0.005

    def close(self) -> None:
        """Ask the thread to end; does not wait."""
        self._stop.set()

    def _work(self, chunks: Iterator[Chunk]) -> None:
        try:
            for chunk in chunks:
                if not self._put(chunk):
                    return
        except UserError as error:
            self.problem = error
        finally:
            self._ended.set()

    def _put(self, chunk: Chunk) -> bool:
        while not self._stop.is_set():
            try:
                self._chunks.put(chunk, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


class _Regular:
    """Turns blocks of any size into blocks of one size."""

    def __init__(self, path: Path | None, rate_hz: int, start_s: float, track: int | None) -> None:
        self._blocks = iter(()) if path is None else _stereo_blocks(path, rate_hz, start_s, track)
        self._rest = np.zeros((0, 2), dtype=np.float32)

    def take(self, n_frames: int) -> NDArray[np.float32]:
        """float32 [m, 2]  m is `n_frames`, less at the end, then 0."""
        while len(self._rest) < n_frames:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest = np.concatenate([self._rest, block])
        taken, self._rest = self._rest[:n_frames], self._rest[n_frames:]
        return taken


Side = Literal[0, 1]
"""0 is the source, 1 the result."""

_FADE_S = 0.012
"""Prevents a click when switching."""


class _Feed(NamedTuple):
    """Where sound comes from.

    Attributes
    ----------
    gains : with which it is to be heard; None keeps those that are set
    joins : it begins where the sound before it is once it can be read, instead of at once
    """

    feeder: PairFeeder
    rate_hz: int
    start_s: float
    gains: tuple[float, float] | None = None
    joins: bool = False


class Mixer:
    """Fills the output of the sound card from a feeder.

    `side`, `gains` and `feed` are thread-safe; the rest is for the callback's thread.

    Parameters
    ----------
    side : which sound is played
    gains : factor of each sound
    """

    def __init__(self, side: Side, gains: tuple[float, float]) -> None:
        self.side: Side = side
        self.gains = gains
        self.n_calls = 0
        self._balance = float(side)
        self._coming: deque[_Feed] = deque()
        self._feed: _Feed | None = None
        self._rest: Chunk = np.zeros((0, 4), dtype=np.float32)
        self._joining: Chunk = self._rest
        self._n_skipped = 0
        self._leaving = np.zeros((0, 2), dtype=np.float32)
        self._n_leaving = 0
        self._n_played = 0
        self._closed = False

    def feed(self, feeder: PairFeeder, rate_hz: int, start_s: float) -> None:
        """Continue with another feeder from the next callback on."""
        self._coming.append(_Feed(feeder, rate_hz, start_s))
        if self._closed:
            feeder.close()

    def join(
        self, feeder: PairFeeder, rate_hz: int, start_s: float, gains: tuple[float, float]
    ) -> None:
        """Continue with another feeder at the same instant, without a gap.

        The sound before it is played until as much of the other was read.
        """
        self._coming.append(_Feed(feeder, rate_hz, start_s, gains, joins=True))
        if self._closed:
            feeder.close()

    def close(self) -> None:
        """End the reading threads; nothing more is played."""
        self._closed = True
        for feed in (self._feed, *self._coming):
            if feed is not None:
                feed.feeder.close()

    @property
    def problem(self) -> UserError | None:
        """The error, if reading failed."""
        return None if self._feed is None else self._feed.feeder.problem

    @property
    def position_s(self) -> float:
        """Position up to which sound was handed to the card."""
        sought = [feed.start_s for feed in tuple(self._coming) if not feed.joins]
        if sought:
            return sought[-1]
        return self._played_to_s

    @property
    def at_end(self) -> bool:
        """Whether all sound was handed to the card."""
        return self._feed is not None and self._feed.feeder.exhausted and not len(self._rest)

    @property
    def _played_to_s(self) -> float:
        return 0.0 if self._feed is None else self._feed.start_s + self._played_s

    @property
    def _played_s(self) -> float:
        return 0.0 if self._feed is None else self._n_played / self._feed.rate_hz

    def fill(self, out: NDArray[np.float32]) -> bool:
        """Fill float32 [n, 2]; False at the end of the sound.

        Fills with silence, without waiting, where reading cannot keep up.
        """
        self.n_calls += 1
        while self._coming:
            feed = self._coming[0]
            if feed.joins and len(self._coming) > 1:
                self._give_up(self._coming.popleft())
            elif feed.joins and not self._catches_up(feed):
                break
            else:
                self._take_over(self._coming.popleft())
        done = 0
        while done < len(out):
            if not len(self._rest):
                chunk = self._feed.feeder.take() if self._feed is not None else None
                if chunk is None:
                    break
                self._rest = chunk
            n = min(len(out) - done, len(self._rest))
            out[done : done + n] = self._faded_in(self._mixed(self._rest[:n]))
            self._rest = self._rest[n:]
            done += n
        out[done:] = 0
        self._n_played += done
        return bool(self._coming) or not self.at_end

    def _give_up(self, feed: _Feed) -> None:
        """Another sound is to be heard instead of one that has not joined yet."""
        feed.feeder.close()
        self._joining, self._n_skipped = self._joining[:0], 0
        if feed.gains is not None:
            self.gains = feed.gains

    def _catches_up(self, feed: _Feed) -> bool:
        """Read what joins up to the present instant; False if that is not there yet."""
        behind = round((self._played_to_s - feed.start_s) * feed.rate_hz) - self._n_skipped
        while behind >= len(self._joining):
            behind -= len(self._joining)
            self._n_skipped += len(self._joining)
            chunk = feed.feeder.take()
            if chunk is None:
                self._joining = self._joining[:0]
                return feed.feeder.exhausted
            self._joining = chunk
        self._joining = self._joining[max(0, behind) :]
        self._n_skipped += max(0, behind)
        return True

    def _take_over(self, feed: _Feed) -> None:
        if feed.joins and self._feed is not None:
            self._leave(self._feed)
        if self._feed is not None:
            self._feed.feeder.close()
        if feed.gains is not None:
            self.gains = feed.gains
        skipped = self._n_skipped if feed.joins else 0
        self._rest = self._joining if feed.joins else self._rest[:0]
        self._feed = feed
        self._n_played = skipped
        self._joining, self._n_skipped = self._rest[:0], 0

    def _leave(self, feed: _Feed) -> None:
        """Keep a moment of what was heard, to fade it out."""
        n = int(self._fade_frames())
        if len(self._rest) < n and (chunk := feed.feeder.take()) is not None:
            self._rest = np.concatenate([self._rest, chunk])
        if len(self._rest):
            heard = self._mixed(self._rest[:n])
            self._leaving = heard * np.linspace(1, 0, len(heard), dtype=np.float32)[:, None]
            self._n_leaving = len(heard)

    def _faded_in(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fade from the sound that was left, float32 [n, 2]."""
        n = min(len(sound), len(self._leaving))
        if n:
            first = self._n_leaving - len(self._leaving)
            share = np.linspace(0, 1, self._n_leaving, dtype=np.float32)[first : first + n, None]
            sound[:n] = share * sound[:n] + self._leaving[:n]
            self._leaving = self._leaving[n:]
        return sound

    def _mixed(self, chunk: Chunk) -> NDArray[np.float32]:
        balance = self._ramp(len(chunk))[:, None]
        first, second = self.gains
        mixed = (1 - balance) * first * chunk[:, :2] + balance * second * chunk[:, 2:]
        return np.clip(mixed, -1, 1).astype(np.float32)

    def _ramp(self, n: int) -> NDArray[np.floating]:
        step = np.sign(self.side - self._balance) / self._fade_frames()
        ramp: NDArray[np.floating] = np.clip(self._balance + step * np.arange(1, n + 1), 0, 1)
        self._balance = float(ramp[-1])
        return ramp

    def _fade_frames(self) -> float:
        return 1.0 if self._feed is None else max(1.0, _FADE_S * self._feed.rate_hz)
