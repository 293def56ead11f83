"""The sum of a cover."""

from __future__ import annotations

import numpy as np
import pytest

from engine.audio.resampling import resampled_length
from engine.audio.source import Sound
from engine.cover.loudness import GRID_HZ
from engine.cover.mix import Difference, Layer, mixed, window_correlation
from tests.engine.cover.track import samples_of, sine, sung, track_of

DICE = np.random.default_rng(11)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000, 22_050])
@pytest.mark.parametrize("n", [1, 2, 999, 44_100, 50_001])
def test_where_nothing_is_converted_the_mix_is_the_song(
    n: int, rate_hz: int, channels: int
) -> None:
    song = (0.2 * DICE.standard_normal((n, channels))).astype(np.float32)
    n_grid = resampled_length(n, rate_hz, GRID_HZ)
    vocals = track_of(0.3 * DICE.standard_normal((n_grid, 2)))
    lead = track_of(0.3 * DICE.standard_normal((n_grid, 2)))
    layers = [
        Layer(lead, 1.0),
        Layer(Difference(vocals, lead), 1.0),
        Layer(vocals, -1.0),
    ]
    result = samples_of(mixed(Sound.of(song, rate_hz), 1.0, layers, rate_hz, channels))
    assert result.shape == song.shape
    np.testing.assert_allclose(result, song, atol=1e-6)


def test_a_replaced_voice_is_heard_and_the_old_one_is_gone() -> None:
    instruments, old, new = sine(300, 1, 0.2), sine(1000, 1, 0.3), sine(2000, 1, 0.25)
    song = np.stack([instruments + old] * 2, 1).astype(np.float32)
    layers = [
        Layer(track_of(np.stack([new] * 2, 1)), 1.0),
        Layer(track_of(np.stack([old] * 2, 1)), -1.0),
    ]
    result = samples_of(mixed(Sound.of(song, GRID_HZ), 1.0, layers, GRID_HZ, 2))
    np.testing.assert_allclose(result[:, 0], instruments + new, atol=1e-6)


def test_an_own_instrumental_of_another_rate_and_length_gets_the_voice() -> None:
    bed = sine(300, 2, 0.2, 48_000).astype(np.float32)
    voice = track_of(sine(2000, 3, 0.25))
    result = samples_of(mixed(Sound.of(bed, 48_000), 0.5, [Layer(voice, 1.0)], 32_000, 2))
    assert result.shape == (3 * 32_000, 2)
    expected = sine(2000, 3, 0.25, 32_000)
    expected[: 2 * 32_000] += 0.5 * sine(300, 2, 0.2, 32_000)
    inner = np.r_[500:63_000, 65_000:95_000]
    np.testing.assert_allclose(result[inner, 0], expected[inner], atol=1e-3)


def test_a_muted_layer_adds_nothing() -> None:
    voice = track_of(sine(2000, 1, 0.25))
    assert not samples_of(mixed(None, 1.0, [Layer(voice, 0.0)], GRID_HZ, 2)).any()


def test_a_voice_in_both_tracks_is_recognised() -> None:
    one, other = sung([0.5, 0.4]), 0.3 * DICE.standard_normal(len(sung([0.5, 0.4])))
    assert window_correlation(track_of(one), track_of(0.5 * one)) > 0.9
    assert abs(window_correlation(track_of(one), track_of(other))) < 0.1
    assert window_correlation(track_of(0 * one), track_of(other)) == 0.0
