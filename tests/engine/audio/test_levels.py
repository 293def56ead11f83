from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.audio.levels import follow_volume, half_second_rms, limit_peak, peak_of

Samples = NDArray[np.float32]


def sound(n: int, seed: int, level: float = 0.2) -> Samples:
    rng = np.random.default_rng(seed)
    swell = 1 + 0.8 * np.sin(np.arange(n) * 2e-4 + seed)
    return (level * swell * rng.standard_normal(n)).astype(np.float32)


def rms_of(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    columns = samples[:, None]
    return half_second_rms(lambda start, stop: columns[start:stop], len(samples), rate_hz)


def apply_volume_envelope(
    source16k: Samples, output: Samples, rate_hz: int, rate: float, block: int = 65_536
) -> Samples:
    blocks = (output[k : k + block, None] for k in range(0, len(output), block))
    rms = rms_of(source16k, 16_000), rms_of(output, rate_hz)
    return np.concatenate(list(follow_volume(blocks, len(output), *rms, rate)))[:, 0]


def librosa_rms(samples: Samples, rate_hz: int) -> NDArray[np.float32]:
    return librosa.feature.rms(y=samples, frame_length=rate_hz // 2 * 2, hop_length=rate_hz // 2)[0]


def reference_envelope(source16k: Samples, output: Samples, rate_hz: int, rate: float) -> Samples:
    """The formula of the RVC projects, with librosa and torch."""

    def stretched(rms: NDArray[np.float32]) -> torch.Tensor:
        line = torch.from_numpy(rms)[None, None].double()
        return torch.nn.functional.interpolate(line, size=output.size, mode="linear")[0, 0]

    rms_source = stretched(librosa_rms(source16k, 16_000))
    rms_output = stretched(librosa_rms(output, rate_hz)).clamp(min=1e-6)
    gain = rms_source ** (1 - rate) * rms_output ** (rate - 1)
    return (torch.from_numpy(output) * gain).numpy()


@pytest.mark.parametrize("rate_hz", [16_000, 40_000, 11_127])
@pytest.mark.parametrize("seconds", [0.0001, 0.3, 0.5, 1.0, 3.7])
def test_the_rms_equals_librosas(rate_hz: int, seconds: float) -> None:
    samples = sound(max(1, round(seconds * rate_hz)), 3)
    mine = rms_of(samples, rate_hz)[0]
    expected = librosa_rms(samples, rate_hz)
    assert mine.shape == expected.shape
    np.testing.assert_allclose(mine, expected, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
@pytest.mark.parametrize(
    ("n16", "n", "rate_hz"), [(52_111, 130_278, 40_000), (9_000, 27_000, 48_000)]
)
def test_above_the_floor_it_equals_the_reference_formula(
    n16: int, n: int, rate_hz: int, rate: float
) -> None:
    source, output = sound(n16, 1), sound(n, 2, 0.05)
    mine = apply_volume_envelope(source, output, rate_hz, rate)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(
        mine, reference_envelope(source, output, rate_hz, rate), rtol=1e-4, atol=1e-7
    )


def test_the_size_of_blocks_changes_nothing() -> None:
    source, output = sound(32_000, 1), sound(80_000, 2)
    whole = apply_volume_envelope(source, output, 40_000, 0.0)
    np.testing.assert_array_equal(apply_volume_envelope(source, output, 40_000, 0.0, 999), whole)


def test_each_channel_follows_its_own_volume() -> None:
    quiet, loud = sound(40_000, 1, 0.02), sound(40_000, 2, 0.3)
    both = np.stack([quiet, loud], axis=1)
    rms = half_second_rms(lambda start, stop: both[start:stop], len(both), 16_000)
    swapped = next(follow_volume(iter([both]), len(both), rms[::-1], rms, 0.0))
    assert np.abs(swapped[:, 0]).max() > 5 * np.abs(swapped[:, 1]).max()


def test_hiss_where_source_and_result_are_silent_is_not_raised() -> None:
    hiss = sound(4 * 40_000, 5, 1e-4)
    reference = reference_envelope(np.full(64_000, 1e-2, np.float32), hiss, 40_000, 0.0)
    assert np.abs(reference).max() > 10 * np.abs(hiss).max()
    silence = np.zeros(64_000, dtype=np.float32)
    np.testing.assert_array_equal(apply_volume_envelope(silence, hiss, 40_000, 0.0), hiss)


def test_a_silent_source_does_not_mute_a_quiet_breath() -> None:
    breath = sound(4 * 40_000, 5, 1.2e-3)
    silence = np.zeros(64_000, dtype=np.float32)
    assert np.abs(reference_envelope(silence, breath, 40_000, 0.0)).max() == 0
    kept = apply_volume_envelope(silence, breath, 40_000, 0.0)
    assert np.sqrt(np.mean(kept**2)) > 0.5 * np.sqrt(np.mean(breath**2))


def test_a_silent_result_is_raised_by_the_floor_at_most() -> None:
    source, faint = sound(64_000, 1, 0.1), sound(160_000, 2, 1e-5)
    raised = apply_volume_envelope(source, faint, 40_000, 0.0)
    assert np.abs(raised).max() < 1e-5 * 5 * 0.1 / 1e-3 * 2.5


def test_the_blocks_of_the_result_are_not_changed() -> None:
    source, output = sound(16_000, 1), sound(40_000, 2)
    before = output.copy()
    apply_volume_envelope(source, output, 40_000, 0.0)
    np.testing.assert_array_equal(output, before)


@pytest.mark.parametrize("n", [1, 5])
def test_the_envelope_takes_any_length(n: int) -> None:
    out = apply_volume_envelope(sound(n, 1), sound(n, 2), 40_000, 0.5)
    assert out.shape == (n,)
    assert np.isfinite(out).all()


def test_the_peak_is_limited_without_changing_the_shape() -> None:
    loud = sound(1_000, 1, 3.0).reshape(-1, 2)
    peak = peak_of(iter([loud[:100], loud[100:]]))
    assert peak == np.abs(loud).max()
    limited = limit_peak(loud, peak)
    assert np.abs(limited).max() <= np.float32(0.99)
    assert limited.dtype == np.float32
    np.testing.assert_allclose(limited, loud * (0.99 / peak), rtol=1e-5)


def test_a_sound_within_the_limit_is_not_touched() -> None:
    quiet = sound(1_000, 1, 0.1)
    assert limit_peak(quiet, peak_of(iter([quiet]))) is quiet
    assert peak_of(iter([])) == 0
