"""Some of the damaged files on every run; ``python -m tests.fuzz --count 10000`` reads more."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.reader import specimens
from tests.fuzz.run import ENDINGS, fuzz, seeds

COUNT = 1_500
ODD_VOICES = 30
LARGEST_SHARE_LOADED = 0.6
"""Damage to labels, padding and single weights leaves the voice usable."""


def test_damaged_files_are_refused_or_loaded() -> None:
    numbers = [n for n in range(COUNT) if ENDINGS[n % len(ENDINGS)] != ".record"]
    tally = fuzz([*numbers, *seeds(0, ODD_VOICES, ".record")])
    assert tally.failures == []
    assert tally.files == len(numbers) + ODD_VOICES
    loaded = tally.files - tally.refused
    assert 0 < loaded < LARGEST_SHARE_LOADED * tally.files


def test_damaged_sounds_are_refused_or_read() -> None:
    tally = fuzz(range(150), reads="tests.fuzz.sound_reader")
    assert tally.failures == []
    assert 0 < tally.refused < tally.files == 150


def test_every_kind_of_file_is_among_them() -> None:
    assert tuple(ending for ending, _ in specimens()) == ENDINGS
    assert Counter(ENDINGS) == {".pth": 3, ".index": 3, ".zip": 3, ".csv": 1, ".record": 1}


def test_a_process_that_dies_is_reported_and_replaced() -> None:
    tally = fuzz([0, "no seed", 1], reads="tests.fuzz.sound_reader")  # type: ignore[list-item]
    assert tally.files == 3
    assert len(tally.failures) == 1
    assert "the process died, code 1" in tally.failures[0]
