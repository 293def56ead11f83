"""Batches hold what the utterances hold, where they hold it; another channel keeps the timing."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recipe.augmentation import formants_moved, recorded
from recipe.chance import Chance
from recipe.track import Tracks

CPU = torch.device("cpu")
RATE_HZ = 16_000
TIME_S = np.arange(RATE_HZ) / RATE_HZ


def tracks() -> Tracks:
    return Tracks.of([np.arange(5, dtype=np.int16), np.arange(100, 103, dtype=np.int16)], CPU)


def test_a_look_up_stays_in_its_utterance() -> None:
    places = torch.tensor([[-2, 0, 4, 9], [-1, 1, 2, 3]])
    which = torch.tensor([0, 1])
    assert tracks().at(which, places).tolist() == [[0, 0, 4, 4], [100, 101, 102, 102]]
    inside = [[False, True, True, False], [False, True, True, False]]
    assert tracks().inside(which, places).tolist() == inside


def test_sound_lies_on_lines_between_samples_and_is_silent_outside() -> None:
    places = torch.tensor([[-1.0, 0.5, 1.0, 2.0, 7.0]], dtype=torch.float64)
    found = tracks().sound_at(torch.tensor([1]), places) * 32_768
    assert found[0].tolist() == pytest.approx([0.0, 100.5, 101.0, 102.0, 0.0])


def vowel(formant_hz: float) -> torch.Tensor:
    """Harmonics of 120 Hz under one formant."""
    partials = np.arange(1, 60) * 120.0
    levels = np.exp(-(((partials - formant_hz) / 300) ** 2)) + 1e-3
    sound = (levels[:, None] * np.sin(2 * np.pi * partials[:, None] * TIME_S)).sum(0)
    return torch.from_numpy((0.2 * sound).astype(np.float32))[None]


def spectrum(sound: torch.Tensor) -> NDArray[np.float64]:
    inner = sound[0, 2000:-2000].numpy()
    return np.abs(np.fft.rfft(inner * np.hanning(len(inner))))


def test_formants_move_and_the_pitch_stays() -> None:
    before = vowel(1000.0)
    after = formants_moved(before, torch.tensor([1.2]))
    assert after.shape == before.shape
    hz = np.fft.rfftfreq(RATE_HZ - 4000, 1 / RATE_HZ)
    loudest = [hz[spectrum(sound).argmax()] for sound in (before, after)]
    assert loudest[0] == pytest.approx(960, abs=130)
    assert loudest[1] == pytest.approx(1200, abs=130)
    assert loudest[1] % 120 == pytest.approx(0, abs=3)


def test_formants_that_are_not_moved_leave_the_sound_alone() -> None:
    sound = vowel(1500.0)
    assert torch.allclose(formants_moved(sound, torch.tensor([1.0])), sound, atol=1e-4)


def test_a_recording_keeps_the_moment_of_a_sound_and_its_peak_is_sane() -> None:
    sounds = torch.zeros(16, 16_000)
    sounds[:, 6000:8000] = torch.randn(16, 2000, generator=torch.Generator().manual_seed(1))
    heard = recorded(sounds, Chance.of_step(0, 1))
    peaks = heard.abs().amax(1)
    assert (peaks > 0.09).all()
    assert (peaks < 0.91).all()
    level = heard.unfold(1, 500, 500).square().mean(2)
    assert (level.argmax(1) >= 12).all()
    assert (level.argmax(1) < 16).all()


def test_each_clip_is_recorded_in_its_own_way_and_the_same_again() -> None:
    sounds = vowel(900.0).repeat(4, 1)
    heard = recorded(sounds, Chance.of_step(0, 3))
    assert torch.equal(heard, recorded(sounds, Chance.of_step(0, 3)))
    assert not torch.allclose(heard[0], heard[1], atol=1e-2)
