"""Mixes sounds by their weights in the callback of the sound card, without clicks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desktop.listen.feeder import Chunk, Feeder
from desktop.listen.stretch import Stretch
from engine.errors import UserError

Weights = tuple[float, ...]
"""A factor for each sound; those that are not heard have 0."""

_FADE_S = 0.012
"""Prevents a click when weights change."""
_ATTACK_S, _RELEASE_S = 0.001, 0.08
"""How fast a sum that is too loud is turned down, and up again."""


@dataclass(eq=False)
class Feed:
    """Where sound comes from.

    Attributes
    ----------
    weights : of the feeder's sounds; may be changed from any thread
    start_s : position of its first frame
    loop : what the feeder repeats
    since_s : the mixer's clock when it was asked for; it begins where the sound before it is once
        it can be read. None begins at once, at `start_s`.
    """

    feeder: Feeder
    rate_hz: int
    start_s: float
    weights: Weights
    loop: Stretch | None = None
    since_s: float | None = None
    n_played: int = field(default=0, init=False)

    @property
    def clock_s(self) -> float:
        """Time that does not jump back where a loop begins again."""
        began_s = self.start_s if self.since_s is None else self.since_s
        return began_s + self.n_played / self.rate_hz

    @property
    def position_s(self) -> float:
        """Position of the frame that is played next."""
        place_s = self.start_s + self.n_played / self.rate_hz
        if self.loop is None or place_s < self.loop[1] or self.start_s >= self.loop[1]:
            return place_s
        first_s, stop_s = self.loop
        return first_s + (place_s - first_s) % (stop_s - first_s)


class Mixer:
    """Fills the output of the sound card from a feeder.

    `feed`, `set_weights`, `place` and `close` are thread-safe; the rest is for the callback's
    thread.
    """

    def __init__(self) -> None:
        self.n_calls = 0
        self._coming: deque[Feed] = deque()
        self._feed: Feed | None = None
        self._rest: Chunk = np.zeros((0, 0, 2), dtype=np.float32)
        self._joining: Chunk = self._rest
        self._n_skipped = 0
        self._leaving = np.zeros((0, 2), dtype=np.float32)
        self._n_leaving = 0
        self._ramp_from: NDArray[np.float64] = np.zeros(0)
        self._ramp_to: Weights = ()
        self._ramp_at = 0
        self._guard = 1.0
        self._closed = False

    def feed(self, feed: Feed) -> None:
        """Continue with another feeder: from the next callback on, or at the same instant.

        In the second case (`Feed.since_s`) the sound before it is played until as much of the
        other was read, without a gap.
        """
        self._coming.append(feed)
        if self._closed:
            feed.feeder.close()

    def set_weights(self, weights: Weights) -> None:
        """Change the weights of the sounds that were asked for last."""
        newest = self._newest
        if newest is not None:
            newest.weights = weights

    def close(self) -> None:
        """End the reading threads; nothing more is played."""
        self._closed = True
        for feed in (self._feed, *self._coming):
            if feed is not None:
                feed.feeder.close()

    @property
    def problem(self) -> UserError | None:
        """The error, if a sound that is heard cannot be read."""
        feed = self._feed
        return None if feed is None else feed.feeder.problem(feed.weights)

    def place(self) -> tuple[float, float]:
        """Position up to which sound was handed to the card, and the clock; both in seconds."""
        sought = [feed for feed in tuple(self._coming) if feed.since_s is None]
        feed = sought[-1] if sought else self._feed
        return (0.0, 0.0) if feed is None else (feed.position_s, feed.clock_s)

    @property
    def position_s(self) -> float:
        """Position up to which sound was handed to the card."""
        return self.place()[0]

    @property
    def at_end(self) -> bool:
        """Whether all sound was handed to the card."""
        return self._feed is not None and self._feed.feeder.exhausted and not len(self._rest)

    @property
    def _newest(self) -> Feed | None:
        try:
            return self._coming[-1]
        except IndexError:
            return self._feed

    def fill(self, out: NDArray[np.float32]) -> bool:
        """Fill float32 [n, 2]; False at the end of the sound.

        Fills with silence, without waiting, where reading cannot keep up.
        """
        self.n_calls += 1
        self._look_for_feeds()
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
        if self._feed is not None:
            self._feed.n_played += done
        return bool(self._coming) or not self.at_end

    def _look_for_feeds(self) -> None:
        while self._coming:
            feed = self._coming[0]
            if feed.since_s is not None and len(self._coming) > 1:
                self._coming.popleft().feeder.close()  # another one is to be heard instead
                self._joining, self._n_skipped = self._joining[:0], 0
            elif feed.since_s is not None and not self._catches_up(feed, feed.since_s):
                return
            else:
                self._take_over(feed)
                self._coming.popleft()

    def _catches_up(self, feed: Feed, since_s: float) -> bool:
        """Read what joins up to the present instant; False if that is not there yet."""
        now_s = since_s if self._feed is None else self._feed.clock_s
        behind = round((now_s - since_s) * feed.rate_hz) - self._n_skipped
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

    def _take_over(self, feed: Feed) -> None:
        joins = feed.since_s is not None
        if self._feed is not None:
            if joins:
                self._leave(self._feed)
            self._feed.feeder.close()
        self._rest = self._joining if joins else self._rest[:0]
        feed.n_played = self._n_skipped if joins else 0
        self._joining, self._n_skipped = self._rest[:0], 0
        if joins or len(feed.weights) != len(self._ramp_to):
            self._ramp_to, self._ramp_from = feed.weights, np.array(feed.weights)
        self._feed = feed

    def _leave(self, feed: Feed) -> None:
        """Keep a moment of what was heard, to fade it out."""
        n = self._fade_frames()
        if len(self._rest) < n and (chunk := feed.feeder.take()) is not None:
            self._rest = np.concatenate([self._rest, chunk]) if len(self._rest) else chunk
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
        mixed = np.einsum("nk,nkc->nc", self._ramp(len(chunk)), chunk)
        return self._guarded(mixed).astype(np.float32)

    def _guarded(self, mixed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn a sum down while it is louder than a sound card can play, float64 [n, 2].

        A mix that is written has a limiter, which looks ahead; this one cannot.
        """
        peak, before = float(np.abs(mixed).max(initial=0)), self._guard
        if peak <= 1 and before == 1:
            return mixed
        rate_hz = 48_000 if self._feed is None else self._feed.rate_hz
        rising = min(1.0, before + len(mixed) / (_RELEASE_S * rate_hz))
        self._guard = min(rising, 1 / peak) if peak > 1 else rising
        if self._guard < before:
            share = np.minimum(np.arange(1, len(mixed) + 1) / (_ATTACK_S * rate_hz), 1)
        else:
            share = np.linspace(0, 1, len(mixed))
        gain = before + (self._guard - before) * share
        clipped: NDArray[np.float64] = np.clip(gain[:, None] * mixed, -1, 1)
        return clipped

    def _ramp(self, n: int) -> NDArray[np.float64]:
        """Weights of the next frames, float64 [n, sounds]."""
        wanted = self._ramp_to if self._feed is None else self._feed.weights
        n_fade = self._fade_frames()
        if wanted != self._ramp_to and len(wanted) == len(self._ramp_to):
            self._ramp_from = self._ramp_at_frames(np.array([self._ramp_at]), n_fade)[0]
            self._ramp_to, self._ramp_at = wanted, 0
        places = np.arange(self._ramp_at + 1, self._ramp_at + n + 1)
        self._ramp_at = min(self._ramp_at + n, n_fade)
        return self._ramp_at_frames(places, n_fade)

    def _ramp_at_frames(self, frames: NDArray[np.int64], n_fade: int) -> NDArray[np.float64]:
        share = np.minimum(frames / n_fade, 1)[:, None]
        found: NDArray[np.float64] = (1 - share) * self._ramp_from + share * np.array(self._ramp_to)
        return found

    def _fade_frames(self) -> int:
        return 1 if self._feed is None else max(1, round(_FADE_S * self._feed.rate_hz))
