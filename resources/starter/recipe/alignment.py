"""Where one voice says what another one says, when both read the same sentence.

Flite's voices share one lexicon, so the same sentence has the same phones; espeak-ng says some
words otherwise. Between the ends of the phones that both say, time runs in a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.phoneme import VOWELS
from recipe.speech_set import Utterance

LEAST_SHARE = 0.7
"""Of the phones of the longer reading that both say."""

_SKIPPED, _OTHER_VOWEL, _OTHER = 1.0, 0.5, 3.0
"""What it costs to leave a phone out, and to pair it with another one; another vowel is as good
a sign of when something is said."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Corners of a rising line: the same moment in two utterances, in seconds."""

    here_s: Floats
    there_s: Floats

    def there(self, here_s: Floats) -> Floats:
        """The times in the other utterance; beyond the ends, at the same pace as here."""
        inside = np.interp(here_s, self.here_s, self.there_s)
        before = np.minimum(here_s - self.here_s[0], 0.0)
        after = np.maximum(here_s - self.here_s[-1], 0.0)
        moved: Floats = inside + before + after
        return moved


def align(here: Utterance, there: Utterance) -> Alignment | None:
    """The alignment of two readings, or None where they say too many other phones."""
    here_at, there_at = (np.flatnonzero(each.classes != 0) for each in (here, there))
    ours, theirs = here.classes[here_at], there.classes[there_at]
    paired = _paired(ours, theirs)
    same = sum(int(ours[i] == theirs[j]) for i, j in paired)
    if same == 0 or same < LEAST_SHARE * max(len(ours), len(theirs)):
        return None
    first, second = np.array(paired).T
    return Alignment(_corners(here, here_at[first]), _corners(there, there_at[second]))


def _paired(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Phones at the same place of two readings, by the cheapest edits from one to the other."""
    cost = np.empty((len(ours) + 1, len(theirs) + 1))
    cost[0], cost[:, 0] = np.arange(len(theirs) + 1), np.arange(len(ours) + 1)
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            skipped = min(cost[i, j + 1], cost[i + 1, j]) + _SKIPPED
            cost[i + 1, j + 1] = min(skipped, cost[i, j] + _difference(one, other))
    i, j = len(ours), len(theirs)
    found = []
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + _difference(ours[i - 1], theirs[j - 1]):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif cost[i, j] == cost[i - 1, j] + _SKIPPED:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _difference(one: np.uint8, other: np.uint8) -> float:
    if one == other:
        return 0.0
    return _OTHER_VOWEL if one in VOWELS and other in VOWELS else _OTHER


def _corners(utterance: Utterance, at: NDArray[np.intp]) -> Floats:
    """Start and end of each phone; an end and the next start are one corner without a pause."""
    ends = utterance.ends_s.astype(np.float64)
    starts = np.concatenate([[0.0], ends[:-1]])
    corners = np.stack([starts[at], ends[at]], axis=1).ravel()
    # Where neither voice pauses, two corners coincide; a hair between them keeps the line one.
    apart: Floats = corners + np.arange(len(corners)) * 1e-9
    return apart
