"""What the sound card's callback runs: takes chunks, fades from one sound to the other."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from desktop.audio.pair_stream import Chunk, PairFeeder
from engine.errors import UserError

Side = Literal[0, 1]
"""0 is the source, 1 the result."""

_FADE_S = 0.012
"""A flip without it would click."""


class _Feed(NamedTuple):
    feeder: PairFeeder
    rate_hz: int
    start_s: float


class Mixer:
    """Fills the output from a feeder.

    `side`, `gains` and `feed` are for any thread; the rest changes on the callback's thread only.

    Parameters
    ----------
    side : which sound is heard
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
        self._n_played = 0
        self._closed = False

    def feed(self, feeder: PairFeeder, rate_hz: int, start_s: float) -> None:
        """Go on with another feeder from the next callback on."""
        self._coming.append(_Feed(feeder, rate_hz, start_s))
        if self._closed:
            feeder.close()

    def close(self) -> None:
        """Let the reading threads end; nothing more is played."""
        self._closed = True
        for feed in (self._feed, *self._coming):
            if feed is not None:
                feed.feeder.close()

    @property
    def problem(self) -> UserError | None:
        """Why reading failed, if it did."""
        return None if self._feed is None else self._feed.feeder.problem

    @property
    def position_s(self) -> float:
        """Up to where sound has been handed to the card."""
        if self._coming:
            return self._coming[-1].start_s
        return 0.0 if self._feed is None else self._feed.start_s + self._played_s

    @property
    def at_end(self) -> bool:
        """Whether all sound has been handed over."""
        return self._feed is not None and self._feed.feeder.exhausted and not len(self._rest)

    @property
    def _played_s(self) -> float:
        return 0.0 if self._feed is None else self._n_played / self._feed.rate_hz

    def fill(self, out: NDArray[np.float32]) -> bool:
        """Fill float32 [n, 2]; False when there is no more to come.

        Silence, not waiting, where reading cannot keep up.
        """
        self.n_calls += 1
        while self._coming:
            self._take_over(self._coming.popleft())
        done = 0
        while done < len(out):
            if not len(self._rest):
                chunk = self._feed.feeder.take() if self._feed is not None else None
                if chunk is None:
                    break
                self._rest = chunk
            n = min(len(out) - done, len(self._rest))
            out[done : done + n] = self._mixed(self._rest[:n])
            self._rest = self._rest[n:]
            done += n
        out[done:] = 0
        self._n_played += done
        return not self.at_end

    def _take_over(self, feed: _Feed) -> None:
        if self._feed is not None:
            self._feed.feeder.close()
        self._feed = feed
        self._rest = self._rest[:0]
        self._n_played = 0

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
