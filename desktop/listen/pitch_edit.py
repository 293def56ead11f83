"""A pitch curve that the user changes, with undo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LOWEST_HZ, _HIGHEST_HZ = 20.0, 4000.0
"""A step that would leave this range is not made."""

_AUDIBLE = np.float32(2 ** (20 / 1200))


@dataclass(frozen=True, eq=False)
class _Step:
    """A changed stretch, before and after."""

    start: int
    before: Floats
    after: Floats


class PitchEdit:
    """The curve of a source at 100 frames a second; stretches are frames ``[start, stop)``.

    Parameters
    ----------
    found : float32 [T]  as a method found it, 0 where unvoiced
    given : float32 [T]  the curve to begin with, None for ``found``
    """

    def __init__(self, found: Floats, given: Floats | None = None) -> None:
        self.found = found
        self._f0_hz = (found if given is None else given).copy()
        self._done: list[_Step] = []
        self._undone: list[_Step] = []

    @property
    def f0_hz(self) -> Floats:
        """The curve as it is now, float32 [T]; not to be written to."""
        return self._f0_hz

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Where it differs audibly from what was found, bool [T]."""
        higher, lower = self._f0_hz > self.found * _AUDIBLE, self._f0_hz < self.found / _AUDIBLE
        different: NDArray[np.bool_] = higher | lower
        return different

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back."""
        return bool(self._undone)

    def transpose(self, start: int, stop: int, octaves: int) -> bool:
        """Move a stretch by octaves; False if none of it is voiced or it would leave 20–4000 Hz."""
        part = self._f0_hz[start:stop]
        moved = part * np.float32(2.0**octaves)
        voiced = moved[moved > 0]
        if not octaves or not len(voiced):
            return False
        if voiced.min() < _LOWEST_HZ or voiced.max() > _HIGHEST_HZ:
            return False
        return self._change(start, moved)

    def silence(self, start: int, stop: int) -> bool:
        """Make a stretch unvoiced; False if it is so already."""
        return self._change(start, np.zeros_like(self._f0_hz[start:stop]))

    def restore(self, start: int, stop: int) -> bool:
        """Go back to what was found in a stretch; False if nothing was changed there."""
        return self._change(start, self.found[start:stop].copy())

    def undo(self) -> None:
        """Take the last step back."""
        if self._done:
            step = self._done.pop()
            self._f0_hz[step.start : step.start + len(step.before)] = step.before
            self._undone.append(step)

    def redo(self) -> None:
        """Make the step again that was taken back last."""
        if self._undone:
            step = self._undone.pop()
            self._f0_hz[step.start : step.start + len(step.after)] = step.after
            self._done.append(step)

    def _change(self, start: int, after: Floats) -> bool:
        before = self._f0_hz[start : start + len(after)].copy()
        if np.array_equal(before, after):
            return False
        self._f0_hz[start : start + len(after)] = after
        self._done.append(_Step(start, before, after))
        self._undone.clear()
        return True
