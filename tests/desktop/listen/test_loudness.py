from __future__ import annotations

import numpy as np
import pytest

from desktop.listen.loudness import MAX_MATCH_DB, LoudnessMeter, matching_gains_db


def tone(hz: float, amplitude: float, rate_hz: int, seconds: float = 3.0) -> np.ndarray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)[:, None]


def measured(sound: np.ndarray, rate_hz: int, piece: int = 10_007) -> float | None:
    meter = LoudnessMeter(rate_hz, sound.shape[1])
    for start in range(0, len(sound), piece):
        meter.add(sound[start : start + piece])
    return meter.loudness_lufs()


@pytest.mark.parametrize("rate_hz", [16_000, 40_000, 44_100, 48_000, 96_000])
def test_a_full_scale_tone_of_997_hz_measures_minus_3_01_as_the_standard_says(rate_hz: int) -> None:
    assert measured(tone(997, 1.0, rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.1)


def test_both_channels_count_so_stereo_is_3_db_louder() -> None:
    sound = tone(997, 0.1, 48_000)
    assert measured(np.repeat(sound, 2, axis=1), 48_000) == pytest.approx(-20.0, abs=0.1)


def test_bass_counts_less_and_treble_more() -> None:
    low, middle, high = (measured(tone(hz, 0.1, 48_000), 48_000) for hz in (40, 997, 5000))
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low < middle - 3
    assert high > middle + 2


def test_pauses_do_not_make_speech_quieter() -> None:
    speech = tone(997, 0.1, 48_000)
    paused = np.concatenate([speech, np.zeros((48_000 * 10, 1), dtype=np.float32)])
    alone, with_pause = measured(speech, 48_000), measured(paused, 48_000)
    assert alone == pytest.approx(with_pause, abs=0.4)


def test_silence_has_no_loudness() -> None:
    assert measured(np.zeros((48_000, 2), dtype=np.float32), 48_000) is None
    assert LoudnessMeter(48_000, 1).loudness_lufs() is None


def test_a_tenth_of_a_second_can_be_measured() -> None:
    assert measured(tone(997, 0.5, 48_000, 0.1), 48_000) == pytest.approx(-9.0, abs=1.0)


def test_level_matching_is_limited() -> None:
    assert matching_gains_db([-20.0, -26.0, -14.0]) == pytest.approx([-6.0, 0.0, -12.0])
    assert matching_gains_db([-5.0, -65.0]) == [-MAX_MATCH_DB, 0.0]
    assert matching_gains_db([None, -20.0]) == [0.0, 0.0]
