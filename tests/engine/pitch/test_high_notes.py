"""High notes: repaired by a guide, and taken into a voice's reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.pitch.ceiling import folded, hears_high_notes, within_reach
from engine.pitch.high_notes import loud_frames, repaired, with_guide
from tests.engine.small_set import write_small_set

RATE_HZ = 16_000


def one(f0_hz: float, guide_hz: float, *, loud: bool = True) -> float:
    pair = (np.array([hz], np.float32) for hz in (f0_hz, guide_hz))
    return float(repaired(*pair, np.array([loud]))[0])


@pytest.mark.parametrize(
    ("f0_hz", "guide_hz", "expected"),
    [
        (300, 310, 300),  # they agree: the network's own value
        (1400, 1420, 1400),
        (600, 1210, 1200),  # an octave low
        (240, 480, 480),
        (200, 400, 200),  # too low a guide to be trusted with octaves
        (470, 1400, 1400),  # a twelfth low
        (300, 900, 300),
        (500, 0, 500),  # the guide hears nothing
        (0, 1200, 1200),  # a gap in a loud frame
        (0, 700, 0),
    ],
)
def test_a_high_note_follows_the_guide(f0_hz: float, guide_hz: float, expected: float) -> None:
    assert one(f0_hz, guide_hz) == expected


def test_gaps_between_notes_stay_gaps() -> None:
    assert one(0, 1200, loud=False) == 0
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    sound = (np.sin(2 * np.pi * 1200 * time_s) * (time_s < 1)).astype(np.float32)
    loud = loud_frames(sound + np.float32(1e-3))
    assert loud.shape == (len(sound) // 160 + 1,)
    assert loud[:98].all()
    assert not loud[104:].any()
    assert not loud_frames(np.zeros(1000, np.float32)).any()


def test_a_network_that_hears_whistles_an_octave_low_is_put_right() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    f0_hz = 1046.5 * 2 ** (0.9 * time_s)
    whistle = torch.from_numpy(
        0.3 * np.sin(2 * np.pi * np.cumsum(f0_hz) / RATE_HZ).astype(np.float32)
    )
    heard = torch.from_numpy((f0_hz[::160] / 2).astype(np.float32))
    heard = torch.cat((heard, heard[-1:]))
    heard[40:60] = 0
    made = with_guide(whistle, heard).numpy()[6:94]
    assert np.abs(1200 * np.log2(made / f0_hz[::160][6:94])).max() < 30


def test_the_guide_keeps_to_the_range_that_was_asked_for() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    whistle = torch.from_numpy((0.3 * np.sin(2 * np.pi * 1400 * time_s)).astype(np.float32))
    heard = torch.full((101,), 700.0)
    assert with_guide(whistle, heard, None, 1100.0).tolist() == heard.tolist()
    assert with_guide(whistle, heard)[50] == 1400


def test_notes_above_the_ceiling_are_an_octave_lower_and_vibrato_does_not_leap() -> None:
    f0_hz = np.array([1200, 1260, 1240, 1260, 1100, 1260, 0, 1200], np.float32)
    assert folded(f0_hz, 1250.0).tolist() == [1200, 630, 620, 630, 1100, 630, 0, 1200]
    assert folded(f0_hz[:1], 1250.0).tolist() == [1200]
    assert folded(f0_hz[:0], 1250.0).tolist() == []


def test_what_the_voice_can_sing_stays_and_a_shift_is_never_undone() -> None:
    f0_hz = torch.tensor([700.0, 1400.0])
    assert within_reach(f0_hz, ConversionOptions()).tolist() == [700, 700]
    assert within_reach(f0_hz, ConversionOptions(reaches_higher=True)).tolist() == [700, 1400]
    assert within_reach(f0_hz, ConversionOptions(semitones=-12)).tolist() == [700, 1400]
    assert within_reach(f0_hz, ConversionOptions(semitones=12)).tolist() == [700, 700]


@pytest.mark.parametrize("method", ["swift", "fcpe", "hybrid", "yin"])
def test_only_a_pitch_that_is_right_up_there_is_taken_lower(method: str) -> None:
    assert hears_high_notes(method, ConversionOptions())
    assert not hears_high_notes("rmvpe", ConversionOptions())
    assert hears_high_notes("rmvpe", ConversionOptions(check_octaves=True))


def test_a_voice_sings_a_whistle_an_octave_lower_unless_it_reaches_higher(tmp_path: Path) -> None:
    small = write_small_set(tmp_path)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    time_s = np.arange(RATE_HZ) / RATE_HZ

    def converted(f0_hz: float, **options: object) -> np.ndarray:
        whistle = (0.3 * np.sin(2 * np.pi * f0_hz * time_s)).astype(np.float32)
        chosen = ConversionOptions(pitch_method="swift", **options)  # type: ignore[arg-type]
        made = converter.convert(whistle, RATE_HZ, small.voice, chosen).samples
        assert made is not None
        return made

    higher = converted(1568, reaches_higher=True)
    assert np.array_equal(converted(1568), converted(1568, semitones=-12, reaches_higher=True))
    assert not np.array_equal(converted(1568), higher)
    assert np.array_equal(converted(1000), converted(1000, reaches_higher=True))
