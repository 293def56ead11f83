"""Files as a person would drop them: a song, a video, a broken one, one that takes a while."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import soundfile

from desktop.storage import sample_file
from tests.engine.audio.sound_file import encode


def song(folder: Path, name: str = "song.wav") -> Path:
    """Some seconds of speech, the sample that ships."""
    return Path(shutil.copy(sample_file(), folder / name))


def video(folder: Path, name: str = "video.mp4") -> Path:
    """The same as the sound of a video."""
    samples, rate_hz = soundfile.read(sample_file(), dtype="float32", always_2d=True)
    return encode(folder / name, samples, rate_hz, "aac", "mpeg4")


def broken(folder: Path, name: str = "broken.wav") -> Path:
    """A name that promises sound."""
    (folder / name).write_bytes(b"RIFF nothing of the kind")
    return folder / name


def silent(folder: Path, name: str = "silence.wav") -> Path:
    """Three seconds without any sound."""
    soundfile.write(folder / name, np.zeros(3 * 16_000, np.float32), 16_000)
    return folder / name


def long_song(folder: Path, name: str = "long.flac", times: int = 60) -> Path:
    """The song again and again: minutes of work for the engine."""
    samples, rate_hz = soundfile.read(sample_file(), dtype="float32")
    soundfile.write(folder / name, np.tile(samples, times), rate_hz)
    return folder / name
