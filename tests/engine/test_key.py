"""The key that is suggested for a source and a voice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import Converter
from engine.audio.reader import starts_anywhere
from engine.cli import main
from engine.errors import AudioFileError
from engine.key import SourcePitch, VoicePitch, learnt_pitch, source_pitch, suggest_key
from engine.library.installed_voice import VOICES_VARIABLE, InstalledVoice, starter_voice
from engine.library.voice_library import VoiceLibrary
from engine.library.voice_range import (
    RANGES_VARIABLE,
    keep_range,
    known_pitch,
    learnt_range,
    was_learnt,
)
from engine.models.synthesizer_sizes import Vocoder
from engine.options import ConversionOptions
from engine.paths import starter_dir
from engine.pitch.swift import swift_frames
from engine.source_pitch import pitch_of_source, sample_file
from engine.voice import starter_voice as voice_files
from tests.engine.audio.sound_file import encode
from tests.engine.small_set import write_small_set
from tests.sound import starter_speech

MAN = SourcePitch(110.0, 90.0, 140.0)
WOMAN = VoicePitch(220.0, 160.0, 400.0, "learnt")


def semitones(source: SourcePitch | None, voice: VoicePitch, step: str = "semitones") -> int:
    return suggest_key(source, voice, step).semitones  # type: ignore[arg-type]


def test_a_man_goes_up_an_octave_for_a_womans_voice_and_the_reason_says_why() -> None:
    key = suggest_key(MAN, WOMAN)
    assert key.semitones == 12
    assert str(key.reason) == "+12 (yours ≈ 110 Hz, voice ≈ 220 Hz)"


def test_a_source_with_too_little_voice_stays_where_it_is_and_the_reason_says_why() -> None:
    hz = np.full(200, 150.0)
    assert source_pitch(hz, np.where(np.arange(200) < 49, 0.9, 0.4)) is None
    assert source_pitch(hz, np.where(np.arange(200) < 50, 0.9, 0.4)) is not None
    key = suggest_key(None, WOMAN)
    assert key.semitones == 0
    assert str(key.reason) == "0 (the source has less than 0.5 s of clear pitch)"


def test_only_confident_frames_count_and_each_as_much_in_octaves() -> None:
    hz = np.array([100.0, 200.0, 400.0] * 40 + [3000.0] * 200 + [0.0] * 100)
    confidence = np.array([0.9] * 120 + [0.3] * 200 + [0.9] * 100)
    found = source_pitch(hz, confidence)
    assert found is not None
    assert found == SourcePitch(pytest.approx(200), pytest.approx(100), pytest.approx(400))


@pytest.mark.parametrize(
    ("target_hz", "expected"),
    [(110.0, 0), (155.0, 0), (164.0, 0), (170.0, 12), (70.0, -12), (440.0, 24), (1500.0, 24)],
)
def test_a_song_moves_by_octaves_and_not_for_less_than_a_fifth(
    target_hz: float, expected: int
) -> None:
    assert semitones(MAN, VoicePitch(target_hz), "octaves") == expected


def test_speech_moves_by_semitones_but_never_beyond_two_octaves() -> None:
    assert semitones(MAN, VoicePitch(155.0)) == 6
    assert semitones(MAN, VoicePitch(1000.0)) == 24
    assert semitones(replace(MAN, median_hz=880.0), VoicePitch(60.0)) == -24


def test_a_source_slides_into_the_range_of_a_voice() -> None:
    wide = SourcePitch(200.0, 180.0, 390.0)
    assert semitones(wide, VoicePitch(200.0)) == 0
    shift = semitones(wide, VoicePitch(200.0, 100.0, 300.0))
    assert shift == -5
    assert wide.high_hz * 2 ** (shift / 12) <= 300 * 2 ** (0.5 / 12)
    assert semitones(wide, VoicePitch(200.0, 80.0, 250.0), "octaves") == -12


def test_a_source_wider_than_the_range_stays_near_the_target() -> None:
    wide = SourcePitch(200.0, 60.0, 800.0)
    assert semitones(wide, VoicePitch(220.0, 150.0, 300.0)) == 2


def test_a_range_is_the_widest_run_of_good_trials_and_its_target_the_middle() -> None:
    shares = {70.0: 0.83, 99.0: 0.94, 140.0: 0.95, 198.0: 0.90, 280.0: 0.85, 396.0: 0.31}
    found = learnt_pitch(shares)
    assert found == VoicePitch(pytest.approx(166.5, abs=0.1), 99.0, 280.0, "learnt")
    assert learnt_pitch({99.0: 0.84, 140.0: 0.2}) is None
    gap = learnt_pitch({70.0: 0.9, 99.0: 0.1, 140.0: 0.9, 198.0: 0.9})
    assert gap is not None
    assert gap.low_hz == 140.0


@pytest.fixture
def voice(tmp_path: Path) -> InstalledVoice:
    (tmp_path / "voice.pth").write_bytes(b"weights")
    return InstalledVoice("one", "One", tmp_path, tmp_path / "voice.pth", content_sha256="a" * 64)


def test_the_users_number_comes_before_the_checkpoints_and_that_before_what_was_learnt(
    voice: InstalledVoice,
) -> None:
    assert known_pitch(voice, None) is None
    keep_range(voice, VoicePitch(200.0, 100.0, 400.0, "learnt"))
    assert known_pitch(voice, None) == VoicePitch(200.0, 100.0, 400.0, "learnt")
    stated = replace(voice, facts={"f0_median_hz": 250.0})
    assert known_pitch(stated, None) == VoicePitch(250.0, 100.0, 400.0, "stated")
    assert known_pitch(stated, 300.0) == VoicePitch(300.0, 100.0, 400.0, "given")
    assert known_pitch(stated, 800.0) == VoicePitch(800.0, None, None, "given")


def test_what_was_learnt_belongs_to_these_weights_and_damage_is_nothing_learnt(
    voice: InstalledVoice,
) -> None:
    keep_range(voice, None)
    assert was_learnt(voice)
    assert learnt_range(voice) is None
    assert not was_learnt(replace(voice, content_sha256="b" * 64))
    for damage in ("", "[]", "{}", '{"format": 1', '{"format": 1, "of": 3, "low_hz": "x"}'):
        (voice.folder / "range.json").write_text(damage)
        assert not was_learnt(voice)
        assert learnt_range(voice) is None


def test_a_voice_that_is_not_installed_is_recognised_by_its_weights(
    voice: InstalledVoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RANGES_VARIABLE, str(tmp_path / "ranges"))
    loose = replace(voice, id="")
    keep_range(loose, VoicePitch(200.0, 100.0, 400.0, "learnt"))
    assert not (tmp_path / "range.json").exists()
    assert learnt_range(loose) is not None
    loose.weights.write_bytes(b"other weights")
    assert not was_learnt(loose)


def test_the_pitch_of_a_given_curve_counts_instead_of_the_sounds(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("0,300\n2,300\n")
    found = pitch_of_source(ConversionOptions(f0_file=curve), tmp_path / "missing.wav")
    assert found is not None
    assert found.median_hz == pytest.approx(300)


LONG_S = 12 * 31
STRETCHES_S = [31 * k + 10.5 for k in range(12)]
"""Where the stretches of a source of this length begin."""


def long_glide(path: Path) -> Path:
    """Each stretch is a semitone higher than the one before; between them it cannot be read."""
    time_s = np.arange(LONG_S * 8000) / 8000
    place = (time_s % 31) // 0.5
    hz = 110 * 2 ** (time_s // 31 / 12)
    phase = 2 * np.pi * np.cumsum(hz) / 8000
    tone = sum(0.2 * np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32)
    tone[(place >= 59) | (place < 18)] = np.nan
    soundfile.write(path, tone, 8000, "FLOAT")
    return path


def test_of_a_long_source_stretches_all_over_it_are_enough_for_a_key(tmp_path: Path) -> None:
    source = long_glide(tmp_path / "long.wav")
    found = sample_file(source)
    assert found is not None
    assert len(found.f0_hz) == 12 * 1000 + 1
    for k in range(12):
        inside = found.f0_hz[1000 * k + 100 : 1000 * k + 900]
        assert np.median(inside) == pytest.approx(110 * 2 ** (k / 12), rel=0.01)
    pitch = source_pitch(found.f0_hz, found.confidence)
    assert pitch is not None
    assert pitch.median_hz == pytest.approx(110 * 2 ** (5.5 / 12), rel=0.03)
    with pytest.raises(AudioFileError, match="not sound"):
        pitch_of_source(ConversionOptions(), source)


def test_a_source_is_not_sampled_where_that_saves_nothing(tmp_path: Path) -> None:
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(8000 * 300), 8000)
    assert sample_file(short) is None
    long = np.zeros((8000 * 310, 1), np.float32)
    stream = encode(tmp_path / "bare.aac", long, 8000, "aac")
    assert sample_file(stream) is None
    assert not starts_anywhere(stream)
    assert starts_anywhere(encode(tmp_path / "a.m4a", long[:8000], 8000, "aac"))
    assert starts_anywhere(short)


def test_a_voice_is_rendered_once_and_each_source_gets_its_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VOICES_VARIABLE, str(tmp_path / "voices"))
    starter = starter_voice()
    (installed,) = VoiceLibrary().import_files((starter.weights,)).imported
    time_s = np.arange(16_000) / 16_000
    for name, hz in (("man", 80.0), ("child", 640.0)):
        tone = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 8))
        soundfile.write(tmp_path / f"{name}.wav", 0.2 * tone, 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    command = ["convert", "--voice", installed.voice.name, "--pitch"]
    files = [str(tmp_path / f"{name}.wav") for name in ("man", "child", "silent")]
    assert main([*command, "auto", "--json", *files[:2]]) == 0
    out, err = capfd.readouterr()
    assert err.count("only once") == 1
    man, child = (json.loads(line)["semitones"] for line in out.splitlines())
    assert man > 0 > child
    assert f"man.wav: pitch +{man:.0f} (yours ≈ " in err
    learnt, known = learnt_range(installed.voice), learnt_range(starter)
    assert learnt is not None
    assert known is not None
    assert learnt.low_hz == pytest.approx(known.low_hz, rel=0.01)
    assert learnt.high_hz == pytest.approx(known.high_hz, rel=0.01)
    assert main([*command, "auto-octave", "--voice-pitch", "420", *files]) == 0
    _, err = capfd.readouterr()
    assert "only once" not in err
    assert "man.wav: pitch +24" in err
    assert "silent.wav: pitch 0 (the source has less than 0.5 s of clear pitch)" in err


def test_the_pitch_that_was_found_comes_with_the_result_before_it_is_shifted() -> None:
    samples = starter_speech()[:16_000]
    options = ConversionOptions(semitones=12, autotune=1.0, pitch_method="swift")
    result = Converter().convert(samples, 16_000, voice_files(), options)
    found = swift_frames(samples)
    assert result.f0_hz is not None
    assert len(result.f0_hz) == 100
    both = (result.f0_hz > 0) & (found.f0_hz[:100] > 0)
    assert both.sum() > 30
    off_cents = 1200 * np.abs(np.log2(result.f0_hz[both] / found.f0_hz[:100][both]))
    assert np.median(off_cents) < 5


def test_a_voice_without_pitch_gets_no_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    voice = write_small_set(tmp_path / "voice", Vocoder.PLAIN).voice.weights
    source = str(starter_dir() / "sample.wav")
    command = ["convert", source, "--voice", str(voice), "--pitch", "auto"]
    assert main([*command, "--output-dir", str(tmp_path)]) == 2
    assert "trained without pitch" in capfd.readouterr().err
    assert not list(tmp_path.glob("*.wav"))
