"""The measure by which results are compared."""

from __future__ import annotations

import numpy as np
import pytest

from engine.agreement import agreement_db


def test_the_agreement_is_in_decibels() -> None:
    sound = np.sin(np.arange(1000.0)).astype(np.float32)
    assert agreement_db(sound, sound) is None
    assert agreement_db(sound, sound * np.float32(1.001)) == pytest.approx(60.0, abs=0.2)
    assert agreement_db(sound, 0 * sound) == 0
    silent = agreement_db(0 * sound, sound)
    assert silent is not None
    assert silent < -300


def test_values_that_are_not_finite_agree_with_nothing() -> None:
    found = agreement_db(np.ones(5), np.full(5, np.nan))
    assert found is not None
    assert not found >= 0
