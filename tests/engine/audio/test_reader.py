from __future__ import annotations

import os
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio import source as source_module
from engine.audio.reader import SUPPORTED_SUFFIXES, probe_audio, read_audio
from engine.errors import AudioFileError
from tests.engine.audio.sound_file import (
    encode,
    lag_samples,
    music,
    snr_db,
    with_gapless_tag,
    without_root,
)

N = 12_345  # no multiple of any codec's frame


def refusal(path: Path) -> AudioFileError:
    with pytest.raises(AudioFileError) as caught:
        read_audio(path)
    return caught.value


@pytest.mark.parametrize(
    ("container", "subtype", "snr"),
    [
        ("WAV", "PCM_U8", 35),
        ("WAV", "PCM_16", 80),
        ("WAV", "PCM_24", 125),
        ("WAV", "PCM_32", 140),
        ("WAV", "FLOAT", 200),
        ("WAV", "DOUBLE", 200),
        ("WAV", "ULAW", 30),
        ("WAVEX", "PCM_24", 125),
        ("RF64", "PCM_16", 80),
        ("W64", "PCM_24", 125),
        ("FLAC", "PCM_24", 125),
        ("AIFF", "PCM_16", 80),
        ("AIFF", "FLOAT", 200),
        ("CAF", "PCM_24", 125),
        ("CAF", "ALAC_24", 125),
        ("AU", "PCM_16", 80),
    ],
)
def test_every_sample_of_a_lossless_file_arrives(
    tmp_path: Path, container: str, subtype: str, snr: float
) -> None:
    sound = music(N, 44_100, 2)
    path = tmp_path / "sound"
    soundfile.write(path, sound, 44_100, format=container, subtype=subtype)
    source = read_audio(path)
    assert (source.rate_hz, source.samples.shape, source.notes) == (44_100, (N, 2), ())
    assert source.samples.dtype == np.float32
    assert snr_db(sound, source.samples) > snr
    assert source.duration_s == N / 44_100


@pytest.mark.parametrize(
    ("container", "subtype", "rate_hz"),
    [("OGG", "VORBIS", 44_100), ("OGG", "OPUS", 48_000), ("MP3", "MPEG_LAYER_III", 44_100)],
)
def test_a_lossy_file_has_its_true_length_and_start(
    tmp_path: Path, container: str, subtype: str, rate_hz: int
) -> None:
    sound = music(N, rate_hz, 2)
    soundfile.write(tmp_path / "sound", sound, rate_hz, format=container, subtype=subtype)
    source = read_audio(tmp_path / "sound")
    assert source.samples.shape == (N, 2)
    assert lag_samples(sound[:, 0], source.samples[:, 0]) == 0
    assert source.notes == ()


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000])
@pytest.mark.parametrize(
    ("name", "codec", "video"),
    [
        ("a.m4a", "aac", None),
        ("alac.m4a", "alac", None),
        ("a.mp4", "aac", "mpeg4"),
        ("a.mov", "aac", "mpeg4"),
        ("pcm.mov", "pcm_s16le", None),
        ("a.mka", "flac", None),
        ("a.mkv", "pcm_u8", "mpeg4"),
        ("a.avi", "pcm_s16le", "mpeg4"),
        ("a.mp3", "libmp3lame", None),
        ("a.wv", "wavpack", None),
    ],
)
def test_the_sound_of_a_container_is_cut_to_its_true_length(
    tmp_path: Path, name: str, codec: str, video: str | None, rate_hz: int
) -> None:
    sound = music(N, rate_hz, 2)
    source = read_audio(encode(tmp_path / name, sound, rate_hz, codec, video))
    assert (source.samples.shape, source.rate_hz, source.notes) == ((N, 2), rate_hz, ())
    assert lag_samples(sound[:, 0], source.samples[:, 0]) == 0
    assert snr_db(sound, source.samples) > 18


def test_opus_in_a_webm_video_has_its_true_length(tmp_path: Path) -> None:
    sound = music(N, 48_000, 2)
    source = read_audio(encode(tmp_path / "a.webm", sound, 48_000, "libopus", "libvpx"))
    assert source.samples.shape == (N, 2)
    assert lag_samples(sound[:, 0], source.samples[:, 0]) == 0


@pytest.mark.parametrize(
    ("name", "codec"), [("a.aac", "aac"), ("a.ts", "aac"), ("a.wma", "wmav2"), ("v.wmv", "wmav2")]
)
def test_formats_that_do_not_tell_their_padding_keep_it(
    tmp_path: Path, name: str, codec: str
) -> None:
    sound = music(N, 44_100, 2)
    source = read_audio(encode(tmp_path / name, sound, 44_100, codec))
    assert abs(source.samples.shape[0] - N) < 2 * 2048
    assert source.notes == ()


def test_apples_gapless_tag_gives_the_length_of_an_m4a(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(N, 44_100), 44_100, "aac")
    path.write_bytes(with_gapless_tag(path.read_bytes(), N - 700))
    assert read_audio(path).samples.shape == (N - 700, 1)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    sound = music(N, 48_000)
    made = {
        "video.wav": encode(tmp_path / "a.mp4", sound, 48_000, "aac", "mpeg4"),
        "song.mp3": tmp_path / "b.wav",
        "song.raw": tmp_path / "b.wav",
        "none": tmp_path / "b.wav",
    }
    soundfile.write(tmp_path / "b.wav", sound, 48_000)
    for name, original in made.items():
        path = tmp_path / name
        path.write_bytes(original.read_bytes())
        assert read_audio(path).samples.shape == (N, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_mono_is_the_mean_of_all_channels(tmp_path: Path, channels: int) -> None:
    sound = music(100_000, 8_000, channels)
    soundfile.write(tmp_path / "a.wav", sound, 8_000, subtype="FLOAT")
    everything = read_audio(tmp_path / "a.wav")
    mono = read_audio(tmp_path / "a.wav", mono=True)
    assert everything.channels == channels
    np.testing.assert_array_equal(everything.samples, sound)
    np.testing.assert_allclose(mono.samples, sound.mean(1, keepdims=True), atol=1e-7)


def test_the_sound_of_a_video_is_mixed_while_decoding(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", music(N, 48_000, 6), 48_000, "flac", "mpeg4")
    everything, mono = read_audio(path), read_audio(path, mono=True)
    assert everything.channels == 6
    np.testing.assert_allclose(mono.samples[:, 0], everything.samples.mean(1), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [1_000, 8_000, 11_127, 96_000, 384_000])
def test_any_sample_rate_is_read(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", music(N, rate_hz), rate_hz)
    assert read_audio(tmp_path / "a.wav").rate_hz == rate_hz


def test_an_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", music(100, 1_000), 10)
    assert "sample rate of 10 Hz" in refusal(tmp_path / "a.wav").why


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.mp4", "aac"), ("a.wav", ""), ("a.flac", "")]
)
def test_a_probe_tells_rate_channels_and_length_without_decoding(
    tmp_path: Path, name: str, codec: str
) -> None:
    sound = music(N, 44_100, 2)
    if codec:
        encode(tmp_path / name, sound, 44_100, codec)
    else:
        soundfile.write(tmp_path / name, sound, 44_100)
    info = probe_audio(tmp_path / name)
    assert (info.rate_hz, info.channels) == (44_100, 2)
    assert info.duration_s == pytest.approx(N / 44_100, abs=0.002)
    assert info.format == read_audio(tmp_path / name).format


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
    struct.pack_into("<I", content, content.find(b"data") + 4, size)
    path.write_bytes(content)
    source = read_audio(path)
    assert (source.samples.shape, source.notes) == ((N, 1), ())


def test_damage_in_the_middle_is_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, music(200_000, 44_100), 44_100)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    path.write_bytes(content)
    source = read_audio(path)
    assert source.samples.shape[0] > 100_000
    assert "parts of the file are damaged and were left out" in source.notes


def test_a_change_of_sample_rate_on_the_way_is_refused(tmp_path: Path) -> None:
    first = encode(tmp_path / "1.aac", music(N, 44_100), 44_100, "aac").read_bytes()
    second = encode(tmp_path / "2.aac", music(N, 22_050), 22_050, "aac").read_bytes()
    (tmp_path / "both.aac").write_bytes(first + second)
    assert "changes from 44100 to 22050 Hz" in refusal(tmp_path / "both.aac").why


def test_a_change_from_mono_to_stereo_on_the_way_is_spread(tmp_path: Path) -> None:
    first = encode(tmp_path / "1.aac", music(N, 44_100, 2), 44_100, "aac").read_bytes()
    second = encode(tmp_path / "2.aac", music(N, 44_100, 1), 44_100, "aac").read_bytes()
    (tmp_path / "both.aac").write_bytes(first + second)
    tail = read_audio(tmp_path / "both.aac").samples[-5_000:]
    np.testing.assert_array_equal(tail[:, 0], tail[:, 1])


def test_a_silent_video_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", music(N, 8_000), 8_000, "", "mpeg4")
    assert str(refusal(path)).startswith('Cannot read "a.mp4": this video has no sound')


@pytest.mark.parametrize("tag", [b"drms", b"enca"])
def test_a_protected_file_is_refused_as_such(tmp_path: Path, tag: bytes) -> None:
    path = encode(tmp_path / "a.m4p.m4a", music(N, 44_100), 44_100, "aac")
    content = path.read_bytes()
    at = content.find(b"mp4a", content.find(b"stsd"))
    path.write_bytes(content[:at] + tag + content[at + 4 :])
    assert "protected" in refusal(path).why


def test_protected_windows_media_is_refused_as_such(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wma", music(N, 44_100), 44_100, "wmav2")
    content = bytearray(path.read_bytes())
    marker = struct.pack("<IHH", 0x2211B3FB, 0xBD23, 0x11D2) + bytes.fromhex("b4b700a0c955fc6e")
    title = struct.pack("<QI", 24 + len(marker), 0)
    # One more object in the header object, whose size and count grow with it.
    content[30:30] = marker + struct.pack("<Q", 24 + 8) + bytes(8)
    size, count = struct.unpack_from("<QI", content, 16)
    struct.pack_into("<QI", content, 16, size + 32, count + 1)
    assert len(title) == 12
    path.write_bytes(content)
    assert "protected" in refusal(path).why


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_no_numbers_are_refused_with_their_place(
    tmp_path: Path, value: float
) -> None:
    sound = music(300_000, 44_100).astype("f8")
    sound[200_000] = value
    soundfile.write(tmp_path / "a.wav", sound, 44_100, subtype="DOUBLE")
    assert "NaN or infinity" in refusal(tmp_path / "a.wav").why


@pytest.mark.parametrize(
    "content",
    [b"a", b"Dear diary\n" * 500, b"\0" * 5_000, bytes(range(256)) * 40, b"RIFF\0\0\0\0WAVE"],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    assert refusal(tmp_path / "a.mp3").what == 'Cannot read "a.mp3"'


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    other = encode(tmp_path / "a.m4a", music(N, 44_100), 44_100, "aac")
    playlists = {
        "p.m3u8": f"#EXTM3U\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
        "p.txt": f"ffconcat version 1.0\nfile {other.name}\n",
        "p.sdp": "v=0\nm=audio 5004 RTP/AVP 0\nc=IN IP4 127.0.0.1\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        assert "no sound or video file" in refusal(tmp_path / name).why


def test_missing_empty_folder_and_pipe_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    causes = {
        tmp_path / "missing.wav": "there is no such file",
        tmp_path / "empty.wav" / "x.wav": "there is no such file",
        tmp_path / "empty.wav": "the file is empty",
        tmp_path: "it is a folder",
        tmp_path / "pipe.wav": "it is no ordinary file",
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
def test_a_name_that_is_no_text_is_read_and_shown(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.wav"))
    soundfile.write(os.open(path, os.O_RDWR | os.O_CREAT), music(N, 8_000), 8_000, format="WAV")
    assert read_audio(path).samples.shape == (N, 1)
    path.write_bytes(b"no sound")
    str(refusal(path)).encode()


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


def test_a_sound_too_long_for_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros((400_000, 2)), 44_100)
    monkeypatch.setattr(source_module, "MAX_VALUES", 300_000)
    assert "too long for memory" in refusal(tmp_path / "a.flac").why


def test_reading_ten_minutes_as_mono_holds_little_more_than_the_sound(tmp_path: Path) -> None:
    n = 600 * 44_100
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 44_100, 2) as file:
        for _ in range(600):
            file.write(np.zeros((44_100, 2), dtype=np.int16))
    tracemalloc.start()
    source = read_audio(tmp_path / "a.wav", mono=True)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.samples.nbytes == 4 * n
    assert peak_bytes < 4 * n * 1.3 + 5_000_000


def test_the_offered_endings_are_lower_case_with_a_dot() -> None:
    assert {".wav", ".mp3", ".m4a", ".mp4", ".mov", ".opus"} <= SUPPORTED_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in SUPPORTED_SUFFIXES)


def _mutant(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(1, len(changed))])
    if kind == 1:
        for _ in range(rng.integers(1, 8)):
            changed[rng.integers(len(changed))] = rng.integers(256)
    elif kind == 2:
        at = rng.integers(min(400, len(changed) - 4))
        changed[at : at + 4] = rng.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0"])
    else:
        at = rng.integers(len(changed))
        junk = rng.integers(0, 256, rng.integers(64), dtype=np.uint8).tobytes()
        changed[at : at + rng.integers(1, 64)] = junk
    return bytes(changed)


def test_three_hundred_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    sound = music(4_000, 16_000, 2)
    for name in ("w.wav", "f.flac", "v.ogg", "m.mp3", "i.aiff", "c.caf"):
        soundfile.write(tmp_path / name, sound, 16_000)
    soundfile.write(tmp_path / "adpcm.wav", sound, 16_000, subtype="IMA_ADPCM")
    for name, codec, video in (
        ("a.m4a", "aac", None),
        ("a.mov", "pcm_s16le", "mpeg4"),
        ("a.mkv", "aac", "mpeg4"),
        ("a.wma", "wmav2", None),
        ("a.webm", "libopus", "libvpx"),
    ):
        encode(tmp_path / name, sound, 16_000, codec, video)
    originals = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    rng = np.random.default_rng(5)
    path = tmp_path / "mutant"
    outcomes = {"read": 0, "refused": 0}
    for k in range(300):
        path.write_bytes(_mutant(originals[k % len(originals)], rng))
        try:
            source = read_audio(path, mono=bool(k % 2))
        except AudioFileError as error:
            outcomes["refused"] += 1
            assert str(error).startswith('Cannot read "mutant": ')
        else:
            outcomes["read"] += 1
            assert np.isfinite(source.samples).all()
            assert source.samples.shape[0] >= 1
    assert min(outcomes.values()) > 30
