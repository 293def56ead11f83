from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import butter, filtfilt

from engine.audio.filters import (
    SLAB_SAMPLES,
    filter_in_place,
    highpass_48hz,
    highpass_48hz_on_device,
    highpass_in_place,
)
from engine.audio.spool import Spool
from engine.child import Child
from engine.errors import ConversionCancelled

GOLDEN = Path(__file__).parents[2] / "data" / "golden"

ROUNDING = 1e-6
"""The last bit of a coefficient, which scipy finds anew on each processor, moves samples of 1 by
2e-7."""


def test_the_filter_equals_the_reference_numbers() -> None:
    golden = np.load(GOLDEN / "highpass.npz")
    # The last bit of a coefficient, which differs between processors, moves the samples by 3e-8.
    assert np.abs(highpass_48hz(golden["audio"]) - golden["filtered"]).max() < 1e-7


@pytest.mark.parametrize("n", [19, 20, 1_000, 5_003])
def test_the_filter_equals_filtfilt(n: int) -> None:
    sound = np.random.default_rng(n).standard_normal(n)
    b, a = butter(5, 48, btype="highpass", fs=16_000)
    assert np.abs(highpass_48hz(sound) - filtfilt(b, a, sound)).max() < ROUNDING


def test_only_the_filter_itself_is_loaded_of_scipys_signal_processing() -> None:
    code = (
        "import numpy, sys; from engine.audio.filters import highpass_48hz;"
        "found = highpass_48hz(numpy.arange(99.0)); print('scipy.signal' in sys.modules);"
        "from scipy.signal import lfilter; from engine.audio.linear_filter import linear_filter;"
        "import scipy.signal._sigtools as s; print(linear_filter() is s._linear_filter)"
    )
    assert Child().output("-c", code) == ["False", "True"]


def channels_of_noise(n: int) -> tuple[np.ndarray, Spool]:
    dice = np.random.default_rng(n)
    sound = np.stack([dice.normal(0.5, 0.2, n), dice.normal(-0.3, 0.1, n)], axis=1)
    spool = Spool(2)
    spool.append(sound.astype(np.float32))
    return sound.astype(np.float32), spool


BLOCK = 1 << 18


@pytest.mark.parametrize("n", [1, 2, 18, 19, 40, BLOCK - 36, BLOCK - 18, BLOCK + 1, 700_000])
def test_a_sound_filtered_in_blocks_equals_the_whole_sample_by_sample(n: int) -> None:
    sound, spool = channels_of_noise(n)
    gain = np.float32(0.7)
    highpass_in_place(spool, gain)
    assert len(spool) == n
    for found, channel in zip(spool.read(0, n).T, (sound * gain).T, strict=True):
        np.testing.assert_array_equal(found, highpass_48hz(channel))


def test_filtering_stops_between_blocks() -> None:
    _, spool = channels_of_noise(3 * BLOCK)
    calls = 0

    def pause() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConversionCancelled

    with pytest.raises(ConversionCancelled):
        highpass_in_place(spool, np.float32(1), pause)
    assert calls == 2


@pytest.mark.parametrize("n", [1, SLAB_SAMPLES, SLAB_SAMPLES + 5, 2 * SLAB_SAMPLES + 300_001])
def test_a_sound_filtered_in_slabs_equals_the_whole(n: int) -> None:
    sound, spool = channels_of_noise(n)
    filter_in_place(spool, lambda slab: np.stack([highpass_48hz(each) for each in slab]))
    expected = np.stack([highpass_48hz(each) for each in sound.T], axis=1)
    assert np.abs(spool.read(0, n) - expected).max() <= 1e-6


@pytest.mark.parametrize("n", [1, 2, 5, 18])
def test_a_sound_too_short_for_filtfilt_is_filtered(n: int) -> None:
    sound = np.random.default_rng(n).standard_normal(n)
    b, a = butter(5, 48, btype="highpass", fs=16_000)
    out = highpass_48hz(sound)
    assert np.abs(out - filtfilt(b, a, sound, padlen=n - 1)).max() < ROUNDING


def test_an_empty_sound_stays_empty() -> None:
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


DEVICE_LENGTHS = [1, 2, 3, 18, 19, 20, 100, 3_000, 16_000, 65_536, 62_700, 300_001]


@pytest.mark.parametrize("n", DEVICE_LENGTHS)
@pytest.mark.parametrize("kind", ["noise", "rumble", "constant", "step"])
def test_the_filter_on_a_device_equals_scipys(n: int, kind: str) -> None:
    dice = np.random.default_rng(n)
    t = np.arange(n) / 16_000
    samples = {
        "noise": dice.normal(0, 0.2, n),
        "rumble": 0.9 * np.sin(2 * np.pi * 20 * t + 1) + 0.01 * dice.normal(size=n),
        "constant": np.full(n, 0.7),
        "step": np.where(np.arange(n) < n // 2, -0.5, 0.9),
    }[kind].astype(np.float32)
    expected = highpass_48hz(samples.astype(np.float64))
    ours = highpass_48hz_on_device(torch.from_numpy(samples)).numpy()
    assert ours.dtype == np.float32
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= 1e-4 * np.abs(samples).max() * 0.1


def test_on_a_device_each_channel_is_filtered_alone_and_an_empty_sound_stays_empty() -> None:
    both = torch.randn(2, 5_000, generator=torch.Generator().manual_seed(0))
    together = highpass_48hz_on_device(both)
    for channel, alone in zip(together, both, strict=True):
        torch.testing.assert_close(channel, highpass_48hz_on_device(alone), rtol=0, atol=5e-6)
    assert highpass_48hz_on_device(both[:, :0]).shape == (2, 0)
