"""A whole song is told from a voice where that is clear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.cover.guess import sounds_like_a_song
from engine.errors import AudioFileError, ConversionCancelled
from tests.sound import starter_speech

RATE_HZ = 16_000
SECONDS = 40


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """With pauses, as it ships with the program: float [n]."""
    return np.resize(starter_speech(RATE_HZ), SECONDS * RATE_HZ)


def chords(n: int) -> np.ndarray:
    time_s = np.arange(n) / RATE_HZ
    return sum(0.1 * np.sin(2 * np.pi * hz * time_s) for hz in (110.0, 138.6, 164.8))


def judged(path: Path, samples: np.ndarray) -> bool:
    soundfile.write(path, samples, RATE_HZ)
    return sounds_like_a_song(path)


def test_wide_stereo_without_pauses_is_a_song(spoken: np.ndarray, tmp_path: Path) -> None:
    sides = chords(len(spoken))
    song = np.stack([spoken + sides, spoken - sides], 1)
    path = tmp_path / "song.flac"
    silence = np.zeros((10 * RATE_HZ, 2))
    assert judged(path, song)
    assert judged(path, np.concatenate([silence, song]))
    assert not judged(path, song[: 20 * RATE_HZ])  # it may be anything


def test_voices_are_no_songs(spoken: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "voice.flac"
    rng = np.random.default_rng(0)
    room = np.convolve(spoken, rng.standard_normal(800) * np.exp(-np.arange(800) / 200))[
        : len(spoken)
    ]
    wide = np.stack([spoken + 0.05 * room, spoken - 0.05 * room], 1)
    for voice in (spoken, np.stack([spoken, spoken], 1), wide, np.zeros((len(spoken), 2))):
        assert not judged(path, voice)
    # Nor is music of which one channel tells nothing about its width.
    assert not judged(path, chords(len(spoken)))


def test_it_stops_when_asked_to_and_refuses_what_cannot_be_read(
    spoken: np.ndarray, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([spoken, -spoken], 1), RATE_HZ)

    def stop() -> None:
        raise ConversionCancelled

    with pytest.raises(ConversionCancelled):
        sounds_like_a_song(tmp_path / "a.wav", stop)
    (tmp_path / "b.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(AudioFileError):
        sounds_like_a_song(tmp_path / "b.wav")
