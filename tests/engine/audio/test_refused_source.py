from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio import reader
from engine.audio.reader import probe_audio, read_audio
from engine.errors import AudioFileError
from tests.engine.audio.sound_file import (
    encode,
    music,
    without_root,
)

N = 12_345  # no multiple of any codec's frame


def refusal(path: Path) -> AudioFileError:
    with pytest.raises(AudioFileError) as caught:
        read_audio(path)
    return caught.value


def test_an_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(100, 1_000), 10)
    assert "sample rate of 10 Hz" in refusal(tmp_path / "a.wav").why


def test_a_silent_video_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", music(N, 8_000), 8_000, "", "mpeg4")
    assert str(refusal(path)).startswith('Cannot read "a.mp4": this video has no sound')


@pytest.mark.parametrize("tag", [b"drms", b"enca"])
def test_a_protected_file_is_refused_as_such(tmp_path: Path, tag: bytes) -> None:
    path = encode(tmp_path / "a.m4p.m4a", music(N, 44_100), 44_100, "aac")
    content = path.read_bytes()
    at = content.find(b"mp4a", content.find(b"stsd"))
    path.write_bytes(content[:at] + tag + content[at + 4 :])
    assert "copy-protected" in refusal(path).why


def test_protected_windows_media_is_refused_as_such(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wma", music(N, 44_100), 44_100, "wmav2")
    content = bytearray(path.read_bytes())
    # One more object in the header object, whose size and count grow with it.
    texts = (b"secret01", b"DRM\0", b"key\0", b"url\0")
    fields = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    marker = struct.pack("<IHH", 0x2211B3FB, 0xBD23, 0x11D2) + bytes.fromhex("b4b700a0c955fc6e")
    content[30:30] = marker + struct.pack("<Q", 24 + len(fields)) + fields
    size, count = struct.unpack_from("<QI", content, 16)
    struct.pack_into("<QI", content, 16, size + 24 + len(fields), count + 1)
    path.write_bytes(content)
    assert "copy-protected" in refusal(path).why
    path.write_bytes(content[:400])
    assert "copy-protected" in refusal(path).why


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e30])
def test_nan_infinity_and_huge_values_are_refused_with_their_place(
    tmp_path: Path, value: float
) -> None:
    sound = music(300_000, 44_100).astype("f8")
    sound[200_000] = value
    soundfile.write(tmp_path / "a.wav", sound, 44_100, subtype="DOUBLE")
    assert (
        "it holds values that are not sound (NaN, infinity or too large)"
        in refusal(tmp_path / "a.wav").why
    )


@pytest.mark.parametrize(
    "content",
    [b"a", b"Dear diary\n" * 500, b"\0" * 5_000, bytes(range(256)) * 40, b"RIFF\0\0\0\0WAVE"],
)
def test_files_without_sound_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    assert refusal(tmp_path / "a.mp3").what == 'Cannot read "a.mp3"'


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    other = encode(tmp_path / "a.m4a", music(N, 44_100), 44_100, "aac")
    playlists = {
        "p.m3u8": f"#EXTM3U\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
        "p.txt": f"ffconcat version 1.0\nfile {other.name}\n",
        "p.srt": "1\n00:00:01,000 --> 00:00:02,000\nfile a.m4a\n",
        "p.sdp": "v=0\nm=audio 5004 RTP/AVP 0\nc=IN IP4 127.0.0.1\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        assert "isn't an audio or video file" in refusal(tmp_path / name).why


def test_missing_empty_folder_and_pipe_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    causes = {
        tmp_path / "missing.wav": "the file does not exist",
        tmp_path / "empty.wav" / "x.wav": "the file does not exist",
        tmp_path / "empty.wav": "the file is empty",
        tmp_path: "it is a folder",
        tmp_path / "pipe.wav": "it isn't a regular file",
        tmp_path / "a\0b.wav": "no file can have this name",
        tmp_path / ("x" * 300): "the disk reports",
    }
    for path, why in causes.items():
        for read in (read_audio, probe_audio):
            with pytest.raises(AudioFileError, match=why):
                read(path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, music(N, 8_000), 8_000)
    path.chmod(0)
    with without_root():
        assert "not allowed" in refusal(path).why


def test_a_header_without_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 8_000)
    assert refusal(tmp_path / "a.wav").why == "it holds no sound"


@pytest.mark.skipif(sys.platform == "darwin", reason="Mac disks take Unicode names only")
def test_a_name_of_invalid_unicode_is_read_and_shown(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.wav"))
    soundfile.write(os.open(path, os.O_RDWR | os.O_CREAT), music(N, 8_000), 8_000, format="WAV")
    assert read_audio(path).samples.shape == (N, 1)
    path.write_bytes(b"no sound")
    str(refusal(path)).encode()


def test_a_sound_too_long_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros((400_000, 2)), 44_100)
    monkeypatch.setattr(reader, "MAX_VALUES", 300_000)
    assert "too long for memory" in refusal(tmp_path / "a.flac").why
