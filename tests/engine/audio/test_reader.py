from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.names import SUPPORTED_SUFFIXES
from engine.audio.reader import probe_audio, read_audio
from tests.engine.audio.sound_file import (
    encode,
    lag_samples,
    music,
    snr_db,
    with_gapless_tag,
)

N = 12_345  # no multiple of any codec's frame


@pytest.mark.parametrize(
    ("container", "subtype", "snr"),
    [
        ("WAV", "PCM_U8", 33),
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


def test_a_gapless_tag_of_nothing_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(2_000, 44_100), 44_100, "aac")
    path.write_bytes(with_gapless_tag(path.read_bytes(), 0))
    assert read_audio(path).samples.shape == (2_000, 1)


def test_a_gapless_tag_from_before_a_cut_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(2 * N, 44_100), 44_100, "aac")
    path.write_bytes(with_gapless_tag(path.read_bytes(), N))
    assert read_audio(path).samples.shape == (2 * N, 1)


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
    by_layout = everything.samples @ np.array([0.5, 0.5, 0.707, 0, 0.3535, 0.3535])
    np.testing.assert_allclose(mono.samples[:, 0], by_layout, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [1_000, 8_000, 11_127, 96_000, 384_000])
def test_any_sample_rate_is_read(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", music(N, rate_hz), rate_hz)
    assert read_audio(tmp_path / "a.wav").rate_hz == rate_hz


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
