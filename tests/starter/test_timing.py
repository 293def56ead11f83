"""Readings by other voices: their timing, and a loss that allows for what is left of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recipe.natural.prior import FARTHEST_FRAMES, SHARES, latent_error
from recipe.natural.timing import BLOCKS, directions, places_of, said_in
from recipe.natural.views import READ, VIEWS, between
from torch.nn.functional import interpolate

from engine.audio.reader import read_audio
from tests.starter.small_encoder import small_whisper

FRAMES, SLOWER_FRAMES, PAUSE_FRAMES = 150, 200, 25
SPEECH = Path(__file__).parents[1] / "data" / "speech_slt.wav"


def test_every_view_is_drawn_by_its_share() -> None:
    assert len(SHARES) == len(VIEWS) == len(READ)
    assert sum(SHARES) == pytest.approx(1.0)


def test_a_slower_reading_after_a_pause_is_found_at_the_same_words() -> None:
    pytest.importorskip("librosa", reason="librosa is not installed (natural/requirements.txt)")
    chance = torch.Generator().manual_seed(3)
    sounds = torch.randn(1, 16, 30, generator=chance)
    here, slower = (
        interpolate(sounds, n, mode="linear").transpose(1, 2) for n in (FRAMES, SLOWER_FRAMES)
    )
    pause = torch.randn(1, 1, 16, generator=chance).expand(1, PAUSE_FRAMES, 16)
    there = torch.cat([pause, slower], dim=1)
    here, there = (each + 0.7 * torch.randn(each.shape, generator=chance) for each in (here, there))
    places = places_of([directions(here)], [directions(there)])
    wanted = PAUSE_FRAMES + np.arange(FRAMES) * SLOWER_FRAMES / FRAMES
    assert len(places) == FRAMES
    assert np.all(np.diff(places) >= 0)
    assert np.quantile(np.abs(places - wanted), 0.9) <= 3.0


def test_every_block_that_is_compared_gives_one_direction_a_frame() -> None:
    sound = read_audio(SPEECH, mono=True).samples[:16_000, 0]
    said = said_in(small_whisper(3, width=64, blocks=max(BLOCKS)), sound)
    assert [each.shape for each in said] == [(50, 64)] * len(BLOCKS)
    assert all(np.allclose(np.linalg.norm(each, axis=1), 1.0) for each in said)


def test_features_between_two_frames_lie_on_a_line() -> None:
    features = torch.tensor([[0.0, 0.0], [2.0, 4.0], [4.0, 8.0]])
    found = between(features, torch.tensor([-1.0, 0.5, 2.0, 9.0]).double())
    assert found.tolist() == [[0.0, 0.0], [1.0, 2.0], [4.0, 8.0], [4.0, 8.0]]


def test_a_reading_that_comes_a_little_late_is_as_good_and_the_target_itself_is_not() -> None:
    wanted = torch.randn(2, 8, 200, generator=torch.Generator().manual_seed(1))
    late = wanted.roll(3, dims=2)
    exact, tolerant = torch.tensor([False, False]), torch.tensor([True, True])
    assert float(latent_error(late, wanted, exact)) > 1.0
    assert float(latent_error(late, wanted, tolerant)) < 0.2
    too_late = wanted.roll(FARTHEST_FRAMES + 20, dims=2)
    assert float(latent_error(too_late, wanted, tolerant)) > 1.0


def test_a_reading_beside_the_target_does_not_change_how_the_target_is_judged() -> None:
    wanted = torch.randn(2, 8, 100, generator=torch.Generator().manual_seed(1))
    late = wanted.roll(3, dims=2)
    one = torch.tensor([True, False])
    alone = latent_error(late[1:], wanted[1:], one[1:])
    reading = latent_error(late[:1], wanted[:1], one[:1])
    assert torch.allclose(latent_error(late, wanted, one), (alone + reading) / 2)
