"""Formants move by the asked ratio; pitch, level and length stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from engine.cli import main
from engine.effects.formant import process
from engine.pitch.swift import swift_frames
from tests.sound import starter_speech

RATE_HZ = 16_000
FORMANTS = ((700, 90), (1220, 100), (2600, 140), (3500, 200))


def vowel(f0_hz: float, seconds: float = 1.5) -> np.ndarray:
    """Pulses with a slight vibrato through resonators, and a little noise."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    cycles = np.cumsum(f0_hz * 2 ** (30 / 1200 * np.sin(2 * np.pi * 5 * t))) / RATE_HZ
    sound = np.diff(np.floor(cycles), prepend=0.0)
    for centre_hz, width_hz in FORMANTS:
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        turn = 2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ)
        sound = lfilter([1], [1, -turn, radius**2], sound)
    sound += 1e-3 * np.abs(sound).max() * np.random.default_rng(0).standard_normal(len(sound))
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def formants_hz(sound: np.ndarray) -> np.ndarray:
    """The first three resonances by linear prediction."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 800)[4000:20_000:400] * np.hamming(800)
    spectrum = np.fft.rfft(frames, 2048)
    likeness = np.fft.irfft((np.abs(spectrum) ** 2).mean(0))[:13]
    roots = np.roots(np.append(1.0, -solve_toeplitz(likeness[:-1], likeness[1:])))
    width_hz = -np.log(np.abs(roots)) * RATE_HZ / np.pi
    found = np.angle(roots[(roots.imag > 0) & (width_hz < 500)]) * RATE_HZ / (2 * np.pi)
    return np.sort(found[found > 200])[:3]


def moved(sound: np.ndarray, semitones: float, step: int = 7000) -> np.ndarray:
    columns = sound if sound.ndim == 2 else sound[:, None]
    blocks = [columns[start : start + step] for start in range(0, len(columns), step)]
    made = np.concatenate(list(process(blocks, RATE_HZ, {"formant_semitones": semitones})))
    assert made.dtype == np.float32
    assert made.shape == columns.shape
    return made if sound.ndim == 2 else made[:, 0]


@pytest.mark.parametrize("f0_hz", [110.0, 220.0])
@pytest.mark.parametrize("semitones", [-2.0, 1.0, 2.0])
def test_formants_move_while_pitch_and_level_stay(f0_hz: float, semitones: float) -> None:
    before = vowel(f0_hz)
    after = moved(before, semitones)
    ratios = 12 * np.log2(formants_hz(after) / formants_hz(before))
    assert ratios[1:] == pytest.approx([semitones] * 2, abs=0.6)
    assert ratios.mean() == pytest.approx(semitones, abs=0.5)  # the first lies on a harmonic
    was, now = swift_frames(before), swift_frames(after)
    voiced = (was.f0_hz > 0) & (now.f0_hz > 0)
    assert voiced.sum() > 100
    off_cents = 1200 * np.abs(np.log2(now.f0_hz[voiced] / was.f0_hz[voiced]))
    assert np.percentile(off_cents, 90) < 5  # SwiftF0 itself is off by 5 in the median
    assert 20 * np.log10(after.std() / before.std()) == pytest.approx(0, abs=0.5)


def test_without_a_shift_the_frames_add_up_to_what_they_were() -> None:
    sound = vowel(150, 0.5)
    assert moved(sound, 0.0) == pytest.approx(sound, abs=1e-6)


def test_blocks_of_any_length_give_the_same_sound_in_each_channel() -> None:
    sound = np.stack([vowel(120, 0.4), np.zeros(6400, np.float32)], axis=1)
    whole = moved(sound, 1.5, 10_000)
    assert np.abs(moved(sound, 1.5, 333) - whole).max() < 1e-6
    assert not whole[:, 1].any()
    assert np.abs(whole[:, 0] - moved(sound[:, 0], 1.5)).max() < 1e-6


@pytest.mark.parametrize("n", [1, 255, 256, 1024, 1025])
def test_short_sounds_keep_their_length(n: int) -> None:
    assert np.isfinite(moved(vowel(200, 0.2)[:n], -1.0)).all()


def test_the_command_line_takes_two_semitones_at_most(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", starter_speech()[:16_000], 16_000)
    plain, smaller = tmp_path / "plain.wav", tmp_path / "smaller.wav"
    assert main(["convert", str(tmp_path / "a.wav"), "-o", str(plain)]) == 0
    assert main(["convert", str(tmp_path / "a.wav"), "-o", str(smaller), "--formants", "2"]) == 0
    assert not np.array_equal(soundfile.read(plain)[0], soundfile.read(smaller)[0])
    capfd.readouterr()
    assert main(["convert", str(tmp_path / "a.wav"), "--formants", "3"]) == 2
    assert "between -2 and 2" in capfd.readouterr().err
