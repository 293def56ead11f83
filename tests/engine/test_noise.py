from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import special, stats

from engine.noise import NoiseField, _normal_quantile

PINNED_NORMAL = [-0.47505137, 0.17691728, -0.29524463, 1.2641059, 0.9924067, 0.24746267]
PINNED_UNIFORM = [0.462186038, 0.096544683, 0.183353782]


def test_any_window_holds_the_same_values() -> None:
    noise = NoiseField(7)
    origin = -50_000
    whole = noise.normal("source", origin, 60_000)
    rng = np.random.default_rng(0)
    for _ in range(200):
        start, stop = np.sort(rng.integers(origin, 60_000, 2)).tolist()
        np.testing.assert_array_equal(
            noise.normal("source", start, stop), whole[start - origin : stop - origin]
        )


@pytest.mark.parametrize("channels", [1, 2, 3, 9, 192])
def test_pieces_put_together_equal_the_whole(channels: int) -> None:
    noise = NoiseField(1)
    whole = noise.normal("latent", -30, 500, channels)
    assert whole.shape == (530, channels)
    assert whole.dtype == np.float32
    edges = [-30, -29, -8, 0, 1, 5, 21, 22, 300, 499, 500]
    pieces = [
        noise.normal("latent", start, stop, channels) for start, stop in itertools.pairwise(edges)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_values_at_distant_positions_are_normal_too() -> None:
    noise = NoiseField(1)
    day_samples = 24 * 3600 * 48_000
    far = noise.normal("source", day_samples, day_samples + 20_000)
    assert stats.kstest(far[:, 0], "norm").pvalue > 1e-3
    assert not np.array_equal(far, noise.normal("source", 0, 20_000))


def test_the_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    first = NoiseField(3).normal("source", 0, 1000)
    np.testing.assert_array_equal(first, NoiseField(3).normal("source", 0, 1000))
    np.testing.assert_array_equal(first, NoiseField(3 + (1 << 64)).normal("source", 0, 1000))
    for seed in (4, -3, 1 << 40):
        assert not np.array_equal(first, NoiseField(seed).normal("source", 0, 1000))


def test_values_are_pinned_for_every_platform() -> None:
    noise = NoiseField(1234)
    drawn = noise.normal("source", -2, 4)[:, 0]
    np.testing.assert_array_max_ulp(drawn, np.array(PINNED_NORMAL, np.float32), maxulp=1)
    np.testing.assert_array_equal(
        noise.uniform("harmonics", 3), np.array(PINNED_UNIFORM, np.float32)
    )


def test_the_values_are_normally_distributed() -> None:
    for seed in range(3):
        values = NoiseField(seed).normal("source", 0, 400_000)[:, 0]
        assert stats.kstest(values, "norm").pvalue > 1e-3
        assert abs(values.mean()) < 0.006
        assert abs(values.std() - 1) < 0.005
        assert abs(float(stats.kurtosis(values))) < 0.03
        assert 4.2 < np.abs(values).max() < 6.4


def test_neighbouring_values_seeds_streams_and_channels_are_unrelated() -> None:
    count = 200_000
    limit = 5 / np.sqrt(count)
    base = NoiseField(1).normal("source", 0, count)[:, 0]
    others = [
        NoiseField(2).normal("source", 0, count)[:, 0],
        NoiseField(1).normal("latent", 0, count)[:, 0],
        *(np.roll(base, lag) for lag in (1, 2, 8, 1 << 14)),
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < limit
        assert abs(np.corrcoef(np.abs(base), np.abs(other))[0, 1]) < limit
    channels = NoiseField(1).normal("latent", 0, count // 8, 8)
    table = np.corrcoef(channels.T)
    assert np.abs(table - np.eye(8)).max() < 5 / np.sqrt(count // 8)


def test_the_normal_quantile_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint32)
    bits[:4] = [0, 1, (1 << 32) - 1, 1 << 31]
    expected = special.ndtri((bits + 0.5) / 2**32)
    np.testing.assert_allclose(_normal_quantile(bits), expected, rtol=1.5e-7)


def test_uniform_values_are_uniform_and_below_one() -> None:
    values = NoiseField(5).uniform("phases", 100_000)
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() < 1
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(NoiseField(5).uniform("phases", 10), values[:10])


def test_switched_off_noise_is_zero_of_the_same_shape() -> None:
    silent = NoiseField(1, enabled=False)
    assert not silent.normal("latent", -5, 20, 3).any()
    assert silent.normal("latent", -5, 20, 3).shape == (25, 3)
    assert not silent.uniform("phases", 8).any()
    assert silent.uniform("phases", 8).shape == (8,)


def test_empty_windows_are_empty_and_reversed_ones_refused() -> None:
    noise = NoiseField(1)
    assert noise.normal("source", 5, 5, 2).shape == (0, 2)
    assert noise.uniform("phases", 0).shape == (0,)
    for arguments in ((5, 4, 1), (0, 4, 0)):
        with pytest.raises(ValueError, match="cannot draw"):
            noise.normal("source", *arguments)
    with pytest.raises(ValueError, match="cannot draw"):
        noise.uniform("phases", -1)
