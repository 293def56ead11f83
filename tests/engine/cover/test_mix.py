"""The sum of a cover."""

from __future__ import annotations

import numpy as np
import pytest

from engine.audio.resampling import resampled_length
from engine.audio.source import Sound
from engine.cover.loudness import GRID_HZ, Track
from engine.cover.mix import Difference, Mix, rendered, window_correlation
from engine.cover.options import CoverOptions, Part
from tests.engine.cover.track import samples_of, sine, sung, track_of

DICE = np.random.default_rng(11)


ALL_ON = CoverOptions(room_db=0.0).gains()


def mixed(
    bed: Sound | None,
    vocals: Track | None,
    voices: dict[Part, Track],
    rate_hz: int,
    channels: int,
    gains: dict[Part, float] = ALL_ON,
) -> np.ndarray:
    """All parts added up, float32 [n, channels]."""
    sounds = rendered(bed, vocals, voices, rate_hz, channels)
    parts = {part: track_of(np.concatenate([*sound.blocks()])) for part, sound in sounds.items()}
    assert len({len(each) for each in parts.values()}) == 1
    return samples_of(Mix(parts, gains, channels))


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
    voices: dict[Part, Track] = {"lead": lead, "backing": Difference(vocals, lead)}
    result = mixed(Sound.of(song, rate_hz), vocals, voices, rate_hz, channels)
    assert result.shape == song.shape
    np.testing.assert_allclose(result, song, atol=1e-6)


def test_a_replaced_voice_is_heard_and_the_old_one_is_gone() -> None:
    instruments, old, new = sine(300, 1, 0.2), sine(1000, 1, 0.3), sine(2000, 1, 0.25)
    song = np.stack([instruments + old] * 2, 1).astype(np.float32)
    vocals, lead = (track_of(np.stack([each] * 2, 1)) for each in (old, new))
    result = mixed(Sound.of(song, GRID_HZ), vocals, {"lead": lead}, GRID_HZ, 2)
    np.testing.assert_allclose(result[:, 0], instruments + new, atol=1e-6)


def test_an_own_instrumental_of_another_rate_and_length_gets_the_voice() -> None:
    bed = sine(300, 2, 0.2, 48_000).astype(np.float32)
    voice = track_of(np.stack([sine(2000, 3, 0.25)] * 2, 1))
    gains = ALL_ON | {"instrumental": 0.5}
    result = mixed(Sound.of(bed, 48_000), None, {"lead": voice}, 32_000, 2, gains)
    assert result.shape == (3 * 32_000, 2)
    expected = sine(2000, 3, 0.25, 32_000)
    expected[: 2 * 32_000] += 0.5 * sine(300, 2, 0.2, 32_000)
    inner = np.r_[500:63_000, 65_000:95_000]
    np.testing.assert_allclose(result[inner, 0], expected[inner], atol=1e-3)


def test_a_muted_part_adds_nothing() -> None:
    voice = track_of(np.stack([sine(2000, 1, 0.25)] * 2, 1))
    gains = CoverOptions(lead_db=-60.0).gains()
    assert not mixed(None, None, {"lead": voice}, GRID_HZ, 2, gains).any()


def test_a_voice_in_both_tracks_is_recognised() -> None:
    one, other = sung([0.5, 0.4]), 0.3 * DICE.standard_normal(len(sung([0.5, 0.4])))
    assert window_correlation(track_of(one), track_of(0.5 * one)) > 0.9
    assert abs(window_correlation(track_of(one), track_of(other))) < 0.1
    assert window_correlation(track_of(0 * one), track_of(other)) == 0.0
