"""A converted voice takes the place of the lead."""

from __future__ import annotations

import numpy as np
import pytest

from engine.cover.loudness import GRID_HZ, frame_energies, integrated_lufs
from engine.cover.mix import PlacedVoice
from engine.cover.placement import VoicePlacement, delay_ms, is_double_tracked, phrases
from tests.engine.cover.track import samples_of, sung, track_of


def placed(lead: np.ndarray, voice: np.ndarray) -> np.ndarray:
    lead_track, voice_track = track_of(lead), track_of(voice)
    placement = VoicePlacement.match(lead_track, voice_track)
    return samples_of(PlacedVoice(voice_track, placement))


def stereo(samples: np.ndarray, left: float = 1.0, right: float = 1.0) -> np.ndarray:
    return np.stack([left * samples, right * samples], axis=1)


def level(samples: np.ndarray) -> float:
    return integrated_lufs(frame_energies(track_of(samples), weighted=True))


@pytest.mark.parametrize("off_db", [-8.0, 0.0, 6.0])
def test_a_voice_of_another_level_gets_that_of_the_lead(off_db: float) -> None:
    lead = sung([0.5, 0.2, 0.4])
    result = placed(stereo(lead), lead * 10 ** (off_db / 20))
    assert level(result) == pytest.approx(level(stereo(lead)), abs=0.5)


def test_each_phrase_gets_its_own_level() -> None:
    lead = sung([0.5, 0.2, 0.4])
    result = placed(stereo(lead), sung([0.3, 0.3, 0.3]))
    phrase = round(2.1 * GRID_HZ)
    for start in range(0, len(lead), phrase):
        part = slice(start, start + phrase)
        assert level(result[part]) == pytest.approx(level(stereo(lead[part])), abs=0.7)


@pytest.mark.parametrize(("left", "right"), [(1.0, 0.0), (0.85, 0.53), (0.3, 0.95), (0.7, 0.7)])
def test_a_lead_on_one_side_stays_there(left: float, right: float) -> None:
    lead = stereo(sung([0.5, 0.3]), left, right)
    result = placed(lead, sung([0.4, 0.4]))
    for found, wanted in zip(np.square(result).mean(0), np.square(lead).mean(0), strict=True):
        if wanted > 0:
            assert 10 * np.log10(found / wanted) == pytest.approx(0.0, abs=1.0)
        else:
            assert found < 1e-6 * np.square(lead).mean()


def test_nothing_is_sung_where_the_lead_is_silent() -> None:
    lead = sung([0.5, 0.5], silence_s=1.0)
    voice = sung([0.5, 0.5], silence_s=1.0)
    silent = slice(round(1.75 * GRID_HZ), round(2.25 * GRID_HZ))
    voice[silent] = 0.1 * np.random.default_rng(0).standard_normal(silent.stop - silent.start)
    result = placed(stereo(lead), voice)
    assert np.abs(result[silent]).max() == 0.0
    assert np.abs(result[: round(1.4 * GRID_HZ)]).max() > 0.2


def test_clicks_keep_their_place() -> None:
    lead, voice = sung([0.5, 0.5]), 0.3 * sung([0.5, 0.5])
    places = [20_000, 40_001, 120_007]
    voice[places] = 0.9
    result = placed(stereo(lead), voice)
    assert [int(np.abs(result[p - 50 : p + 50, 0]).argmax()) + p - 50 for p in places] == places


def test_a_correction_has_a_limit_and_bleed_is_not_lifted() -> None:
    lead, voice = sung([0.5, 0.002]), sung([0.5, 0.0005])
    result = placed(stereo(lead), voice)
    quiet = slice(round(2.1 * GRID_HZ), None)
    assert np.abs(result[quiet]).max() < 0.0011
    assert np.abs(result).max() < 1.0


def test_a_silent_lead_gives_silence() -> None:
    assert not placed(np.zeros((50_000, 2)), sung([0.5])[:50_000]).any()


@pytest.mark.parametrize("n", [1, 100, 441, 5000])
def test_a_short_lead_is_placed_too(n: int) -> None:
    lead = sung([0.5])[10_000 : 10_000 + n]
    assert placed(stereo(lead), lead).shape == (n, 2)


def test_phrases_are_cut_at_silences_of_300_ms_only() -> None:
    audible = np.zeros(500, bool)
    for start, stop in ((10, 100), (120, 200), (240, 300), (331, 400)):
        audible[start:stop] = True
    assert phrases(audible) == [(10, 200), (240, 300), (331, 400)]
    assert phrases(np.zeros(10, bool)) == []


def test_a_double_tracked_lead_is_recognised() -> None:
    dice = np.random.default_rng(0)
    one, other = dice.standard_normal((2, 50_000))
    assert is_double_tracked(track_of(np.stack([one, other], 1)))
    assert not is_double_tracked(track_of(np.stack([one, 0.3 * one + 0.1 * other], 1)))
    assert not is_double_tracked(track_of(np.stack([one, 0 * one], 1)))


@pytest.mark.parametrize("delay", [-10, 0, 3, 20])
def test_a_delay_is_measured(delay: int) -> None:
    lead = sung([0.5, 0.3, 0.4])
    voice = np.roll(lead, round(delay * GRID_HZ / 1000))
    assert delay_ms(track_of(stereo(lead)), track_of(voice)) == pytest.approx(delay, abs=1)


def test_no_delay_is_claimed_where_nothing_is_alike() -> None:
    noise = np.random.default_rng(0).standard_normal(3 * GRID_HZ)
    assert delay_ms(track_of(stereo(sung([0.5, 0.3])[: len(noise)])), track_of(noise)) is None
    assert delay_ms(track_of(np.zeros((5000, 2))), track_of(np.zeros(5000))) is None
