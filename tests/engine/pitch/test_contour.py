"""Autotune, shift, and the levels that a synthesizer reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.pitch.contour import autotune, coarse_pitch, shift
from tests.weights_maker import GOLDEN

SUNG = 440.0 * 2 ** (torch.tensor([-24.3, -12.49, -0.4, 0.0, 0.2, 3.45, 7.9, 12.1]) / 12)
NOTES = 440.0 * 2 ** (torch.tensor([-24.0, -12.0, 0.0, 0.0, 0.0, 3.0, 8.0, 12.0]) / 12)


def semitones(f0_hz: torch.Tensor, above_hz: torch.Tensor) -> torch.Tensor:
    return 12 * torch.log2(f0_hz / above_hz)


def test_full_strength_lands_on_the_nearest_note() -> None:
    assert torch.allclose(autotune(SUNG, 1.0), NOTES, rtol=1e-5)


def test_no_strength_changes_nothing() -> None:
    assert torch.equal(autotune(SUNG, 0.0), SUNG)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.9])
def test_strength_is_the_part_of_the_interval_that_is_corrected(strength: float) -> None:
    left = semitones(autotune(SUNG, strength), NOTES)
    assert torch.allclose(left, (1 - strength) * semitones(SUNG, NOTES), atol=1e-4)


def test_unvoiced_frames_stay_unvoiced() -> None:
    assert autotune(torch.zeros(3), 0.7).tolist() == [0, 0, 0]


@pytest.mark.parametrize("wanted", [-12.0, -0.32, 0.5, 5.0, 7.25])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_shift_after_autotune_keeps_its_size(wanted: float, strength: float) -> None:
    tuned = autotune(SUNG, strength)
    assert torch.allclose(semitones(shift(tuned, wanted), tuned), torch.tensor(wanted), atol=1e-4)


PITCH_GUIDED = ("v1_32k_down7", "v2_40k", "v2_40k_refinegan", "v2_48k_mrf", "v2_48k_up5")


@pytest.mark.parametrize("case", PITCH_GUIDED)
def test_coarse_pitch_equals_the_golden_levels_exactly(case: str) -> None:
    with np.load(GOLDEN / f"{case}.npz") as golden:
        levels = coarse_pitch(torch.from_numpy(golden["f0"]))
        assert levels.dtype == torch.int64
        assert np.array_equal(levels.numpy(), golden["f0_coarse"])


def test_coarse_pitch_ends_at_1_and_255() -> None:
    f0_hz = torch.tensor([0.0, 10.0, 49.9, 50.0, 1100.0, 1100.1, 5000.0])
    assert coarse_pitch(f0_hz).tolist() == [1, 1, 1, 1, 255, 255, 255]


def test_a_shift_by_an_octave_doubles_and_leaves_unvoiced_frames() -> None:
    assert shift(torch.tensor([0.0, 110.0, 220.0]), 12).tolist() == [0, 220, 440]
    assert shift(torch.tensor([220.0]), -12).tolist() == [110]
