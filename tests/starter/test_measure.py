"""Each measure of the report, on signals of which the answer is known."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recipe import measure
from recipe.spectrogram import write_spectrograms

RATE_HZ = measure.RATE_HZ
TIME_S = np.arange(RATE_HZ) / RATE_HZ


def hiss(seed: int = 0, seconds: float = 1.0) -> NDArray[np.float64]:
    white = np.random.default_rng(seed).normal(size=int(seconds * RATE_HZ))
    return np.diff(white, prepend=0.0) * 0.1


def test_noise_repeats_nothing_and_a_frame_again_and_again_is_a_buzz() -> None:
    assert abs(measure.repetition(hiss())) < 0.1
    assert measure.repetition(np.tile(hiss()[:160], 100)) > 0.9


def test_a_comb_is_heard_where_noise_swings_at_the_frame_rate() -> None:
    noise = hiss(seconds=4.0)
    time_s = np.arange(len(noise)) / RATE_HZ
    assert abs(measure.comb_db(noise)) < 4
    assert measure.comb_db(noise * (1 + 0.8 * np.sin(2 * np.pi * 100 * time_s))) > 10
    assert measure.comb_db(noise * (1 + 0.8 * np.sin(2 * np.pi * 60 * time_s))) < 0


def test_planted_clicks_are_counted_and_speech_like_pulses_are_not() -> None:
    pulses = np.zeros(RATE_HZ)
    pulses[::100] = 1.0
    formant = np.exp(-np.arange(200) / 30) * np.sin(np.arange(200) * 0.3)
    voice = np.convolve(pulses, formant)[:RATE_HZ] * 0.3
    assert measure.clicks(voice) == 0
    quiet = 0.2 * np.sin(2 * np.pi * 150 * TIME_S)
    quiet[[3000, 9000]] += 0.5
    assert 2 <= measure.clicks(quiet) <= 6


def test_cents_count_only_where_both_have_a_pitch() -> None:
    asked = np.array([100.0, 0.0, 200.0, 100.0])
    made = np.array([100.0 * 2 ** (1 / 12), 150.0, 400.0, 0.0, 90.0])
    assert measure.cents_off(asked, made) == pytest.approx([100.0, 1200.0])


def test_the_independent_tracker_finds_the_pitch_of_a_known_tone() -> None:
    pytest.importorskip("pyworld", reason="pyworld is not installed (recipe/requirements.txt)")
    tone = sum(0.1 * np.sin(2 * np.pi * 140 * k * TIME_S) for k in range(1, 9))
    found = measure.harvest(np.asarray(tone))
    assert np.median(found[found > 0]) == pytest.approx(140, rel=0.01)


def test_a_voice_is_near_itself_and_far_from_one_with_other_formants() -> None:
    low, high = (
        np.convolve(hiss(seed), kernel, "same") for seed, kernel in ((1, [1, 1]), (2, [1, -1]))
    )
    same = np.convolve(hiss(3), [1, 1], "same")
    spread = measure.mfcc(low).std(1)
    near = measure.voice_distance(measure.mfcc(low), measure.mfcc(same), spread)
    far = measure.voice_distance(measure.mfcc(low), measure.mfcc(high), spread)
    assert near < 0.3
    assert far > 4 * near


def test_a_level_is_that_of_its_rms() -> None:
    assert measure.level_db(np.sin(2 * np.pi * 100 * TIME_S)) == pytest.approx(-3.01, abs=0.01)
    assert measure.level_db(np.zeros(100)) < -100


@pytest.mark.parametrize(
    ("heard", "hits", "errors"),
    [
        ("rice is often served", 4, 0),
        ("", 0, 4),
        ("rice off an served", 2, 2),
        ("the rice is often of served", 4, 2),
        ("served often is rice", 1, 4),
    ],
)
def test_words_count_once_and_in_their_order(heard: str, hits: int, errors: int) -> None:
    assert measure.word_hits(["rice", "is", "often", "served"], heard.split()) == (hits, errors)


def test_a_spectrogram_is_a_png_with_its_tone_at_the_right_height(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 2000 * TIME_S)
    write_spectrograms(tmp_path / "tone.png", [tone, tone])
    data = (tmp_path / "tone.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert height == 2 * 257 + 6
    start = data.index(b"IDAT")
    size = struct.unpack(">I", data[start - 4 : start])[0]
    lines = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + size]), np.uint8)
    picture = lines.reshape(height, width + 1)[:, 1:]
    assert picture[:257, width // 2].argmax() == pytest.approx(256 - 2000 / 31.25, abs=1)
