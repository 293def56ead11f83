"""A stretch of a sound, and the choice of one to listen to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LENGTH_S = 10.0

Stretch = tuple[float, float]
"""Start and stop in seconds."""


def best_stretch(weights: NDArray[np.float32], duration_s: float) -> Stretch:
    """The stretch of `LENGTH_S` with the greatest sum of weights, e.g. where most is voiced.

    Parameters
    ----------
    weights : float32 [n]  spread evenly over the duration
    """
    length_s = min(LENGTH_S, duration_s)
    if not len(weights) or length_s >= duration_s:
        return 0.0, length_s
    per_s = len(weights) / duration_s
    n = max(1, round(length_s * per_s))
    total = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    sums = total[n:] - total[:-n]
    start_s = min(int(sums.argmax()) / per_s if len(sums) else 0.0, duration_s - length_s)
    return start_s, start_s + length_s
