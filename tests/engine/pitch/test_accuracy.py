"""How well the methods that need no download do on sounds whose pitch is known.

The floors are two points below what was measured on the whole set (``python -m tests.pitch_set``).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.pitch.hybrid import YIN, refined
from engine.pitch.swift import swift_frames
from engine.pitch.yin import track_yin
from tests.pitch_set.item import Floats, Item
from tests.pitch_set.score import Score, by_row
from tests.pitch_set.stored import small_set

SWIFT_FLOORS = {
    "speech, own": 86.8,
    "speech, vibrato": 86.8,
    "glides": 95.7,
    "octave jumps": 93.3,
    "+12 semitones": 84.5,
    "-12 semitones": 83.0,
    "sung 50-80 Hz": 97.0,
    "fry 42-70 Hz": 35.0,
    "breathy": 74.0,
    "sung and sine 130-1040 Hz": 98.0,
    "sung 1046-1320 Hz": 98.0,
    "whistle 1046-1975 Hz": 99.0,
    "noise 20 dB": 90.0,
    "noise 10 dB": 89.0,
    "noise 0 dB": 80.0,
    "reverb 0.3 s": 88.0,
    "reverb 1 s": 86.0,
    "bleed -20 dB": 90.0,
    "bleed -10 dB": 88.0,
    "peak -40 dBFS": 90.6,
    "clipped": 89.9,
    "all": 90.4,
}


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return small_set()


@pytest.fixture(scope="module")
def pitches(items: list[Item]) -> dict[str, list[Floats]]:
    """What each method finds in each item."""
    swift = [swift_frames(each.samples).f0_hz for each in items]
    yin = [track_yin(torch.from_numpy(each.samples)).numpy() for each in items]
    pairs = zip(swift, yin, strict=True)
    return {
        "swift": swift,
        "yin": yin,
        "hybrid": [refined(sure, [(finer, YIN)]) for sure, finer in pairs],
    }


def scores(items: list[Item], found: list[Floats]) -> dict[str, Score]:
    by_sound = {id(each.samples): hz for each, hz in zip(items, found, strict=True)}
    return by_row(items, lambda samples: by_sound[id(samples)])


@pytest.fixture(scope="module")
def swift(items: list[Item], pitches: dict[str, list[Floats]]) -> dict[str, Score]:
    return scores(items, pitches["swift"])


@pytest.mark.parametrize("row", SWIFT_FLOORS)
def test_swift_is_as_accurate_as_it_was(swift: dict[str, Score], row: str) -> None:
    assert swift[row].accuracy >= SWIFT_FLOORS[row]


def test_an_accompaniment_behind_a_voice_is_not_taken_for_it(swift: dict[str, Score]) -> None:
    assert swift["bleed -10 dB"].false_alarm_rate <= 10


def test_a_quiet_recording_does_as_well_as_a_loud_one(
    items: list[Item], pitches: dict[str, list[Floats]]
) -> None:
    quiet = [k for k, each in enumerate(items) if each.row == "peak -40 dBFS"]
    loud = [
        next(j for j, each in enumerate(items) if f"{each.row}: {each.name}" == items[k].name)
        for k in quiet
    ]
    found = pitches["swift"]
    soft, full = (
        scores([items[k] for k in which], [found[k] for k in which])["all"].accuracy
        for which in (quiet, loud)
    )
    assert soft >= full - 1


def test_glides_are_on_time(items: list[Item], pitches: dict[str, list[Floats]]) -> None:
    """The shift in time at which the found pitch is nearest to the known one."""
    at = next(k for k, each in enumerate(items) if each.row == "glides")
    truth, found = items[at].f0_hz.astype(np.float64), pitches["swift"][at]
    frames, known = np.arange(len(truth)), np.flatnonzero(truth)

    def distance(shift_ms: float) -> float:
        moved = np.exp(np.interp(frames + shift_ms / 10, known, np.log(truth[known])))
        heard = (found > 0) & (truth > 0)
        return float(np.abs(np.log2(found[heard] / moved[heard])).mean())

    shifts_ms = np.arange(-15, 15.1, 0.5)
    best_ms = shifts_ms[int(np.argmin([distance(shift_ms) for shift_ms in shifts_ms]))]
    assert abs(best_ms) <= 2.5


def test_yin_hears_whistles_too(items: list[Item], pitches: dict[str, list[Floats]]) -> None:
    yin = scores(items, pitches["yin"])
    assert yin["whistle 1046-1975 Hz"].accuracy >= 98
    assert yin["sung 1046-1320 Hz"].accuracy >= 96


def test_the_hybrid_is_as_sure_as_swift_and_finer(
    items: list[Item], pitches: dict[str, list[Floats]], swift: dict[str, Score]
) -> None:
    hybrid = scores(items, pitches["hybrid"])["all"]
    assert hybrid.false_alarms == swift["all"].false_alarms
    assert hybrid.accuracy >= swift["all"].accuracy
    assert hybrid.median_cents <= swift["all"].median_cents - 2
