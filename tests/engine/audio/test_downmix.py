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


@pytest.mark.parametrize(
    ("left", "right"), [(0.8, 0.8), (0.8, 0.0), (0.8, -0.4), (0.0, 0.0), (0.5, -0.3)]
)
def test_other_channels_are_mixed_without_a_note(tmp_path: Path, left: float, right: float) -> None:
    sound = stereo(left, right)
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    source = read_audio(tmp_path / "a.wav", mono=True)
    np.testing.assert_allclose(source.samples, sound.mean(1, keepdims=True), atol=1e-7)
    assert source.notes == ()


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
