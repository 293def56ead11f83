"""Reading a file of any length in bounded memory, from any place."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.reader import read_audio, read_blocks
from engine.audio.resampling import resample, resample_blocks
from engine.errors import AudioFileError
from tests.engine.audio.sound_file import Samples, encode, music, snr_db

RATE_HZ = 44_100


def joined(path: Path, start_s: float = 0.0) -> Samples:
    blocks = [block.samples for block in read_blocks(path, start_s=start_s)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 2), dtype=np.float32)


@pytest.mark.parametrize("name", ["s.wav", "s.flac", "s.mp3", "s.ogg"])
def test_blocks_are_the_whole_sound(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, music(200_001, RATE_HZ, 2), RATE_HZ)
    np.testing.assert_array_equal(joined(path), read_audio(path).samples)


@pytest.mark.parametrize("name", ["s.wav", "s.flac", "s.ogg"])
def test_reading_may_begin_anywhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, music(200_001, RATE_HZ, 2), RATE_HZ)
    later = joined(path, 1.5)
    assert snr_db(read_audio(path).samples[round(1.5 * RATE_HZ) :], later) > 80


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "allowed_ms"),
    [
        ("s.m4a", "aac", 44_100, 0),
        ("s.mkv", "aac", 44_100, 1),  # Matroska's time stamps are whole milliseconds
        ("s.webm", "libopus", 48_000, 1),
        ("s.wma", "wmav2", 44_100, 0),
        ("s.aac", "aac", 44_100, 0),
    ],
)
def test_a_container_begins_at_the_same_instant_wherever_reading_begins(
    tmp_path: Path, name: str, codec: str, rate_hz: int, allowed_ms: int
) -> None:
    path = encode(tmp_path / name, music(6 * rate_hz, rate_hz, 2), rate_hz, codec)
    expected = joined(path)[round(3.25 * rate_hz) :]
    later = joined(path, 3.25)
    off = len(later) - len(expected)  # both end with the file
    assert abs(off) <= allowed_ms * rate_hz / 1000
    n = min(len(expected), len(later))
    assert snr_db(expected[-n:], later[-n:]) > 60


def test_blocks_of_a_container_end_where_read_audio_does(tmp_path: Path) -> None:
    path = encode(tmp_path / "s.m4a", music(100_000, RATE_HZ, 1), RATE_HZ, "aac")
    np.testing.assert_array_equal(joined(path), read_audio(path).samples)
    assert len(joined(path, 1.0)) == 100_000 - RATE_HZ


def test_a_start_beyond_the_end_gives_no_blocks(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, music(1000, RATE_HZ), RATE_HZ)
    assert list(read_blocks(path, start_s=5.0)) == []


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 100])
def test_a_file_without_sound_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"note\.wav"):
        list(read_blocks(path))


def test_nan_is_refused_when_its_block_is_read(tmp_path: Path) -> None:
    sound = music(200_000, RATE_HZ)
    sound[150_000] = np.nan
    soundfile.write(tmp_path / "s.wav", sound, RATE_HZ, subtype="FLOAT")
    blocks = read_blocks(tmp_path / "s.wav")
    assert len(next(blocks).samples) == 65_536
    with pytest.raises(AudioFileError, match=r"near 3\.0 s"):
        list(blocks)


def test_a_long_file_is_read_in_the_memory_of_a_few_blocks(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 48_000, 2, subtype="PCM_16") as file:
        for _ in range(120):
            file.write(np.zeros((48_000, 2), dtype=np.int16))
    tracemalloc.start()
    n = sum(len(block.samples) for block in read_blocks(path))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == 120 * 48_000
    assert peak_bytes < 4 * 2**20


@pytest.mark.parametrize("to_hz", [16_000, 44_100, 48_000])
def test_resampling_in_pieces_equals_resampling_at_once(to_hz: int) -> None:
    sound = music(100_003, RATE_HZ, 2)
    pieces = (sound[k : k + 7_001] for k in range(0, len(sound), 7_001))
    parts = np.concatenate(list(resample_blocks(pieces, RATE_HZ, to_hz)))
    whole = resample(sound, RATE_HZ, to_hz)
    n = min(len(parts), len(whole))
    assert abs(len(parts) - len(whole)) <= 1
    np.testing.assert_allclose(parts[:n], whole[:n], atol=1e-6)
