"""Measures of sound that tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def signal_to_error_db(reference: ArrayLike, found: ArrayLike) -> float:
    """Energy of the reference over that of the difference, both without their mean."""
    wanted = np.asarray(reference, np.float64)
    error = np.asarray(found, np.float64) - wanted
    wanted, error = wanted - wanted.mean(), error - error.mean()
    return float(10 * np.log10((wanted**2).sum() / max((error**2).sum(), 1e-30)))
