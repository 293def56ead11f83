"""From salience to Hz, against the reference's arithmetic frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.pitch.rmvpe import decode_salience

BIN_CENTS = 1997.3794084376191 + 20 * np.arange(360)


def decoded_slowly(salience: np.ndarray, threshold: float = 0.03) -> np.ndarray:
    """One frame after another, in float64."""
    f0_hz = np.zeros(len(salience))
    for frame, row in enumerate(salience.astype(np.float64)):
        best = int(row.argmax())
        near = slice(max(best - 4, 0), best + 5)
        if row[best] > threshold:
            cents = (row[near] * BIN_CENTS[near]).sum() / row[near].sum()
            f0_hz[frame] = 10 * 2 ** (cents / 1200)
    return f0_hz


def bumps(*bins: float, height: float = 0.9) -> torch.Tensor:
    centre = torch.tensor(bins)[:, None]
    return height * torch.exp(-0.5 * ((torch.arange(360) - centre) / 1.5) ** 2)


def test_the_vectorised_decoding_equals_the_slow_one() -> None:
    salience = torch.rand(400, 360, generator=torch.Generator().manual_seed(2))
    salience[50:90] *= 0.03
    salience[100:104] = bumps(0, 1, 358, 359)
    f0_hz, expected = decode_salience(salience).numpy(), decoded_slowly(salience.numpy())
    assert np.array_equal(f0_hz > 0, expected > 0)
    voiced = expected > 0
    assert np.abs(1200 * np.log2(f0_hz[voiced] / expected[voiced])).max() < 0.01


def test_a_pitch_between_two_bins_is_found_to_a_cent() -> None:
    bins = torch.linspace(10, 340, 67)
    f0_hz = decode_salience(bumps(*bins.tolist()))
    cents = 1200 * torch.log2(f0_hz / 10) - (1997.3794 + 20 * bins)
    assert cents.abs().max() < 1


def test_a_frame_at_the_threshold_is_unvoiced() -> None:
    salience = torch.zeros(3, 360)
    salience[:, 100] = torch.tensor([0.03, 0.0301, 0.0])
    assert (decode_salience(salience) > 0).tolist() == [False, True, False]


def test_a_range_looks_past_a_higher_peak_outside_it() -> None:
    salience = bumps(30) + bumps(180, height=0.4)
    low_hz, high_hz = (10 * 2 ** (BIN_CENTS[i] / 1200) for i in (30, 180))
    assert decode_salience(salience).item() == pytest.approx(low_hz, rel=1e-3)
    ranged = decode_salience(salience, f0_min_hz=100, f0_max_hz=1100)
    assert ranged.item() == pytest.approx(high_hz, rel=1e-3)
    assert decode_salience(bumps(30), f0_min_hz=100).item() == 0
    assert decode_salience(bumps(300), f0_max_hz=100).item() == 0


def test_a_range_wider_than_the_bins_is_no_limit() -> None:
    salience = bumps(2, 357)
    assert torch.equal(
        decode_salience(salience, f0_min_hz=1, f0_max_hz=1e5), decode_salience(salience)
    )
