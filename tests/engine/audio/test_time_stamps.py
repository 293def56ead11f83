"""The time stamps of a container say when a sound is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.audio.reader import probe_audio, read_audio, read_blocks
from tests.engine.audio.sound_file import Samples, Track, lag_samples, music, mux, snr_db

RATE_HZ = 48_000
SOUND = music(3 * RATE_HZ, RATE_HZ)
KINDS = [("a.mkv", "flac"), ("a.mp4", "aac"), ("a.ts", "aac"), ("b.mkv", "libopus")]
JUMP_S = 9216 * 8 / RATE_HZ
"""Between two frames of FLAC, AAC and of this test."""


def silence(seconds: float) -> Samples:
    return np.zeros((round(seconds * RATE_HZ), 1), np.float32)


def assert_is(path: Path, expected: Samples, within_s: float = 0.05) -> None:
    """The sound is in its places, read at once and from anywhere."""
    source = read_audio(path)
    assert source.notes == ()
    assert source.duration_s == pytest.approx(len(expected) / RATE_HZ, abs=within_s)
    for start_s in (0.0, 1.6, 2.6):
        blocks = [block.samples for block in read_blocks(path, start_s=start_s)]
        found, wanted = np.concatenate(blocks), expected[round(start_s * RATE_HZ) :]
        n = min(len(found), len(wanted))
        assert abs(lag_samples(wanted[:n, 0], found[:n, 0])) <= 0.025 * RATE_HZ
    probed_s = probe_audio(path).duration_s
    assert probed_s is not None
    assert probed_s > source.duration_s - 0.1


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_sound_that_begins_after_the_picture_is_heard_later(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = mux(tmp_path / name, RATE_HZ, [Track(SOUND, codec, start_s=1.5)], video_s=5)
    assert_is(path, np.concatenate([silence(1.5), SOUND]))


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_gap_in_the_time_stamps_is_silence(tmp_path: Path, name: str, codec: str) -> None:
    path = mux(tmp_path / name, RATE_HZ, [Track(SOUND, codec, jump=(JUMP_S, 1.0))], video_s=5)
    cut = round(JUMP_S * RATE_HZ)
    assert_is(path, np.concatenate([SOUND[:cut], silence(1.0), SOUND[cut:]]))


def test_lossless_sound_around_a_gap_is_kept_to_the_sample(tmp_path: Path) -> None:
    path = mux(tmp_path / "a.mkv", RATE_HZ, [Track(SOUND, jump=(JUMP_S, 1.0))], video_s=5)
    cut = round(JUMP_S * RATE_HZ)
    expected = np.concatenate([SOUND[:cut], silence(1.0), SOUND[cut:]])
    assert snr_db(expected, read_audio(path).samples) > 80


def test_what_was_sent_twice_is_heard_once(tmp_path: Path) -> None:
    twice = np.concatenate([SOUND[: 2 * RATE_HZ], SOUND[RATE_HZ:]])
    path = mux(tmp_path / "a.ts", RATE_HZ, [Track(twice, "aac", jump=(2.0, -1.0))], video_s=4)
    source = read_audio(path)
    assert source.duration_s == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("length_s", [0.9, 3.0])
def test_streams_written_one_after_the_other_are_all_heard(tmp_path: Path, length_s: float) -> None:
    sound = SOUND[: round(length_s * RATE_HZ)]
    part = mux(tmp_path / "1.ts", RATE_HZ, [Track(sound, "aac")], video_s=length_s).read_bytes()
    (tmp_path / "a.ts").write_bytes(part + part)
    source = read_audio(tmp_path / "a.ts")
    assert source.duration_s == pytest.approx(2 * length_s, abs=0.15)
    assert source.notes == ()


def test_a_time_stamp_far_beyond_the_end_makes_no_silence(tmp_path: Path) -> None:
    path = mux(tmp_path / "a.mkv", RATE_HZ, [Track(SOUND, jump=(1.0, 0.0))], video_s=3)
    content = path.read_bytes()
    at = content.find(b"\x1f\x43\xb6\x75", len(content) // 2)  # the time stamp of a cluster
    if at < 0:
        at = content.find(b"\x1f\x43\xb6\x75")
    stamp = content.find(b"\xe7", at)
    size = content[stamp + 1] & 0x7F
    path.write_bytes(content[: stamp + 2] + b"\x7f" * size + content[stamp + 2 + size :])
    assert read_audio(path).duration_s < 4


def test_the_track_that_has_sound_is_used_and_named(tmp_path: Path) -> None:
    tracks = [Track(0 * SOUND, title="Desktop"), Track(SOUND, title="Mic \x1b[31m")]
    path = mux(tmp_path / "a.mkv", RATE_HZ, tracks, video_s=3)
    source = read_audio(path)
    assert source.notes == ('it has 2 sound tracks; number 2, "Mic [31m", is used',)
    assert snr_db(SOUND, source.samples) > 80
    assert snr_db(SOUND, np.concatenate([b.samples for b in read_blocks(path)])) > 80


def test_of_several_tracks_with_sound_the_default_one_is_used(tmp_path: Path) -> None:
    other = 0.1 * SOUND
    tracks = [Track(other, is_default=False), Track(SOUND), Track(other)]
    source = read_audio(mux(tmp_path / "a.mkv", RATE_HZ, tracks))
    assert source.notes == ("it has 3 sound tracks; number 2 is used",)
    assert snr_db(SOUND, source.samples) > 80


def test_a_track_can_be_asked_for(tmp_path: Path) -> None:
    tracks = [Track(SOUND), Track(0.1 * SOUND)]
    path = mux(tmp_path / "a.mkv", RATE_HZ, tracks)
    found = np.concatenate([block.samples for block in read_blocks(path, track=2)])
    assert snr_db(0.1 * SOUND, found) > 60
