"""How a song of any length passes a network piece by piece, and comes out exactly as long.

A plan cuts the song; `overlap_add` reads each piece, has it separated, and gives what is finished.
Both plans are those of the networks' own programs, sample by sample; only with one pass do the
chunks of a RoFormer overlap by their fades, which there would leave gaps between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SHORT_OVERLAP = 0.1
"""Share of a chunk that it has in common with the next one where all is heard about once."""

_LEAST_WEIGHT = np.float32(1e-12)
"""Where nothing counts, the sum is 0 and stays so."""

Reader = Callable[[int, int], Floats]
"""Samples float32 [stop - start, 2] of a song; zero where it has none."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One call of the network.

    Attributes
    ----------
    read : the samples to give, float32 [length of the network, 2]
    start : where in the song its first kept sample belongs; may be negative
    skip : samples of the result before the first kept one
    weights : float32 [kept]  how much each kept sample counts
    """

    read: Callable[[Reader], Floats]
    start: int
    skip: int
    weights: Floats


class Plan(Protocol):
    """How a network wants its songs cut."""

    def pieces(self, n: int) -> list[Piece]:
        """Of a song of n >= 1 samples, in order."""


@dataclass(frozen=True)
class DemucsPlan:
    """Overlapping segments that fade into each other in triangles.

    A segment that would reach past the end of the song is moved back by half of what is missing:
    it is given the song before its own part, and silence after it.

    Attributes
    ----------
    segment : samples that the network takes
    overlap : share of a segment
    """

    segment: int
    overlap: float = 0.25

    def pieces(self, n: int) -> list[Piece]:
        """See `Plan`."""
        rise = np.arange(1, self.segment // 2 + 1)
        fall = np.arange(self.segment - self.segment // 2, 0, -1)
        weights = np.concatenate((rise, fall)).astype(np.float32)
        weights /= weights.max()
        found = []
        for start in range(0, n, int((1 - self.overlap) * self.segment)):
            kept = min(self.segment, n - start)
            skip = (self.segment - kept) // 2
            first = start - skip
            read = _reads(first, first + self.segment)
            found.append(Piece(read, start, skip, weights[:kept]))
        return found


def _reads(start: int, stop: int) -> Callable[[Reader], Floats]:
    return lambda reader: reader(start, stop)


@dataclass(frozen=True)
class RoformerPlan:
    """Chunks that overlap several times, with short linear fades.

    A song longer than two borders is mirrored at both ends, so that its own ends are heard as
    often as its middle.

    Attributes
    ----------
    chunk : samples that the network takes, a multiple of its hop
    overlaps : chunks in which each sample is heard; with 1, two chunks share the fade between them,
        a tenth of each
    """

    chunk: int
    overlaps: int = 2

    def pieces(self, n: int) -> list[Piece]:
        """See `Plan`."""
        fade = int(SHORT_OVERLAP * self.chunk)
        step = min(self.chunk // self.overlaps, self.chunk - fade)
        border = self.chunk - step
        border = border if n > 2 * border else 0
        total = n + 2 * border
        rise = np.linspace(0, 1, fade, dtype=np.float32)
        inner = np.ones(self.chunk, np.float32)
        inner[-fade:] *= rise[::-1]
        first, last = inner.copy(), inner.copy()
        inner[:fade] *= rise
        last[:fade] *= rise
        last[-fade:] = 1
        found = []
        for start in range(0, total, step):
            weights = first if start == 0 else last if start + self.chunk >= total else inner
            kept = min(self.chunk, total - start)
            read = self._reads(start - border, kept, n, border)
            found.append(Piece(read, start - border, 0, weights[:kept]))
        return found

    def _reads(self, start: int, kept: int, n: int, border: int) -> Callable[[Reader], Floats]:
        """Reads a chunk; what lies outside the song is mirrored, or zero where that is too short.

        Parameters
        ----------
        start : in the song
        kept : samples of the chunk inside the mirrored song; the rest is padding
        """

        def read(reader: Reader) -> Floats:
            stop = start + self.chunk
            if start >= 0 and stop <= n:
                return reader(start, stop)
            places = np.arange(start, stop)
            padded = np.ones(self.chunk, bool)
            if kept > self.chunk // 2 + 1:
                last = n + border - 1
                places = np.where(places > last, 2 * last - places, places)
            else:
                padded[kept:] = False
                places[kept:] = places[0]
            places = np.abs(places)
            places = np.where(places >= n, 2 * (n - 1) - places, places)
            low, high = int(places.min()), int(places.max()) + 1
            return np.where(padded[:, None], reader(low, high)[places - low], np.float32(0))

        return read


def overlap_add(
    n: int, pieces: list[Piece], separated: Callable[[Piece], Floats]
) -> Iterator[Floats]:
    """Blocks float32 [m, 2] of the separated song, n samples in all, as soon as they are finished.

    Parameters
    ----------
    separated : the network's result for a piece, float32 [length of the network, 2]
    """
    longest = max(len(piece.weights) for piece in pieces)
    sums, weights = np.zeros((longest, 2), np.float32), np.zeros(longest, np.float32)
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        kept = len(piece.weights)
        result = separated(piece)[piece.skip : piece.skip + kept]
        sums[:kept] += result * piece.weights[:, None]
        weights[:kept] += piece.weights
        end = piece.start + longest if following is None else following.start
        done = end - piece.start
        np.maximum(weights[:done], _LEAST_WEIGHT, out=weights[:done])
        finished: Floats = sums[:done] / weights[:done, None]
        low, high = max(0, -piece.start), max(0, min(done, n - piece.start))
        if low < high:
            yield finished[low:high]
        sums[:-done], sums[-done:] = sums[done:].copy(), 0
        weights[:-done], weights[-done:] = weights[done:].copy(), 0
