from __future__ import annotations

import numpy as np
import pytest

from engine.audio.resampling import fit_length, resample, resampled_length
from tests.engine.audio.sound_file import music

RATES_HZ = [1_000, 8_000, 11_127, 16_000, 22_050, 24_000, 32_000, 40_000, 44_100, 48_000, 96_000]


def test_the_length_is_the_exact_quotient_with_halves_up() -> None:
    assert resampled_length(3, 2, 1) == 2
    assert resampled_length(5, 2, 1) == 3
    assert resampled_length(44_100, 44_100, 48_000) == 48_000
    assert resampled_length(10**15 + 1, 48_000, 16_000) == 333_333_333_333_334


def test_two_hundred_random_sounds_get_exactly_the_promised_length() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        from_hz, to_hz = (int(rate) for rate in rng.choice(RATES_HZ, 2))
        n, channels = int(rng.integers(1, 3_000)), int(rng.integers(1, 4))
        sound = music(n, from_hz, channels)
        out = resample(sound, from_hz, to_hz)
        assert out.shape == ((2 * n * to_hz + from_hz) // (2 * from_hz), channels)
        assert out.dtype == np.float32
        assert resample(sound[:, 0], from_hz, to_hz, n_out=n + 7).shape == (n + 7,)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48_000, 16_000), (44_100, 16_000), (40_000, 48_000)]
)
def test_an_impulse_stays_at_its_time(from_hz: int, to_hz: int) -> None:
    sound = np.zeros(from_hz, dtype=np.float32)
    sound[from_hz // 4] = 1
    out = resample(sound, from_hz, to_hz)
    weights = np.square(out.astype(float))
    centre = (weights * np.arange(out.size)).sum() / weights.sum()
    assert centre / to_hz == pytest.approx((from_hz // 4) / from_hz, abs=1e-6)


@pytest.mark.parametrize("from_hz", [22_050, 44_100, 48_000, 96_000])
def test_a_sine_keeps_amplitude_and_phase(from_hz: int) -> None:
    sine = np.sin(2 * np.pi * 440 * np.arange(2 * from_hz) / from_hz + 0.3).astype(np.float32)
    out = resample(sine, from_hz, 16_000)
    wanted = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000 + 0.3)
    assert np.abs(out - wanted)[1_000:-1_000].max() < 1e-5


def test_equal_rates_change_nothing_and_share_nothing() -> None:
    sound = music(1_000, 16_000, 2)
    out = resample(sound, 16_000, 16_000)
    np.testing.assert_array_equal(out, sound)
    assert not np.shares_memory(out, sound)


def test_missing_sound_is_added_a_block_at_a_time() -> None:
    """Hours of it: an instrumental longer than the vocals, a cover without layers."""
    blocks = fit_length(iter([np.ones((7, 2), np.float32)]), 10**9, 2)
    assert len(next(blocks)) == 7
    silence = next(blocks)
    assert silence.shape[1] == 2
    assert len(silence) <= 1 << 16
    sizes = [len(block) for block in fit_length([np.ones((7, 2), np.float32)], 200_000, 2)]
    assert sum(sizes) == 200_000


def test_a_sound_too_short_to_resample_keeps_its_channels() -> None:
    """Two samples at 96 kHz may give none at a lower rate, although one is due."""
    (block,) = fit_length([], 1, 2)
    assert block.shape == (1, 2)
