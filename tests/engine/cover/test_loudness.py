"""Loudness as ITU-R BS.1770 defines it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cover.loudness import frame_energies, integrated_lufs
from tests.engine.cover.track import sine, track_of


def level(samples: np.ndarray) -> float:
    return integrated_lufs(frame_energies(track_of(samples), weighted=True))


@pytest.mark.parametrize("peak_db", [-40.0, -23.0, -3.0])
def test_a_sine_of_997_hz_in_both_channels_has_its_peak_as_loudness(peak_db: float) -> None:
    tone = sine(997, 5, 10 ** (peak_db / 20))
    assert level(np.stack([tone, tone], 1)) == pytest.approx(peak_db, abs=0.05)
    assert level(tone) == pytest.approx(peak_db - 3.01, abs=0.05)


def test_low_tones_count_less_and_high_ones_more() -> None:
    low, middle, high = (level(sine(hz, 3, 0.1)) for hz in (40, 997, 6000))
    assert middle - low == pytest.approx(6.0, abs=1.0)
    assert high - middle == pytest.approx(3.3, abs=0.3)


def test_silence_between_phrases_does_not_count() -> None:
    tone = sine(997, 5, 0.1)
    with_silence = np.concatenate([tone, np.zeros(5 * len(tone)), tone])
    assert level(with_silence) == pytest.approx(level(tone), abs=0.2)


@pytest.mark.parametrize("n", [0, 1, 440, 441, 10_000])
def test_a_short_or_silent_track_has_a_loudness_too(n: int) -> None:
    assert level(np.zeros((n, 2))) == -70.0


def test_the_last_frame_is_filled_up_with_zeros() -> None:
    energy = frame_energies(track_of(np.full(441 + 100, 0.5)))
    np.testing.assert_allclose(energy[:, 0], [0.25, 0.25 * 100 / 441])
