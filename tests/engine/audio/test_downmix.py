"""Several channels are mixed to one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.reader import read_audio
from tests.engine.audio.sound_file import encode, music, snr_db

N = 30_000
RATE_HZ = 44_100


def stereo(left: float, right: float) -> np.ndarray:
    return music(N, RATE_HZ) * np.array([[left, right]], np.float32)


@pytest.mark.parametrize(("left", "right"), [(0.8, -0.8), (-0.5, 0.55), (0.6, -0.5)])
def test_of_channels_that_cancel_each_other_out_the_louder_one_is_kept(
    tmp_path: Path, left: float, right: float
) -> None:
    soundfile.write(tmp_path / "a.wav", stereo(left, right), RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav", mono=True)
    louder = max(abs(left), abs(right))
    assert source.samples.shape == (N, 1)
    assert np.abs(source.samples).max() == pytest.approx(louder * np.abs(music(N, RATE_HZ)).max())
    number = 1 if abs(left) >= abs(right) else 2
    assert source.notes == (
        f"its channels cancel each other out; only the louder one, number {number}, is used",
    )


@pytest.mark.parametrize(("left", "right"), [(0.8, 0.8), (0.8, 0.01), (0.8, -0.4), (0.5, -0.3)])
def test_other_channels_are_mixed_without_a_note(tmp_path: Path, left: float, right: float) -> None:
    sound = stereo(left, right)
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav", mono=True)
    np.testing.assert_allclose(source.samples, sound.mean(1, keepdims=True), atol=1e-7)
    assert source.notes == ()


@pytest.mark.parametrize("at_s", [0.0, 0.3, 0.512])
def test_channels_that_cancel_out_in_one_part_are_audible_throughout(
    tmp_path: Path, at_s: float
) -> None:
    sound = music(3 * RATE_HZ, RATE_HZ)
    other = sound.copy()
    other[round(at_s * RATE_HZ) : round((at_s + 1.0) * RATE_HZ)] *= -1
    path = tmp_path / "a.wav"
    soundfile.write(path, np.concatenate([sound, other], axis=1), RATE_HZ, subtype="FLOAT")
    source = read_audio(path, mono=True)
    np.testing.assert_allclose(source.samples, sound, atol=1e-6)
    (note,) = source.notes
    assert str(note).startswith("in parts of it the channels cancel each other out; only")


@pytest.mark.parametrize("what", ["hum", "constant"])
def test_what_both_channels_share_does_not_hide_that_the_voice_cancels_out(
    tmp_path: Path, what: str
) -> None:
    sound = 0.6 * music(2 * RATE_HZ, RATE_HZ)
    t = np.arange(len(sound))[:, None] / RATE_HZ
    shared = 0.2 * np.sin(2 * np.pi * 50 * t) if what == "hum" else np.full_like(sound, 0.2)
    channels = np.concatenate([shared + sound, shared - sound], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav", mono=True)
    np.testing.assert_allclose(source.samples, channels[:, :1], atol=1e-6)
    assert "only the louder one, number 1, is used" in source.notes[0]


@pytest.mark.parametrize(("channels", "number"), [(2, 2), (16, 5)])
def test_empty_channels_are_not_counted(tmp_path: Path, channels: int, number: int) -> None:
    sound = np.zeros((N, channels), np.float32)
    sound[:, number - 1] = music(N, RATE_HZ)[:, 0]
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav", mono=True)
    np.testing.assert_allclose(source.samples, music(N, RATE_HZ), atol=1e-6)
    said = f"only channel {number} of its {channels} channels holds sound; "
    assert source.notes == (said + "the empty ones are left out",)


@pytest.mark.parametrize(
    ("place", "level"), [(0, 0.5), (1, 0.5), (2, 0.707), (3, 1.0), (4, 0.3535)]
)
@pytest.mark.parametrize(("name", "keywords"), [("a.wav", {"format": "WAVEX"}), ("a.flac", {})])
def test_surround_is_mixed_by_its_layout(
    tmp_path: Path, place: int, level: float, name: str, keywords: dict[str, str]
) -> None:
    """The low-frequency channel is left out, unless there is nothing else."""
    sound = np.zeros((N, 6), np.float32)
    sound[:, place] = music(N, RATE_HZ)[:, 0]
    soundfile.write(tmp_path / name, sound, RATE_HZ, **keywords)
    source = read_audio(tmp_path / name, mono=True)
    np.testing.assert_allclose(source.samples, level * music(N, RATE_HZ), atol=1e-4)
    assert source.notes == ()


def test_low_frequencies_beside_others_are_left_out(tmp_path: Path) -> None:
    sound = np.zeros((N, 6), np.float32)
    sound[:, 2:4] = music(N, RATE_HZ)
    soundfile.write(tmp_path / "a.flac", sound, RATE_HZ)
    found = read_audio(tmp_path / "a.flac", mono=True).samples
    np.testing.assert_allclose(found, 0.707 * music(N, RATE_HZ), atol=1e-4)


@pytest.mark.parametrize("kind", ["zeros", "constant", "dither"])
@pytest.mark.parametrize("mono", [True, False])
def test_of_a_silent_file_it_is_said(tmp_path: Path, kind: str, mono: bool) -> None:
    sound = np.zeros((N, 2), np.float32)
    if kind == "constant":
        sound[:, 0] = 0.1
    elif kind == "dither":
        sound[:] = np.random.default_rng(0).integers(-1, 2, sound.shape) / 32_768
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ)
    source = read_audio(tmp_path / "a.wav", mono=mono)
    assert len(source.samples) == N
    assert source.notes == ("there is no sound in it",)


def test_stereo_keeps_channels_that_cancel_each_other_out(tmp_path: Path) -> None:
    sound = stereo(0.8, -0.8)
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav")
    np.testing.assert_array_equal(source.samples, sound)
    assert source.notes == ()


@pytest.mark.parametrize(("name", "codec"), [("a.mka", "pcm_s16le"), ("a.m4a", "aac")])
def test_cancelling_channels_are_found_by_the_other_decoder_too(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = encode(tmp_path / name, stereo(0.8, -0.8), RATE_HZ, codec)
    source = read_audio(path, mono=True)
    assert "only the louder one" in source.notes[0]
    found, expected = source.samples[:N], 0.8 * music(N, RATE_HZ)
    assert max(snr_db(expected, found), snr_db(expected, -found)) > 20


def test_a_bare_aac_stream_keeps_all_that_is_decoded(tmp_path: Path) -> None:
    """It does not state the encoder's padding, so whole packets of 1,024 frames stay."""
    source = read_audio(encode(tmp_path / "a.aac", music(N, RATE_HZ), RATE_HZ, "aac"))
    n_frames = len(source.samples)
    assert n_frames % 1024 == 0
    assert N <= n_frames <= N + 3 * 1024
    assert source.notes == ()
