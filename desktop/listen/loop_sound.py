"""What is looped while the pieces of a newer sound arrive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FADE_S = 0.01

Stereo = NDArray[np.float32]
"""float32 [n, 2]"""


class LoopSound:
    """A short sound whose pieces arrive one by one; where none is yet, the one before is heard."""

    def __init__(self) -> None:
        self._rate_hz = 0
        self._before = self._made = np.zeros((0, 2), np.float32)
        self._is_made = np.zeros(0, bool)

    def begin(self) -> None:
        """Pieces of another sound are to come."""
        if self._is_made.any():
            self._before = self._heard()
        self._made, self._is_made = self._made[:0], self._is_made[:0]

    def put(self, start_s: float, samples: NDArray[np.float32], rate_hz: int) -> Stereo:
        """Add a piece, and return all that can be heard, from the beginning on.

        Parameters
        ----------
        samples : float32 [m] or [m, channels]
        """
        if rate_hz != self._rate_hz:
            self._change_rate(rate_hz)
        piece = np.repeat(samples[:, None], 2, axis=1) if samples.ndim == 1 else samples[:, :2]
        start = round(start_s * rate_hz)
        stop = start + len(piece)
        missing = max(0, stop - len(self._made))
        self._made = np.pad(self._made, ((0, missing), (0, 0)))
        self._is_made = np.pad(self._is_made, (0, missing))
        self._made[start:stop] = piece
        self._is_made[start:stop] = True
        return self._heard()

    def _change_rate(self, rate_hz: int) -> None:
        from engine.audio.resampling import resample

        if len(self._before):
            self._before = resample(self._before, self._rate_hz, rate_hz)
        self._made, self._is_made = self._made[:0], self._is_made[:0]
        self._rate_hz = rate_hz

    def _heard(self) -> Stereo:
        n = max(len(self._before), len(self._made))
        made, before = (np.pad(e, ((0, n - len(e)), (0, 0))) for e in (self._made, self._before))
        is_made = np.pad(self._is_made, (0, n - len(self._is_made)))
        was_before = np.arange(n) < len(self._before)
        # The mean of what surrounds a sample: 1/2 at the edge of a piece, 1 a fade further in.
        reach = max(1, round(_FADE_S * self._rate_hz))
        sums = np.cumsum(np.pad(is_made.astype(np.int64), (reach + 1, reach), mode="edge"))
        inner = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
        share = np.where(was_before, np.clip(2 * inner - 1, 0, 1), 1.0) * is_made
        there = is_made | was_before
        end = n if there.all() else int(there.argmin())
        mixed = share[:end, None] * made[:end] + (1 - share[:end, None]) * before[:end]
        heard: Stereo = mixed.astype(np.float32)
        return heard
