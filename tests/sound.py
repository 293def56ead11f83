"""Measures of sound that tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def agreement_db(found: ArrayLike, reference: ArrayLike) -> float:
    """Energy of the reference over that of the difference."""
    wanted = np.asarray(reference, np.float64)
    error = np.asarray(found, np.float64) - wanted
    return float(10 * np.log10((wanted**2).sum() / max((error**2).sum(), 1e-30)))


def signal_to_error_db(reference: ArrayLike, found: ArrayLike) -> float:
    """The same of both without their mean."""
    wanted, other = np.asarray(reference, np.float64), np.asarray(found, np.float64)
    return agreement_db(other - other.mean(), wanted - wanted.mean())
