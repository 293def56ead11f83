"""One reading of a sentence in the timing of another: dynamic time warping of content features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SPREAD = 0.05
DIAGONAL_COST = 1.0
STEP_ASIDE_COST = 1.4
"""A little more than half of two cells, so that both voices go on together where they can."""


def same_moments(reading: Tensor, other: Tensor) -> NDArray[np.int64]:
    """Which frames of two voices that say the same words belong together.

    Parameters
    ----------
    reading, other : float32 [R, C] and [T, C] content features

    Returns
    -------
    int64 [P, 2], a frame of each, rising; every frame is in it
    """
    return cheapest_path(_distances(reading, other))


def moved(reading: Tensor, moments: NDArray[np.int64]) -> Tensor:
    """Frames of ``reading`` in the other's timing, float32 [T, C]; the mean where several meet."""
    here, there = torch.from_numpy(moments).unbind(1)
    count = torch.bincount(there)
    sums = torch.zeros(len(count), reading.shape[1]).index_add_(0, there, reading[here])
    return sums / count[:, None]


def _distances(reading: Tensor, other: Tensor) -> NDArray[np.float64]:
    """One minus the cosine of each pair of frames, [R, T]; each voice around its own mean."""
    plain = [(each - each.mean(0)) / (each.std(0) + _SPREAD) for each in (reading, other)]
    first, second = (torch.nn.functional.normalize(each, dim=1) for each in plain)
    return (1 - first @ second.T).double().numpy()


def cheapest_path(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs of row and column, int64 [P, 2], from corner to corner, each step 0 or 1."""
    rows, columns = distances.shape
    costs = np.full((rows + 1, columns + 1), np.inf)
    costs[0, 0] = 0.0
    for total in range(2, rows + columns + 1):
        row = np.arange(max(1, total - columns), min(rows, total - 1) + 1)
        column = total - row
        here = distances[row - 1, column - 1]
        straight = costs[row - 1, column - 1] + 2 * DIAGONAL_COST * here
        aside = np.minimum(costs[row - 1, column], costs[row, column - 1])
        costs[row, column] = np.minimum(straight, aside + STEP_ASIDE_COST * here)
    return _way_back(costs, distances)


def _way_back(costs: NDArray[np.float64], distances: NDArray[np.float64]) -> NDArray[np.int64]:
    row, column = distances.shape
    path = [(row - 1, column - 1)]
    while (row, column) != (1, 1):
        here = distances[row - 1, column - 1]
        straight = costs[row - 1, column - 1] + 2 * DIAGONAL_COST * here
        if costs[row, column] == straight:
            row, column = row - 1, column - 1
        elif costs[row - 1, column] <= costs[row, column - 1]:
            row -= 1
        else:
            column -= 1
        path.append((row - 1, column - 1))
    return np.array(path[::-1], np.int64)
