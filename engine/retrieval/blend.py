"""What becomes of the neighbours that a search has found."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.optimization import Weighting

NEIGHBOURS = 8


def squared_distances(features: Tensor, neighbours: Tensor) -> Tensor:
    """Squared distance of each feature to each of its neighbours, by differences.

    Matrix products (‖a‖² + ‖b‖² - 2ab) lose the small distances, which weigh most.

    Parameters
    ----------
    features : float32 [T, d]
    neighbours : float32 [T, K, d]

    Returns
    -------
    float32 [T, K]
    """
    return (neighbours - features.unsqueeze(1)).square_().sum(-1)


def weighted_mean(
    neighbours: Tensor, scores: Tensor, kept: Tensor, weighting: Weighting = "inverse_square"
) -> Tensor:
    """Mean of the neighbours, the nearer the heavier (RVC's retrieval).

    A score of 0 gives the row itself (or the mean of all rows that have it), where the formula
    of the RVC projects gives NaN.

    Parameters
    ----------
    neighbours : float32 [T, K, d]  overwritten
    scores : float32 [T, K]  squared distances
    kept : bool [T, K]  which of the neighbours count; NaN for a frame where none does
    weighting : see `Weighting`

    Returns
    -------
    float32 [T, d]
    """
    scores = scores.masked_fill(~kept, torch.inf)
    nearest = scores.amin(1, keepdim=True)
    # Relative to the nearest, no power of a distance overflows; normalising cancels the factor.
    closeness = torch.where(scores == 0, 1.0, nearest / scores)
    weights = closeness.square() if weighting == "inverse_square" else closeness
    weights = weights / weights.sum(1, keepdim=True)
    return neighbours.mul_(weights.unsqueeze(-1)).sum(1)


def mix(retrieved: Tensor, features: Tensor, index_rate: float | Tensor) -> Tensor:
    """``index_rate`` of the retrieved features and the rest of the original ones.

    Parameters
    ----------
    retrieved, features : float32 [..., d]
    index_rate : 0..1, one for all or a tensor that broadcasts
    """
    return index_rate * retrieved + (1 - index_rate) * features


NO_PROTECTION = 0.5
"""A strength of protection from here on leaves the retrieved features, as in every RVC project."""


def protect(retrieved: Tensor, features: Tensor, f0_hz: Tensor, strength: float | Tensor) -> Tensor:
    """Give unvoiced frames (breath, consonants) back some of their original features.

    Parameters
    ----------
    retrieved, features : float32 [..., T, d]  after and before retrieval, 100 frames/s
    f0_hz : float32 [..., T]  0 where unvoiced
    strength : share of `retrieved` in frames below 1 Hz, one for all or [..., 1, 1];
        `NO_PROTECTION` and above switches it off

    Returns
    -------
    float32 [..., T, d]
    """
    share = torch.as_tensor(strength, device=features.device)
    protected = (f0_hz.unsqueeze(-1) < 1) & (share < NO_PROTECTION)
    return torch.where(protected, mix(retrieved, features, share), retrieved)


def check_width(features: Tensor, width: int) -> None:
    """Refuse features of another width than the rows."""
    if features.ndim != 2 or features.shape[1] != width:
        raise ValueError(f"features must be [T, {width}], not {tuple(features.shape)}")
