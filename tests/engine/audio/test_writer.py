from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio import aac_writer, container_decoder, system_decoder, writer
from engine.audio.reader import read_audio
from engine.audio.resampling import resample, resampled_length
from engine.audio.source import Sound
from engine.audio.writer import (
    MP3_RATES_HZ,
    SUBTYPES_OF,
    file_format_of,
    file_rate,
    to_16_bit,
    to_24_bit,
    write_audio,
    write_sound,
)
from engine.errors import OutputFileError
from engine.options import FILE_FORMATS, FileFormat, Subtype
from tests.engine.audio.sound_file import decoded_by, lag_samples, music, snr_db

N = 70_001  # more than a block, no multiple of any codec's frame
KINDS = [(f, s) for f in FILE_FORMATS for s in (None, *SUBTYPES_OF[f])]


def refusal(path: Path, **changes: object) -> OutputFileError:
    arguments: dict[str, object] = {
        "samples": music(N, 44_100),
        "rate_hz": 44_100,
        "file_format": "wav",
        **changes,
    }
    with pytest.raises(OutputFileError) as caught:
        write_audio(path, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith("Cannot write ")
    return caught.value


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("file_format", "subtype"), KINDS)
def test_every_format_reads_back_complete_and_unshifted(
    tmp_path: Path, file_format: FileFormat, subtype: Subtype | None, channels: int
) -> None:
    sound = music(N, 44_100, channels)
    path = tmp_path / f"a.{file_format}"
    assert write_audio(path, sound, 44_100, file_format, subtype) == path
    source = read_audio(path)
    assert (source.samples.shape, source.rate_hz, source.notes) == (sound.shape, 44_100, ())
    assert lag_samples(sound[:, 0], source.samples[:, 0]) == 0
    floor_db = {None: 25 if file_format in {"mp3", "m4a", "ogg"} else 125, "24": 125, "16": 80}
    if subtype == "float":
        np.testing.assert_array_equal(source.samples, sound)
    else:
        assert snr_db(sound, source.samples) > floor_db[subtype]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("file_format", FILE_FORMATS)
@pytest.mark.parametrize("n", [1, 575, 1_152, 65_536])
@pytest.mark.parametrize("voice_rate_hz", [32_000, 40_000, 48_000])
def test_every_length_at_every_voice_rate_survives_the_file(
    tmp_path: Path, file_format: FileFormat, n: int, voice_rate_hz: int
) -> None:
    rate_hz = file_rate(file_format, voice_rate_hz)
    sound = resample(music(n, voice_rate_hz)[:, 0], voice_rate_hz, rate_hz)
    write_audio(tmp_path / "a", sound, rate_hz, file_format)
    source = read_audio(tmp_path / "a")
    assert source.samples.shape == (resampled_length(n, voice_rate_hz, rate_hz), 1)
    assert source.rate_hz == rate_hz


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_another_decoder_reads_the_same_length(tmp_path: Path, file_format: FileFormat) -> None:
    sound = music(N, 48_000, 2)
    path = write_audio(tmp_path / "a", sound, 48_000, file_format)
    other = decoded_by(container_decoder, path)
    assert other.shape == sound.shape
    assert lag_samples(sound[:, 0], other[:, 0]) == 0
    assert snr_db(sound, other) > 25


@pytest.mark.parametrize("file_format", ["wav", "flac", "aiff", "mp3"])
def test_blocks_of_any_size_make_the_same_file(tmp_path: Path, file_format: FileFormat) -> None:
    samples = music(3 * N, 44_100, 2)
    whole = write_audio(tmp_path / "whole", samples, 44_100, file_format)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(samples), 12_345):
            yield samples[start : start + 12_345]

    sound = Sound(44_100, len(samples), 2, blocks)
    parts = write_sound(tmp_path / "parts", sound, file_format)
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("file_format", ["wav", "flac", "ogg", "aiff"])
@pytest.mark.parametrize("rate_hz", [8_000, 11_127, 192_000])
def test_unusual_rates_are_written(tmp_path: Path, file_format: FileFormat, rate_hz: int) -> None:
    write_audio(tmp_path / "a", music(N, rate_hz), rate_hz, file_format)
    source = read_audio(tmp_path / "a")
    assert (source.samples.shape[0], source.rate_hz) == (N, rate_hz)


def test_mp3_takes_the_next_rate_it_knows() -> None:
    wanted = {1: 8_000, 40_000: 44_100, 44_100: 44_100, 44_101: 48_000, 192_000: 48_000}
    assert {rate: file_rate("mp3", rate) for rate in wanted} == wanted
    assert all(file_rate("mp3", rate) == rate for rate in MP3_RATES_HZ)
    assert file_rate("flac", 40_000) == 40_000


def test_a_rate_that_mp3_cannot_hold_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path / "a.mp3", rate_hz=40_000, file_format="mp3")
    assert error.advice == "write it at 44100 Hz"


def test_float_keeps_what_is_over_full_scale_and_integers_clip_it(tmp_path: Path) -> None:
    loud = np.float32([0.5, 1.5, -3, 1, -1])
    write_audio(tmp_path / "f", loud, 8_000, "wav", "float")
    np.testing.assert_array_equal(read_audio(tmp_path / "f").samples[:, 0], loud)
    for file_format, subtype in [("wav", "24"), ("wav", "16"), ("flac", "24"), ("aiff", "16")]:
        write_audio(tmp_path / "i", loud, 8_000, file_format, subtype, overwrite=True)
        back = read_audio(tmp_path / "i").samples[:, 0]
        np.testing.assert_allclose(back, np.clip(loud, -1, 1), atol=1e-4)


@pytest.mark.parametrize("file_format", ["mp3", "ogg"])
def test_lossy_formats_do_not_wrap(tmp_path: Path, file_format: FileFormat) -> None:
    loud = 4 * music(N, 44_100)
    write_audio(tmp_path / "a", loud, 44_100, file_format)
    back = read_audio(tmp_path / "a").samples
    assert snr_db(np.clip(loud, -1, 1), back) > 15


@pytest.mark.parametrize(("file_format", "subtype"), [k for k in KINDS if k[0] != "ogg"])
def test_equal_sounds_make_equal_files(
    tmp_path: Path, file_format: FileFormat, subtype: Subtype | None
) -> None:
    sound = music(5_000, 44_100)
    write_audio(tmp_path / "1", sound, 44_100, file_format, subtype)
    if subtype == "float":
        time.sleep(1.1)  # libsndfile dates these to the second
    write_audio(tmp_path / "2", sound, 44_100, file_format, subtype)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_wav_beyond_four_gigabytes_becomes_rf64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_MAX_RIFF_BYTES", 3 * N - 1)
    sound = music(N, 44_100)
    write_audio(tmp_path / "a.wav", sound, 44_100, "wav", "24")
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert snr_db(sound, read_audio(tmp_path / "a.wav").samples) > 125
    assert "4 GB" in refusal(tmp_path / "a.aiff", file_format="aiff").why


@pytest.mark.parametrize(
    ("file_format", "subtype"), [("flac", "float"), ("mp3", "16"), ("ogg", "float")]
)
def test_a_sample_type_the_format_cannot_hold_is_refused(
    tmp_path: Path, file_format: FileFormat, subtype: Subtype
) -> None:
    error = refusal(tmp_path / "a", file_format=file_format, subtype=subtype)
    assert "cannot hold" in error.why


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (np.zeros(0, np.float32), "no sound to write"),
        (np.zeros((9, 3), np.float32), "3 channels"),
        (np.float32([0, np.nan]), "NaN"),
        (np.float32([0, np.inf]), "infinite"),
    ],
)
def test_invalid_sound_is_not_written(tmp_path: Path, samples: object, why: str) -> None:
    assert why in refusal(tmp_path / "a.wav", samples=samples).why
    assert list(tmp_path.iterdir()) == []


def test_the_ending_of_a_name_chooses_the_format() -> None:
    assert file_format_of(Path("a.WAV")) == "wav"
    assert file_format_of(Path("a.b.aif")) == "aiff"
    assert {file_format_of(Path(f"a.{f}")) for f in FILE_FORMATS} == set(FILE_FORMATS)
    with pytest.raises(OutputFileError, match=r"\.wav, \.flac, \.mp3, \.m4a, \.ogg, \.aiff"):
        file_format_of(Path("a.wma"))


def test_soundfile_agrees_on_the_sample_types(tmp_path: Path) -> None:
    for file_format, subtype, wanted in [
        ("wav", None, "PCM_24"),
        ("wav", "float", "FLOAT"),
        ("flac", None, "PCM_24"),
        ("aiff", "16", "PCM_16"),
    ]:
        path = tmp_path / f"{file_format}{subtype}"
        write_audio(path, music(99, 8_000), 8_000, file_format, subtype)  # type: ignore[arg-type]
        assert soundfile.info(path).subtype == wanted


def test_24_bit_is_exact_to_half_a_step_and_never_wraps() -> None:
    sound = np.array([0, 0.5, -1, 1, 1.5, -7, 1e30, -1e30, 2**-24, 0.99999994], dtype=np.float32)
    steps = to_24_bit(sound) >> 8
    assert (to_24_bit(sound) & 0xFF == 0).all()
    assert steps.tolist()[:8] == [
        0,
        4194304,
        -8388608,
        8388607,
        8388607,
        -8388608,
        8388607,
        -8388608,
    ]
    assert abs(steps[8]) <= 1
    assert steps[9] == 8388607


def test_16_bit_never_wraps_and_keeps_digital_silence() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat(np.float32([1, -1, 5, -5, 1e30, -1e30]), 100)
    steps = to_16_bit(loud, rng)
    assert (np.sign(steps) == np.sign(loud)).all()
    assert np.abs(steps.astype(int)).min() >= 32766
    assert not to_16_bit(np.zeros(1_000, dtype=np.float32), rng).any()


def test_dither_makes_the_error_of_16_bit_free_of_the_signal() -> None:
    level = np.full(200_000, 0.3 / 32768, dtype=np.float32)
    steps = to_16_bit(level, np.random.default_rng(0))
    assert abs(steps.mean() - 0.3) < 0.01
    assert np.abs(steps).max() <= 2
    half = np.full(200_000, 0.8 / 32768, dtype=np.float32)
    spread = to_16_bit(half, np.random.default_rng(0)).std()
    assert abs(steps.std() - spread) < 0.01


def test_m4a_without_ffmpeg_is_made_by_macos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "afconvert"
    tool.write_text('#!/bin/sh\nfor last; do :; done\necho "$*" > "$last"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(aac_writer, "AFCONVERT", tool)
    monkeypatch.setattr(system_decoder, "AFCONVERT", tool)
    monkeypatch.setattr(aac_writer, "find_spec", lambda _: None)
    made = write_audio(tmp_path / "a.m4a", music(N, 44_100), 44_100, "m4a")
    assert made.read_text().startswith("-f m4af -d aac ")
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "macOS cannot encode" in str(refusal(tmp_path / "b.m4a", file_format="m4a"))
    tool.unlink()
    assert "neither PyAV nor" in str(refusal(tmp_path / "b.m4a", file_format="m4a"))
    assert [each.name for each in tmp_path.iterdir()] == ["a.m4a"]
