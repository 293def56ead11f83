"""What runs through time in many utterances, laid end to end, so that a batch is one look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tracks:
    """Values of every utterance, one after another.

    Attributes
    ----------
    values : [N, ...]
    starts : int64 [U]  where each utterance begins in `values`
    lengths : int64 [U]
    """

    values: Tensor
    starts: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, arrays: Sequence[NDArray[np.generic]], device: torch.device) -> Tracks:
        """Lay them end to end; none may be empty."""
        lengths = np.array([len(each) for each in arrays])
        starts = np.cumsum(lengths) - lengths
        whole = np.ascontiguousarray(np.concatenate(arrays))
        values, first, count = (
            torch.from_numpy(each).to(device) for each in (whole, starts, lengths)
        )
        return cls(values, first, count)

    def at(self, which: Tensor, places: Tensor) -> Tensor:
        """Values at ``places [B, T]`` of utterances ``which [B]``, [B, T, ...].

        Before the beginning that is the first one, beyond the end the last one.
        """
        last = self.lengths[which, None] - 1
        found: Tensor = self.values[self.starts[which, None] + places.clamp(min=0).minimum(last)]
        return found

    def inside(self, which: Tensor, places: Tensor) -> Tensor:
        """Which of the places lie within the utterance, bool [B, T]."""
        return (places >= 0) & (places < self.lengths[which, None])

    def sound_at(self, which: Tensor, places: Tensor) -> Tensor:
        """Int16 samples as float32 in -1..1, on straight lines between; silent outside.

        Parameters
        ----------
        places : float64 ``[B, T]``  in samples
        """
        low = places.floor()
        part = (places - low).float()
        before, after = (self._sample(which, low.long() + step) for step in (0, 1))
        return torch.lerp(before, after, part)

    def _sample(self, which: Tensor, places: Tensor) -> Tensor:
        inside = self.inside(which, places)
        return self.at(which, places).float() / 32_768 * inside
