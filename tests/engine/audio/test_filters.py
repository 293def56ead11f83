from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from engine.audio import filters
from engine.audio.filters import highpass_48hz

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def test_the_filter_equals_the_reference_numbers() -> None:
    golden = np.load(GOLDEN / "highpass.npz")
    # The last bit of a coefficient, which differs between processors, moves the samples by 3e-8.
    assert np.abs(highpass_48hz(golden["audio"]) - golden["filtered"]).max() < 1e-7


@pytest.mark.parametrize("n", [19, 20, 1_000, 5_003])
@pytest.mark.parametrize("block", [1, 7, 1 << 18])
def test_the_filter_in_blocks_equals_filtfilt_in_one(
    n: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_BLOCK_SAMPLES", block)
    sound = np.random.default_rng(n).standard_normal(n)
    b, a = butter(5, 48, btype="highpass", fs=16_000)
    assert np.abs(highpass_48hz(sound) - filtfilt(b, a, sound)).max() < 1e-9


@pytest.mark.parametrize("n", [1, 2, 5, 18])
def test_a_sound_too_short_for_filtfilt_is_filtered(n: int) -> None:
    sound = np.random.default_rng(n).standard_normal(n)
    b, a = butter(5, 48, btype="highpass", fs=16_000)
    out = highpass_48hz(sound)
    assert np.abs(out - filtfilt(b, a, sound, padlen=n - 1)).max() < 1e-9


def test_no_sound_stays_no_sound() -> None:
    assert highpass_48hz(np.zeros(0)).shape == (0,)


def test_a_float32_sound_is_computed_in_float64_and_left_alone() -> None:
    sound = np.random.default_rng(1).standard_normal(20_000).astype(np.float32)
    before = sound.copy()
    out = highpass_48hz(sound)
    np.testing.assert_array_equal(out, highpass_48hz(sound.astype(float)).astype(np.float32))
    np.testing.assert_array_equal(sound, before)
    assert out.dtype == np.float32


def test_rumble_goes_and_voice_stays() -> None:
    t = np.arange(48_000) / 16_000
    rumble, voice = np.sin(2 * np.pi * 15 * t), np.sin(2 * np.pi * 200 * t)
    middle = slice(16_000, 32_000)
    assert np.abs(highpass_48hz(rumble)[middle]).max() < 1e-4
    assert np.abs(highpass_48hz(voice) - voice)[middle].max() < 1e-3


def test_five_minutes_need_one_float64_copy() -> None:
    sound = np.zeros(300 * 16_000, dtype=np.float32)
    highpass_48hz(sound[:100])
    tracemalloc.start()
    highpass_48hz(sound)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < sound.nbytes * (2 + 1) + 10_000_000
