"""Pieces, frames and silence of a source."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.segments import (
    CONTEXT_FRAMES,
    CUT_EVERY_FRAMES,
    CUT_SEARCH_FRAMES,
    HOP_SAMPLES,
    MAX_PIECE_FRAMES,
    MIN_SILENCE_FRAMES,
    SILENCE_GUARD_FRAMES,
    Piece,
    Read,
    active_frames,
    count_frames,
    frame_loudness,
    plan_pieces,
    silence_gain,
    window_frames,
)


def reader(audio: np.ndarray) -> Read:
    """Reads [n, ...] with zeros beyond the end."""

    def read(start: int, stop: int) -> np.ndarray:
        part = audio[start:stop]
        missing = np.zeros((stop - start - len(part), *audio.shape[1:]), np.float32)
        return np.concatenate([part, missing])

    return read


def _noise(frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(frames * HOP_SAMPLES).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "frames"),
    [(1, 16000, 1), (160, 16000, 1), (161, 16000, 2), (44100, 44100, 100), (442, 44100, 2)],
)
def test_frames_cover_every_sample(samples: int, rate_hz: int, frames: int) -> None:
    assert count_frames(samples, rate_hz) == frames


def test_up_to_41_seconds_stay_in_one_piece() -> None:
    audio = _noise(MAX_PIECE_FRAMES)
    assert plan_pieces(reader(audio), MAX_PIECE_FRAMES) == (Piece(0, MAX_PIECE_FRAMES),)


@pytest.mark.parametrize("frames", [4101, 4399, 7700, 8200, 30_000, 123_456])
def test_pieces_cover_a_long_file_without_gap_or_overlap(frames: int) -> None:
    pieces = plan_pieces(reader(_noise(frames)), frames)
    assert pieces[0].start == 0
    assert pieces[-1].stop == frames
    assert all(a.stop == b.start for a, b in itertools.pairwise(pieces))
    assert all(piece.frames >= CONTEXT_FRAMES for piece in pieces)
    assert all(piece.frames <= CUT_EVERY_FRAMES + CUT_SEARCH_FRAMES for piece in pieces)


@pytest.mark.parametrize(("samples", "frames"), [(1120, 7), (1003, 7), (1_000_005, 6251), (50, 3)])
def test_the_loudness_of_a_frame_is_measured_around_its_start(samples: int, frames: int) -> None:
    audio = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    found = frame_loudness(reader(audio), frames)
    centres = [0, 1, frames // 2, frames - 1]
    expected = [np.abs(audio[max(160 * c - 80, 0) : 160 * c + 80]).sum() for c in centres]
    assert len(found) == frames
    assert found[centres] == pytest.approx(expected, rel=1e-5)


def test_a_cut_falls_into_the_pause() -> None:
    audio = _noise(6000)
    audio[4000 * HOP_SAMPLES : 4003 * HOP_SAMPLES] = 0
    first = plan_pieces(reader(audio), 6000)[0]
    assert 4000 < first.stop < 4003


def test_a_cut_ignores_the_sign_of_the_samples() -> None:
    """Two of the peers add up x instead of |x|, so a loud symmetric wave counts as quiet."""
    audio = np.full(6000 * HOP_SAMPLES, 0.01, np.float32)
    loud = slice(3500 * HOP_SAMPLES, 3900 * HOP_SAMPLES)
    audio[loud] = np.tile(np.array([0.9, -0.9], np.float32), 200 * HOP_SAMPLES)
    audio[4100 * HOP_SAMPLES : 4102 * HOP_SAMPLES] = 0.001
    assert 4100 <= plan_pieces(reader(audio), 6000)[0].stop <= 4102


def _with_silence(frames: int, start: int, stop: int) -> np.ndarray:
    audio = 0.1 * _noise(frames)
    audio[start * HOP_SAMPLES : stop * HOP_SAMPLES] *= 1e-3
    return audio[:, None]


def test_a_long_silence_is_found_without_its_guard_frames() -> None:
    active = active_frames(reader(_with_silence(500, 100, 300)), 500)
    silent = np.flatnonzero(~active)
    assert (silent[0], silent[-1]) == (100 + SILENCE_GUARD_FRAMES, 299 - SILENCE_GUARD_FRAMES)
    assert np.array_equal(np.diff(silent), np.ones(len(silent) - 1))


def test_a_short_gap_is_not_silence() -> None:
    gap = 2 * SILENCE_GUARD_FRAMES + MIN_SILENCE_FRAMES
    assert active_frames(reader(_with_silence(500, 100, 100 + gap - 1)), 500).all()


def test_sound_in_one_channel_keeps_the_other_active() -> None:
    left, right = np.zeros(32_000, np.float32), _noise(200)
    assert active_frames(reader(np.stack([left, right], 1)), 200).all()
    assert not active_frames(reader(np.stack([left, left], 1)), 200).any()


def test_silence_is_zero_with_soft_edges() -> None:
    active = np.zeros(100, np.bool_)
    active[20:60] = True
    gain = silence_gain(active, 0, 100, 50)
    assert len(gain) == 5_000
    assert np.all(gain[: 20 * 50] == 0)
    assert np.all(gain[60 * 50 :] == 0)
    assert np.all(gain[21 * 50 : 59 * 50] == 1)
    assert np.abs(np.diff(gain)).max() <= 1 / 50 + 1e-6
    assert np.array_equal(gain[1000:2000], silence_gain(active, 20, 40, 50))


def test_sound_at_the_ends_of_a_source_is_not_faded() -> None:
    gain = silence_gain(np.ones(10, np.bool_), 0, 10, 7)
    assert np.all(gain == 1)


def test_buckets_round_a_window_up_and_never_down() -> None:
    for frames in (1, 399, 400, 401, 3000, 4400):
        piece = Piece(0, frames)
        plain, rounded = (window_frames(piece, buckets=each) for each in (False, True))
        assert plain == frames + 2 * CONTEXT_FRAMES
        assert rounded >= plain
    assert len({window_frames(Piece(0, n), buckets=True) for n in range(1, 4401)}) == 4
