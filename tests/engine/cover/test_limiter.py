"""The limiter of a mix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from engine.cover.limiter import CEILING, limited_blocks, limited_stretch, true_peaks
from engine.cover.loudness import GRID_HZ
from tests.engine.cover.track import track_of


def limited(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((0, samples.shape[1])), *limited_blocks(track_of(samples))])


def quiet_noise(seconds: float) -> np.ndarray:
    dice = np.random.default_rng(3)
    return (0.05 * dice.standard_normal((round(seconds * GRID_HZ), 2))).astype(np.float32)


def over(samples: np.ndarray, at_s: float, level: float, seconds: float = 0.02) -> None:
    start = round(at_s * GRID_HZ)
    samples[start : start + round(seconds * GRID_HZ)] *= level


def test_a_mix_without_overs_stays_bit_for_bit() -> None:
    samples = quiet_noise(2)
    np.testing.assert_array_equal(limited(samples), samples)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_the_true_peak_stays_below_the_ceiling(rate_hz: int) -> None:
    samples = quiet_noise(3)
    for at_s, level in ((0.0, 8), (0.7, 30), (1.5, 12), (1.52, 15), (2.99, 9)):
        over(samples, at_s, level)
    samples[5000] = [1.9, -0.2]
    # Full-scale tone at a quarter of the rate whose samples miss the peaks by 3 dB.
    time = np.arange(4000)
    samples[60_000:64_000] = (0.8 * np.sqrt(2) * np.sin(np.pi / 2 * time + np.pi / 4))[:, None]
    result = limited(samples)
    fine = np.abs(resample_poly(result.astype(np.float64), 4, 1, axis=0)).max()
    assert fine <= CEILING
    assert len(result) == len(samples)


def test_nothing_changes_beyond_a_tenth_of_a_second_from_an_over() -> None:
    samples = quiet_noise(3)
    over(samples, 1.0, 40)
    over(samples, 2.2, 40)
    changed = np.flatnonzero((limited(samples) != samples).any(1)) / GRID_HZ
    near = ((changed > 0.99) & (changed < 1.13)) | ((changed > 2.19) & (changed < 2.33))
    assert len(changed)
    assert near.all()


@pytest.mark.parametrize("seed", range(3))
def test_a_stretch_alone_is_limited_as_in_the_whole(seed: int) -> None:
    dice = np.random.default_rng(seed)
    samples = (0.25 * dice.standard_normal((5 * GRID_HZ, 2))).astype(np.float32)
    for at_s in dice.uniform(0, 5, 20):
        over(samples, at_s, dice.uniform(1, 9), dice.uniform(0.001, 0.2))
    whole, track = limited(samples), track_of(samples)
    for length in (1, 700, 20_000, 100_000):
        start = int(dice.integers(len(samples) - length))
        stretch = limited_stretch(track, start, start + length)
        np.testing.assert_array_equal(stretch, whole[start : start + length])


def test_left_and_right_are_turned_down_together() -> None:
    samples = quiet_noise(1)
    samples[20_000:20_100, 0] = 1.8
    result = limited(samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = result[20_000:20_100] / samples[20_000:20_100]
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1], rtol=1e-4)
    assert ratio.max() < 0.6


@pytest.mark.parametrize("n", [0, 1, 47, 48, 49, 5000])
def test_any_length_stays_as_it_is(n: int) -> None:
    samples = np.full((n, 1), 1.5, np.float32)
    result = limited(samples)
    assert result.shape == samples.shape
    assert n == 0 or np.abs(result).max() <= CEILING


def test_the_peak_between_two_samples_is_found() -> None:
    time = np.arange(2000)
    tone = np.sin(np.pi / 2 * time + np.pi / 4)  # samples at 0.707, peaks at 1
    assert true_peaks(track_of(tone))[5:-5].max() == pytest.approx(1.0, abs=0.02)
