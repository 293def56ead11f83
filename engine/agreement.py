"""How closely two results of the same computation agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def agreement_db(expected: ArrayLike, found: ArrayLike, outliers: float = 0.0) -> float | None:
    """Energy of what is expected over the energy of the difference; None where they are equal.

    Parameters
    ----------
    expected, found : of one shape
    outliers : share of the values, those with the largest differences, that is not counted
    """
    reference = np.asarray(expected, np.float64)
    errors = np.square(np.asarray(found, np.float64) - reference).ravel()
    if outliers:
        errors = np.sort(errors)[: round(errors.size * (1 - outliers))]
    error = float(errors.sum())
    if error == 0:
        return None
    energy = max(float(np.square(reference).sum()), 1e-30)
    return float(10 * np.log10(energy / error))
