"""YIN on sounds whose pitch is known, and beside pYIN on speech."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import soundfile
import torch

from engine.errors import ConversionCancelled
from engine.pitch.yin import track_yin
from tests.weights_maker import GOLDEN

RATE_HZ = 16_000
SPEECH = GOLDEN.parent / "speech_slt.wav"
TIME_S = np.arange(2 * RATE_HZ) / RATE_HZ
EDGE_FRAMES = 4
"""Frames at each end whose window is not full of sound."""


def tone(
    f0_hz: np.ndarray | float, first: int = 1, last: int = 20, hiss: float = 0.0
) -> np.ndarray:
    """Harmonics ``first``..``last`` falling by 6 dB an octave, up to 7.6 kHz."""
    f0_hz = np.broadcast_to(f0_hz, TIME_S.shape)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    partials = [
        np.where(f0_hz * k < 7600, np.sin(k * phase + 0.7 * k * k) / k, 0)
        for k in range(first, last + 1)
    ]
    sound = np.sum(partials, axis=0)
    noise = hiss * np.random.default_rng(0).standard_normal(len(sound))
    return (0.5 * sound / np.abs(sound).max() + noise).astype(np.float32)


def cents_off(sound: np.ndarray, f0_hz: np.ndarray | float) -> np.ndarray:
    """Error of each frame away from the ends; every one of them must be voiced."""
    found = track_yin(torch.from_numpy(sound)).numpy()
    assert found.shape == (len(sound) // 160 + 1,)
    truth = np.append(np.broadcast_to(f0_hz, TIME_S.shape), f0_hz if np.isscalar(f0_hz) else 0)
    inner = slice(EDGE_FRAMES, -EDGE_FRAMES)
    found, truth = found[inner], truth[::160][inner]
    assert (found > 0).mean() == 1
    return 1200 * np.log2(found / truth)


@pytest.mark.parametrize(
    "f0_hz", [55, 65, 82.4, 110, 146.8, 196, 261.6, 370, 523.3, 740, 880, 987.8, 1000, 1046.5]
)
@pytest.mark.parametrize("kind", ["sine", "harmonics", "hiss"])
def test_steady_tones_are_found_to_two_cents_without_octave_errors(f0_hz: float, kind: str) -> None:
    sound = tone(f0_hz, last=1 if kind == "sine" else 20, hiss=0.03 if kind == "hiss" else 0)
    error = cents_off(sound, f0_hz)
    assert np.abs(error).max() < 20
    assert np.median(np.abs(error)) < 2


@pytest.mark.parametrize("f0_hz", [65, 110, 220, 330, 440, 500])
def test_a_missing_fundamental_is_found(f0_hz: float) -> None:
    """Up to 500 Hz: higher, no two harmonics below 2 kHz are left to tell it by."""
    error = cents_off(tone(f0_hz, first=2), f0_hz)
    assert np.abs(error).max() < 20


@pytest.mark.parametrize("octaves_per_s", [1.6, -1.6, 0.5, -0.5])
def test_glides_are_followed_on_time(octaves_per_s: float) -> None:
    f0_hz = (90.0 if octaves_per_s > 0 else 830.0) * 2 ** (octaves_per_s * TIME_S)
    error = cents_off(tone(f0_hz), f0_hz)
    assert np.median(np.abs(error)) < 1
    assert np.abs(error).max() < 20


@pytest.mark.parametrize("f0_hz", [110.0, 220.0, 440.0, 880.0])
def test_vibrato_keeps_its_width(f0_hz: float) -> None:
    sung = f0_hz * 2 ** (np.sin(2 * np.pi * 6 * TIME_S) / 12)
    error = cents_off(tone(sung), sung)
    assert np.median(np.abs(error)) < 5
    assert np.abs(error).max() < 15


def test_a_leap_of_two_octaves_is_kept() -> None:
    sung = np.where(TIME_S < 1, 110.0, 440.0)
    found = track_yin(torch.from_numpy(tone(sung))).numpy()
    assert found[10:95] == pytest.approx(110, rel=1e-3)
    assert found[106:-10] == pytest.approx(440, rel=1e-3)


@pytest.mark.parametrize("colour", ["white", "bright", "dull"])
def test_noise_is_unvoiced(colour: str) -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal(3 * RATE_HZ)
    if colour == "bright":
        noise = np.diff(noise)
    if colour == "dull":
        noise = np.convolve(noise, np.ones(30) / 10)
    assert not track_yin(torch.from_numpy(noise.astype(np.float32))).any()


@pytest.mark.parametrize("n_samples", [0, 1, 100, 160, 500, 16_000])
def test_silence_of_any_length_is_unvoiced(n_samples: int) -> None:
    f0_hz = track_yin(torch.zeros(n_samples))
    assert f0_hz.shape == (n_samples // 160 + 1,)
    assert not f0_hz.any()


def test_a_tone_far_below_the_loud_ones_is_unvoiced() -> None:
    sound = tone(200.0)
    sound[RATE_HZ:] *= 10 ** (-60 / 20)
    f0_hz = track_yin(torch.from_numpy(sound))
    assert (f0_hz[5:95] > 0).all()
    assert not f0_hz[105:].any()


def test_loudness_does_not_matter() -> None:
    sound = torch.from_numpy(tone(200.0))
    assert torch.allclose(track_yin(sound), track_yin(sound * 0.01), rtol=1e-4)


def test_the_range_is_kept_and_reaches_its_ends() -> None:
    for f0_hz in (100.5, 399.0):
        found = track_yin(torch.from_numpy(tone(f0_hz)), 100, 400)[5:-5]
        assert found.numpy() == pytest.approx(f0_hz, rel=1e-3)
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    found = track_yin(torch.from_numpy(speech), 160, 180)
    assert ((found == 0) | ((found >= 160) & (found <= 180))).all()


def test_speech_agrees_with_pyin() -> None:
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    ours = track_yin(torch.from_numpy(speech)).numpy()
    theirs, voiced, _ = librosa.pyin(
        speech, fmin=50, fmax=1100, sr=RATE_HZ, frame_length=1024, hop_length=160
    )
    both = (ours > 0) & voiced
    cents = 1200 * np.log2(ours[both] / theirs[both])
    assert ((ours > 0) == voiced).mean() > 0.85
    assert (np.abs(cents) > 50).mean() < 0.05
    assert np.abs(cents).max() < 600
    assert np.median(np.abs(cents)) < 10


def test_batches_do_not_show() -> None:
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    long = np.tile(speech, 2)
    frames = (len(speech) // 160) - 100
    alone = track_yin(torch.from_numpy(speech))[20:frames]
    inside = track_yin(torch.from_numpy(long))[20:frames]
    assert torch.allclose(alone, inside, rtol=1e-4)


def test_a_long_sound_can_be_stopped_between_batches() -> None:
    shares: list[float] = []
    noise = torch.randn(16_000 * 60, generator=torch.Generator().manual_seed(0))

    def stop_at_the_third(share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise ConversionCancelled

    with pytest.raises(ConversionCancelled):
        track_yin(noise, pause=stop_at_the_third)
    assert shares == pytest.approx([0.0, 384 / 6001, 768 / 6001])
