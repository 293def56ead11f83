"""The high-pass on the device against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.audio.filters import highpass_48hz, highpass_48hz_on_device

LENGTHS = [1, 2, 3, 18, 19, 20, 100, 3_000, 16_000, 65_536, 62_700, 300_001]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("kind", ["noise", "rumble", "constant", "step"])
def test_it_equals_filtfilt_for_any_length(n: int, kind: str) -> None:
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


def test_channels_are_filtered_alone_and_nothing_stays_nothing() -> None:
    both = torch.randn(2, 5_000, generator=torch.Generator().manual_seed(0))
    together = highpass_48hz_on_device(both)
    for channel, alone in zip(together, both, strict=True):
        torch.testing.assert_close(channel, highpass_48hz_on_device(alone), rtol=0, atol=5e-6)
    assert highpass_48hz_on_device(both[:, :0]).shape == (2, 0)
