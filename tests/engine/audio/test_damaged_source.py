from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.reader import read_audio
from engine.errors import AudioFileError
from tests.engine.audio.sound_file import (
    encode,
    music,
)

N = 12_345  # no multiple of any codec's frame


def refusal(path: Path) -> AudioFileError:
    with pytest.raises(AudioFileError) as caught:
        read_audio(path)
    return caught.value


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("a.wav", {}),
        ("a.wav", {"format": "RF64"}),
        ("a.w64", {"format": "W64", "subtype": "PCM_16"}),
        ("a.aiff", {}),
        ("a.caf", {}),
        ("a.flac", {}),
        ("a.mp3", {}),
    ],
)
def test_a_cut_off_file_gives_what_is_there_and_says_so(
    tmp_path: Path, name: str, keywords: dict[str, str]
) -> None:
    path = tmp_path / name
    soundfile.write(path, music(10 * 44_100, 44_100, 2), 44_100, **keywords)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    source = read_audio(path)
    assert 3 < source.duration_s < 5.5
    said = f"its header promises 10.0 s, {source.duration_s:.1f} s is there"
    assert said in source.notes[0]


def test_a_cut_off_ogg_has_no_end_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, music(10 * 44_100, 44_100), 44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = read_audio(path)
    assert source.duration_s < 9
    assert source.notes == ("the file is cut off: its end is missing",)


def test_a_cut_off_video_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", music(5 * 48_000, 48_000), 48_000, "aac", "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = read_audio(path)
    assert 1 < source.duration_s < 4
    assert "cut off" in source.notes[0]


def test_a_cut_off_m4a_without_its_table_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(N, 48_000), 48_000, "aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut-off" in refusal(path).why


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_from_a_pipe_promises_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, music(N, 8_000), 8_000)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 4, size)
    struct.pack_into("<I", content, content.find(b"data") + 4, size)
    path.write_bytes(content)
    source = read_audio(path)
    assert (source.samples.shape, source.notes) == ((N, 1), ())


def test_damage_in_the_middle_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, music(200_000, 44_100), 44_100)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    path.write_bytes(content)
    source = read_audio(path)
    assert source.samples.shape[0] > 100_000
    assert "parts of the file are damaged and were left out" in source.notes


def test_after_a_change_of_sample_rate_the_sound_goes_on(tmp_path: Path) -> None:
    first = encode(tmp_path / "1.aac", music(N, 44_100), 44_100, "aac").read_bytes()
    second = encode(tmp_path / "2.aac", music(N, 22_050), 22_050, "aac").read_bytes()
    (tmp_path / "both.aac").write_bytes(first + second)
    source = read_audio(tmp_path / "both.aac")
    assert source.rate_hz == 44_100
    assert abs(len(source.samples) - 3 * N) < 6 * 1024  # the padding of both


def test_a_change_from_stereo_to_mono_is_spread_over_both_channels(tmp_path: Path) -> None:
    first = encode(tmp_path / "1.aac", music(N, 44_100, 2), 44_100, "aac").read_bytes()
    second = encode(tmp_path / "2.aac", music(N, 44_100, 1), 44_100, "aac").read_bytes()
    (tmp_path / "both.aac").write_bytes(first + second)
    tail = read_audio(tmp_path / "both.aac").samples[-5_000:]
    np.testing.assert_array_equal(tail[:, 0], tail[:, 1])


@pytest.mark.parametrize("kind", ["flac", "wav", "rf64"])
def test_a_header_that_promises_a_trillion_samples_allocates_nothing(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a"
    soundfile.write(path, music(N, 44_100), 44_100, format=kind.upper(), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    if kind == "flac":
        content[21] |= 0x0F
        content[22:26] = b"\xff" * 4
    elif kind == "wav":
        struct.pack_into("<I", content, content.find(b"data") + 4, 0x7FFF_0000)
    else:
        struct.pack_into("<QQ", content, 28, 1 << 41, 1 << 40)
    path.write_bytes(content)
    tracemalloc.start()
    source = read_audio(path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.samples.shape == (N, 1)
    assert "cut off" in source.notes[0]
    assert peak_bytes < 10_000_000
