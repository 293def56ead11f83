"""What is looped while the pieces of a newer sound arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FADE_S = 0.01

Stereo = NDArray[np.float32]
"""float32 [n, 2]"""


class LoopSound:
    """A short sound whose pieces arrive one by one; where none is yet, the one before is heard.

    It is put together on the window's thread: what does not change is only copied.
    """

    def __init__(self) -> None:
        self._rate_hz = 0
        self._before = self._made = np.zeros((0, 2), np.float32)
        self._pieces: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Pieces of another sound are to come."""
        if self._pieces:
            self._before = self._heard()
        self._made, self._pieces = self._made[:0], []

    def put(self, start_s: float, samples: NDArray[np.float32], rate_hz: int) -> Stereo:
        """Add a piece, and return all that can be heard, from the beginning on.

        Parameters
        ----------
        samples : float32 [m] or [m, channels]
        """
        if rate_hz != self._rate_hz:
            self._change_rate(rate_hz)
        start = round(start_s * rate_hz)
        stop = start + len(samples)
        if stop > len(self._made):
            longer = np.zeros((stop, 2), np.float32)
            longer[: len(self._made)] = self._made
            self._made = longer
        self._made[start:stop] = samples[:, None] if samples.ndim == 1 else samples[:, :2]
        self._pieces = _joined([*self._pieces, (start, stop)])
        return self._heard()

    def _change_rate(self, rate_hz: int) -> None:
        if len(self._before):
            from engine.audio.resampling import resample

            self._before = resample(self._before, self._rate_hz, rate_hz)
        self._made, self._pieces = self._made[:0], []
        self._rate_hz = rate_hz

    def _heard(self) -> Stereo:
        n_before = end = len(self._before)
        heard = np.zeros((max(n_before, len(self._made)), 2), np.float32)
        heard[:n_before] = self._before
        for start, stop in self._pieces:
            heard[start:stop] = self._made[start:stop]
            n_fade = min(max(1, round(_FADE_S * self._rate_hz)), stop - start)
            share = np.linspace(0, 1, n_fade + 2, dtype=np.float32)[1:-1, None]
            if start > 0:
                self._fade(heard, start, share)
            if stop < len(heard):
                self._fade(heard, stop - n_fade, share[::-1])
            if start <= end:
                end = max(end, stop)
        return heard[:end]

    def _fade(self, heard: Stereo, start: int, share: NDArray[np.float32]) -> None:
        """Mix with the sound before, as far as there is one; ``share`` is that of the new one."""
        stop = min(start + len(share), len(self._before))
        if stop > start:
            new = share[: stop - start]
            heard[start:stop] = new * heard[start:stop] + (1 - new) * self._before[start:stop]


def _joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In their order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(pieces):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
