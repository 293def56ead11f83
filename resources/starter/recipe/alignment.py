"""Where one voice says what another one says, when both read the same sentence.

Flite's voices share one lexicon, so the same sentence has the same phones; between the ends of a
phone, time runs in a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.speech_set import Utterance

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
    """The alignment of two readings, or None where they do not say the same phones."""
    here_at, there_at = _spoken(here), _spoken(there)
    same = len(here_at) == len(there_at) > 0 and np.array_equal(
        here.classes[here_at], there.classes[there_at]
    )
    if not same:
        return None
    return Alignment(_corners(here, here_at), _corners(there, there_at))


def _spoken(utterance: Utterance) -> NDArray[np.intp]:
    return np.flatnonzero(utterance.classes != 0)


def _corners(utterance: Utterance, at: NDArray[np.intp]) -> Floats:
    """Start and end of each phone; an end and the next start are one corner without a pause."""
    ends = utterance.ends_s.astype(np.float64)
    starts = np.concatenate([[0.0], ends[:-1]])
    corners = np.stack([starts[at], ends[at]], axis=1).ravel()
    # Where neither voice pauses, two corners coincide; a hair between them keeps the line one.
    apart: Floats = corners + np.arange(len(corners)) * 1e-9
    return apart
