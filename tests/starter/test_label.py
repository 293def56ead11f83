"""The labels of synthesised speech lie where the sound is."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recipe import espeak, flite
from recipe.alignment import align
from recipe.phoneme import CLASSES, INDEX
from recipe.speech_set import Utterance, load_set, save_set, to_int16

from engine.audio.reader import read_audio

SENTENCE = "She sees the sea and sings about shining ships."
HISSES = [INDEX[name] for name in ("s", "sh")]
VOWELS = [INDEX[name] for name in ("iy", "ah", "ae", "ay", "aw", "ih")]

needs_flite = pytest.mark.skipif(not flite.flite_is_installed(), reason="flite is not installed")
needs_espeak = pytest.mark.skipif(
    not espeak.espeak_is_installed(), reason="espeak-ng is not installed"
)


def by_flite(folder: Path, voice: str, stretch: float = 1.0) -> Utterance:
    file = folder / f"{voice}.wav"
    ends_s, classes = flite.speak(SENTENCE, flite.Manner(voice, stretch), file)
    return Utterance(SENTENCE, to_int16(read_audio(file).samples[:, 0]), ends_s, classes)


def share_above_2_khz(utterance: Utterance, rate_hz: int) -> NDArray[np.float64]:
    frames = np.lib.stride_tricks.sliding_window_view(utterance.samples, 400)[:: rate_hz // 100]
    power = np.abs(np.fft.rfft(frames * np.hanning(400))) ** 2
    return power[:, 800_000 // rate_hz :].sum(1) / (power.sum(1) + 1.0)


def hiss_and_vowel(utterance: Utterance, rate_hz: int = 16_000) -> tuple[float, float]:
    """Share of high frequencies in frames labelled so."""
    high = share_above_2_khz(utterance, rate_hz)
    centres_s = np.arange(len(high)) / 100 + 200 / rate_hz
    labels = utterance.classes_at(centres_s)
    return (
        float(np.median(high[np.isin(labels, HISSES)])),
        float(np.median(high[np.isin(labels, VOWELS)])),
    )


@needs_flite
@pytest.mark.parametrize("voice", ["slt", "kal16"])
def test_flite_says_s_where_it_hisses(voice: str, tmp_path: Path) -> None:
    hiss, vowel = hiss_and_vowel(by_flite(tmp_path, voice))
    assert hiss > 0.6
    assert vowel < 0.3


@needs_espeak
def test_espeak_says_s_where_it_hisses() -> None:
    synthesiser = espeak.Espeak()
    spoken, events = synthesiser.speak(SENTENCE, espeak.Manner("en-us"))
    ends_s, classes = espeak.phoneme_ends(events, len(spoken), synthesiser.rate_hz)
    made = Utterance(SENTENCE, to_int16(spoken), ends_s, classes)
    hiss, vowel = hiss_and_vowel(made, synthesiser.rate_hz)
    assert hiss > 0.6
    assert vowel < 0.3


@needs_flite
def test_two_voices_that_read_the_same_are_aligned_phone_by_phone(tmp_path: Path) -> None:
    here, there = by_flite(tmp_path, "slt"), by_flite(tmp_path, "kal16", stretch=1.3)
    alignment = align(here, there)
    assert alignment is not None
    at_s = np.arange(0.1, float(here.ends_s[-2]), 0.01)
    moved_s = alignment.there(at_s)
    spoken = here.classes_at(at_s) != 0
    same = here.classes_at(at_s) == there.classes_at(moved_s)
    assert same[spoken].mean() > 0.97
    assert (np.diff(moved_s) >= 0).all()


def utterance(names: str, ends_s: list[float]) -> Utterance:
    classes = np.array([INDEX[name] for name in names.split()], np.uint8)
    return Utterance(names, np.zeros(16_000, np.int16), np.array(ends_s, np.float32), classes)


def test_an_alignment_stretches_each_phone_and_steps_over_pauses() -> None:
    here = utterance("sil t aa sil", [0.1, 0.2, 0.4, 0.5])
    there = utterance("sil t sil aa", [0.3, 0.4, 0.6, 1.0])
    alignment = align(here, there)
    assert alignment is not None
    asked = np.array([0.0, 0.1, 0.15, 0.3, 0.4, 0.5])
    assert alignment.there(asked) == pytest.approx([0.2, 0.3, 0.35, 0.8, 1.0, 1.1], abs=1e-6)


def test_readings_with_other_phones_are_not_aligned() -> None:
    assert align(utterance("t aa", [0.1, 0.2]), utterance("d aa", [0.1, 0.2])) is None
    assert align(utterance("t aa", [0.1, 0.2]), utterance("t aa t", [0.1, 0.2, 0.3])) is None


def test_another_vowel_marks_its_time_and_a_phone_too_many_is_passed_over() -> None:
    here = utterance("s iy t r uw p", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    there = utterance("s ih t hh r uw p", [0.2, 0.4, 0.6, 0.9, 1.1, 1.3, 1.5])
    alignment = align(here, there)
    assert alignment is not None
    asked = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55])
    assert alignment.there(asked) == pytest.approx([0.1, 0.3, 0.5, 1.0, 1.2, 1.4], abs=1e-6)


@needs_flite
@needs_espeak
def test_espeak_and_flite_are_aligned_where_both_hiss(tmp_path: Path) -> None:
    synthesiser = espeak.Espeak()
    spoken, events = synthesiser.speak(SENTENCE, espeak.Manner("en-us"))
    ends_s, classes = espeak.phoneme_ends(events, len(spoken), synthesiser.rate_hz)
    there = Utterance(SENTENCE, to_int16(spoken), ends_s, classes)
    here = by_flite(tmp_path, "slt")
    alignment = align(here, there)
    assert alignment is not None
    at_s = np.arange(0.1, float(here.ends_s[-2]), 0.01)
    hissing = np.isin(here.classes_at(at_s), HISSES)
    assert np.isin(there.classes_at(alignment.there(at_s))[hissing], HISSES).mean() > 0.95


def test_a_mnemonic_that_means_two_sounds_is_split_and_glue_prolongs() -> None:
    events = [(1000, "t"), (2000, "A@"), (3000, ";"), (3500, "_:")]
    ends_s, classes = espeak.phoneme_ends(events, 5000, 10_000)
    assert [CLASSES[each] for each in classes] == ["sil", "t", "aa", "r", "sil"]
    assert ends_s == pytest.approx([0.1, 0.2, 0.26, 0.35, 0.5])


def test_flites_durations_are_ends() -> None:
    ends_s, classes = flite.parse_durations("pau:0.100 hh:0.150 ax:0.200 pau:0.350\n")
    assert [CLASSES[each] for each in classes] == ["sil", "hh", "ah", "sil"]
    assert ends_s == pytest.approx([0.1, 0.15, 0.2, 0.35])


def test_a_set_reads_back_as_it_was_written(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    made = [
        Utterance(
            f"sentence {i}",
            chance.integers(-9, 9, 1600 * (i + 1)).astype(np.int16),
            np.array([0.1, 0.2 + i], np.float32),
            np.array([0, i], np.uint8),
            np.full(10 * (i + 1), 100.0 + i, np.float32),
            chance.integers(-9, 9, (2, 1600 * (i + 1))).astype(np.int16),
        )
        for i in range(3)
    ]
    save_set(tmp_path / "set.npz", made)
    for before, after in zip(made, load_set(tmp_path / "set.npz"), strict=True):
        assert before.text == after.text
        for name in ("samples", "ends_s", "classes", "f0_hz", "copies"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
