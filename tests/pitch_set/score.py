"""How well a tracker does on items with a known pitch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.pitch_set.item import Floats, Item

Track = Callable[[Floats], Floats]
"""Samples float32 [n] -> f0_hz float32 [n // 160 + 1]."""

VOICED_EDGE_FRAMES, UNVOICED_EDGE_FRAMES = 2, 3
"""Not scored: where exactly a note begins is a matter of opinion."""


@dataclass(frozen=True)
class Score:
    """Counts of frames; they can be added.

    Attributes
    ----------
    voiced, unvoiced : that are scored
    within_50, within_25 : voiced ones that were found so, and within so many cents
    far_off : found, but more than half an octave away
    found : voiced ones that were found voiced
    false_alarms : unvoiced ones that were found voiced
    """

    voiced: int = 0
    unvoiced: int = 0
    within_50: int = 0
    within_25: int = 0
    far_off: int = 0
    found: int = 0
    false_alarms: int = 0
    cents: tuple[NDArray[np.float64], ...] = ()

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, n) + getattr(other, n) for n in self.__dataclass_fields__))

    @property
    def accuracy(self) -> float:
        """Share of voiced frames that were found voiced and within 50 cents, %."""
        return 100 * self.within_50 / max(self.voiced, 1)

    @property
    def fine_accuracy(self) -> float:
        """The same within 25 cents, %."""
        return 100 * self.within_25 / max(self.voiced, 1)

    @property
    def false_alarm_rate(self) -> float:
        """Share of unvoiced frames that were found voiced, %."""
        return 100 * self.false_alarms / max(self.unvoiced, 1)

    @property
    def median_cents(self) -> float:
        """Median distance of what was found, cents."""
        every = np.concatenate([np.zeros(0), *self.cents])
        return float(np.median(every)) if len(every) else 0.0


def score(found_hz: Floats, item: Item) -> Score:
    """Compare a found pitch with the known one."""
    truth, n = item.f0_hz, min(len(found_hz), len(item.f0_hz))
    voiced = truth > 0
    inner_voiced = _without_edges(voiced, VOICED_EDGE_FRAMES)[:n]
    inner_unvoiced = _without_edges(~voiced, UNVOICED_EDGE_FRAMES)[:n]
    found = found_hz[:n] > 0
    hits = inner_voiced & found
    cents = 1200 * np.abs(np.log2(found_hz[:n][hits] / truth[:n][hits].astype(np.float64)))
    return Score(
        int(inner_voiced.sum()),
        int(inner_unvoiced.sum()),
        int((cents <= 50).sum()),
        int((cents <= 25).sum()),
        int((cents > 600).sum()),
        int(hits.sum()),
        int((inner_unvoiced & found).sum()),
        (cents,),
    )


def _without_edges(mask: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    inner = mask.copy()
    for k in range(1, frames + 1):
        inner[k:] &= mask[:-k]
        inner[:-k] &= mask[k:]
    return inner


def by_row(items: Iterable[Item], track: Track) -> dict[str, Score]:
    """The scores of a tracker, and of all rows together as ``all``."""
    rows: dict[str, Score] = {}
    for item in items:
        made = score(track(item.samples), item)
        for row in (item.row, "all"):
            rows[row] = rows.get(row, Score()) + made
    return rows
