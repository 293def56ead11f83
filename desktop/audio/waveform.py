"""The shape of a sound of any length, to be drawn at any width, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Peaks = NDArray[np.float32]
"""float32 [n, 2]  lowest and highest sample of each piece of the sound, over all channels"""

FIRST_BIN_FRAMES = 128
MAX_BINS = 1 << 19
"""4 MiB. Beyond it neighbours are merged: an hour of 48 kHz has pieces of 11 ms."""

_LEVEL_STEP = 4


@dataclass(frozen=True)
class Waveform:
    """Peaks of a sound at several resolutions.

    Attributes
    ----------
    levels : finest first, each a quarter of the one before
    bin_frames : frames in one piece of the finest level
    n_frames : length of the sound so far
    rate_hz : its sample rate
    expected_s : length it will have when complete, as far as the file tells
    loudness_lufs : of the whole; None where it is silent or not known yet
    complete : False while the file is still being read
    """

    levels: tuple[Peaks, ...]
    bin_frames: int
    n_frames: int
    rate_hz: int
    expected_s: float
    loudness_lufs: float | None
    complete: bool

    @property
    def duration_s(self) -> float:
        """Length for the time axis; it does not change while the file is being read."""
        known_s = self.n_frames / self.rate_hz
        return known_s if self.complete else max(known_s, self.expected_s)

    def columns(self, n_columns: int) -> Peaks:
        """The whole sound as `n_columns` columns; those not read yet are 0.

        Returns
        -------
        float32 [n_columns, 2]  lowest and highest, 0 lies between them or on one of them
        """
        shown = np.zeros((n_columns, 2), dtype=np.float32)
        finest = self.levels[0]
        if not len(finest) or n_columns < 1 or self.duration_s <= 0:
            return shown
        per_column = self.duration_s * self.rate_hz / self.bin_frames / n_columns
        level, scale = 0, 1
        while level + 1 < len(self.levels) and per_column >= 2 * scale * _LEVEL_STEP:
            level, scale = level + 1, scale * _LEVEL_STEP
        peaks = self.levels[level]
        edges = np.arange(n_columns + 1) * (per_column / scale)
        first = np.floor(edges[:-1]).astype(np.int64)
        n_known = int(np.searchsorted(first, len(peaks)))
        if n_known:
            shown[:n_known, 0] = np.minimum.reduceat(peaks[:, 0], first[:n_known])
            shown[:n_known, 1] = np.maximum.reduceat(peaks[:, 1], first[:n_known])
        return shown


class PeakBuilder:
    """Takes a sound block by block and keeps its peaks.

    Parameters
    ----------
    rate_hz : sample rate
    expected_s : what the file says of its length, 0 if nothing
    """

    def __init__(self, rate_hz: int, expected_s: float = 0.0) -> None:
        self._rate_hz = rate_hz
        self._expected_s = expected_s
        self._bin_frames = FIRST_BIN_FRAMES
        self._bins: Peaks = np.zeros((MAX_BINS, 2), dtype=np.float32)
        self._n_bins = 0
        self._n_frames = 0
        self._rest = np.zeros((0, 1), dtype=np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        """Take in float32 [n, channels], any n."""
        self._n_frames += len(block)
        if self._rest.size:
            block = np.concatenate([self._rest, block])
        while n_new := min(len(block) // self._bin_frames, MAX_BINS - self._n_bins):
            pieces = block[: n_new * self._bin_frames].reshape(n_new, -1)
            end = self._n_bins + n_new
            self._bins[self._n_bins : end, 0] = pieces.min(axis=1, initial=0)
            self._bins[self._n_bins : end, 1] = pieces.max(axis=1, initial=0)
            self._n_bins = end
            block = block[n_new * self._bin_frames :]
            if self._n_bins == MAX_BINS:
                self._merge_pairs()
        self._rest = block.copy()

    def waveform(self, loudness_lufs: float | None = None, *, complete: bool = True) -> Waveform:
        """What is known so far; adding may go on."""
        finest = self._bins[: self._n_bins].copy()
        if complete and len(self._rest):
            last = [[min(0.0, self._rest.min()), max(0.0, self._rest.max())]]
            finest = np.concatenate([finest, np.array(last, dtype=np.float32)])
        return Waveform(
            pyramid(finest),
            self._bin_frames,
            self._n_frames,
            self._rate_hz,
            self._expected_s,
            loudness_lufs,
            complete,
        )

    def _merge_pairs(self) -> None:
        self._n_bins //= 2
        self._bins[: self._n_bins] = _reduced(self._bins, 2)
        self._bin_frames *= 2


def pyramid(finest: Peaks) -> tuple[Peaks, ...]:
    """The finest level and coarser ones, each of groups of four, down to a few columns."""
    levels = [finest]
    while len(levels[-1]) > 64:
        levels.append(_reduced(levels[-1], _LEVEL_STEP))
    return tuple(levels)


def _reduced(peaks: Peaks, step: int) -> Peaks:
    starts = np.arange(0, len(peaks), step)
    return np.stack(
        [np.minimum.reduceat(peaks[:, 0], starts), np.maximum.reduceat(peaks[:, 1], starts)], axis=1
    )
