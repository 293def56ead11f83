"""A file ends where decoding ends, whatever its header says, and may hold several recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.reader import probe_audio, read_audio, read_blocks
from tests.engine.audio.sound_file import Samples, lag_samples, music, snr_db

RATE_HZ = 48_000
N = 2 * RATE_HZ
FORMATS = {
    "mp3": {"format": "MP3"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "flac": {"format": "FLAC"},
}


def encoded(
    tmp_path: Path, kind: str, sound: Samples, rate_hz: int = RATE_HZ, **more: object
) -> bytes:
    soundfile.write(tmp_path / "part", sound, rate_hz, **FORMATS[kind], **more)
    return (tmp_path / "part").read_bytes()


def in_blocks(path: Path, start_s: float = 0.0) -> Samples:
    return np.concatenate([block.samples for block in read_blocks(path, start_s=start_s)])


def assert_sounds_like(found: Samples, expected: Samples, snr: float = 15) -> None:
    assert found.shape == expected.shape
    assert lag_samples(expected[:, 0], found[:, 0]) == 0
    assert snr_db(expected, found) > snr


@pytest.mark.parametrize("kind", FORMATS)
def test_joined_recordings_are_read_to_the_end_of_the_last_one(tmp_path: Path, kind: str) -> None:
    first, second = music(N, RATE_HZ), music(N + 12_345, RATE_HZ)[12_345:]
    path = tmp_path / "a"
    path.write_bytes(encoded(tmp_path, kind, first) + encoded(tmp_path, kind, second))
    whole = np.concatenate([first, second])
    source = read_audio(path)
    assert source.notes == ()
    assert_sounds_like(source.samples, whole)
    assert probe_audio(path).duration_s == len(whole) / RATE_HZ
    np.testing.assert_array_equal(in_blocks(path), source.samples)
    assert_sounds_like(in_blocks(path, 1.25), whole[round(1.25 * RATE_HZ) :])
    assert_sounds_like(in_blocks(path, 3.25), whole[round(3.25 * RATE_HZ) :])


@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_joined_recordings_of_another_rate_and_channels_become_like_the_first(
    tmp_path: Path, kind: str
) -> None:
    first = encoded(tmp_path, kind, music(N, RATE_HZ, 2))
    second = encoded(tmp_path, kind, music(22_050, 22_050), 22_050)
    (tmp_path / "a").write_bytes(first + second)
    source = read_audio(tmp_path / "a")
    assert source.samples.shape == (N + RATE_HZ, 2)
    tail = source.samples[N:]
    np.testing.assert_array_equal(tail[:, 0], tail[:, 1])
    assert snr_db(music(RATE_HZ, RATE_HZ), tail[:, :1]) > 15


def without_tag(mp3: bytes) -> bytes:
    """Without the first frame, which only holds facts (MPEG 1, layer III)."""
    kbit_s = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[mp3[2] >> 4]
    return mp3[144_000 * kbit_s // RATE_HZ + (mp3[2] >> 1 & 1) :]


def with_stated_frames(mp3: bytes, factor: float) -> bytes:
    at = max(mp3.find(b"Xing"), mp3.find(b"Info")) + 8
    stated = round(int.from_bytes(mp3[at : at + 4], "big") * factor)
    return mp3[:at] + stated.to_bytes(4, "big") + mp3[at + 4 :]


def vbr(tmp_path: Path) -> tuple[bytes, int]:
    """A loud beginning, so that the size of its frames says nothing about the others."""
    noise = 0.3 * np.random.default_rng(0).standard_normal((N, 1)).astype(np.float32)
    sound = np.concatenate([noise, music(4 * N, RATE_HZ)])
    made = encoded(tmp_path, "mp3", sound, compression_level=0.0, bitrate_mode="VARIABLE")
    return made, len(sound)


@pytest.mark.parametrize(
    "lead", [b"", b"ID3\x04\0\0\0\0\0\x05\0\0\0\0\0", b"\0" * 300, b"\x41" * 700]
)
def test_an_mp3_without_a_tag_is_counted(tmp_path: Path, lead: bytes) -> None:
    made, n = vbr(tmp_path)
    path = tmp_path / "a"
    path.write_bytes(lead + without_tag(made) + b"TAG" + bytes(125))
    source = read_audio(path)
    assert 0 <= len(source.samples) - n < 3_000  # the encoder's padding is not stated anywhere
    assert source.notes == ()
    assert probe_audio(path).duration_s == pytest.approx(source.duration_s, abs=0.03)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_stale_number_of_frames_is_not_believed(tmp_path: Path, factor: float) -> None:
    made, n = vbr(tmp_path)
    (tmp_path / "a").write_bytes(with_stated_frames(made, factor))
    source = read_audio(tmp_path / "a")
    assert 0 <= len(source.samples) - n < 3_000
    assert source.notes == ()


def test_a_capture_that_begins_inside_a_frame_is_read(tmp_path: Path) -> None:
    made, n = vbr(tmp_path)
    (tmp_path / "a").write_bytes(made[2_500:])
    source = read_audio(tmp_path / "a")
    assert n - 12_000 < len(source.samples) < n + 3_000
    assert source.notes == ()


@pytest.mark.parametrize("stated", [0, N // 3])
def test_a_flac_is_read_beyond_the_length_it_states(tmp_path: Path, stated: int) -> None:
    sound = music(N, RATE_HZ, 2)
    content = bytearray(encoded(tmp_path, "flac", sound))
    content[21] &= 0xF0
    content[22:26] = stated.to_bytes(4, "big")
    path = tmp_path / "a"
    path.write_bytes(bytes(content) + b"TAG" + bytes(125))
    source = read_audio(path)
    assert (source.samples.shape, source.notes) == (sound.shape, ())
    assert snr_db(sound, source.samples) > 80
    later = in_blocks(path, 1.0)
    np.testing.assert_array_equal(later, source.samples[RATE_HZ:])
    assert probe_audio(path).duration_s in (None, stated / RATE_HZ)
