"""What a singer expects of autotune and of a shift beside it."""

from __future__ import annotations

import pytest
import torch

from engine.pitch.autotune import autotune
from engine.pitch.curve import shift

SUNG = 440.0 * 2 ** (torch.tensor([-24.3, -12.49, -0.4, 0.0, 0.2, 3.45, 7.9, 12.1]) / 12)
NOTES = 440.0 * 2 ** (torch.tensor([-24.0, -12.0, 0.0, 0.0, 0.0, 3.0, 8.0, 12.0]) / 12)


def semitones(f0_hz: torch.Tensor, above_hz: torch.Tensor) -> torch.Tensor:
    return 12 * torch.log2(f0_hz / above_hz)


def test_full_strength_lands_on_the_nearest_note() -> None:
    assert torch.allclose(autotune(SUNG, 1.0), NOTES, rtol=1e-5)


def test_no_strength_changes_nothing() -> None:
    assert torch.equal(autotune(SUNG, 0.0), SUNG)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.9])
def test_strength_is_the_part_of_the_interval_that_goes(strength: float) -> None:
    left = semitones(autotune(SUNG, strength), NOTES)
    assert torch.allclose(left, (1 - strength) * semitones(SUNG, NOTES), atol=1e-4)


def test_unvoiced_frames_stay_unvoiced() -> None:
    assert autotune(torch.zeros(3), 0.7).tolist() == [0, 0, 0]


@pytest.mark.parametrize("wanted", [-12.0, -0.32, 0.5, 5.0, 7.25])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_shift_after_it_is_kept_whatever_its_size(wanted: float, strength: float) -> None:
    tuned = autotune(SUNG, strength)
    assert torch.allclose(semitones(shift(tuned, wanted), tuned), torch.tensor(wanted), atol=1e-4)
