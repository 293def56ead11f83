"""What the networks hear of a source, whatever its length and however it is read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from engine.analysis import MAX_INPUT_PEAK, AnalysisRecorder, AnalysisSignal
from engine.audio.filters import highpass_48hz
from engine.audio.reader import receive_array
from engine.audio.resampling import resample
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES
from tests.engine.audio.sound_file import music


def signal_of(samples: np.ndarray, rate_hz: int = 16_000, channels: int = 2) -> AnalysisSignal:
    recorder = AnalysisRecorder(lambda: None)
    decoded = receive_array(samples, rate_hz, recorder, channels=channels)
    return recorder.finish(decoded.n_frames)


def noise(n: int, channels: int, level: float = 0.2) -> np.ndarray:
    dice = np.random.default_rng(n)
    return (level * dice.standard_normal((n, channels))).astype(np.float32)


@pytest.mark.parametrize("level", [0.05, 3.0])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_it_is_the_whole_source_resampled_limited_and_filtered(level: float, rate_hz: int) -> None:
    sound = noise(7 * rate_hz + 13, 2, level)
    signal = signal_of(sound, rate_hz)
    signal.high_pass(None)
    expected = resample(sound, rate_hz, 16_000)
    peak = float(np.abs(expected).max())
    if peak > MAX_INPUT_PEAK:
        expected = expected * np.float32(MAX_INPUT_PEAK / peak)
    assert len(signal) == len(expected)
    for channel, found in zip(expected.T, signal.read(0, len(signal)).T, strict=True):
        np.testing.assert_array_equal(found, highpass_48hz(np.ascontiguousarray(channel)))


@pytest.mark.parametrize("n", [1, 2, 100, 16_000, 25_600, 100_001])
def test_its_context_is_the_source_mirrored(n: int) -> None:
    sound = noise(n, 2)
    signal = signal_of(sound)
    total = signal.frames + 2 * CONTEXT_FRAMES
    context = CONTEXT_FRAMES * HOP_SAMPLES
    after = total * HOP_SAMPLES - context - n
    mode = "reflect" if n > 1 else "edge"
    expected = np.pad(sound, ((context, after), (0, 0)), mode=mode)  # type: ignore[call-overload]
    np.testing.assert_array_equal(signal.padded(0, total), expected)
    for start, frames in ((0, 3), (CONTEXT_FRAMES - 1, 3), (total - 2, 2)):
        part = expected[start * HOP_SAMPLES : (start + frames) * HOP_SAMPLES]
        np.testing.assert_array_equal(signal.padded(start, frames), part)


@pytest.mark.parametrize(("right", "share"), [(-0.8, 1.0), (0.0, 1.0), (0.4, 0.75), (0.8, 1.0)])
def test_the_middle_of_stereo_is_audible_even_if_the_channels_cancel_out(
    right: float, share: float
) -> None:
    left = 0.8 * music(30_000, 16_000)
    signal = signal_of(np.concatenate([left, right / 0.8 * left], axis=1))
    signal.high_pass(None)
    expected = share * highpass_48hz(left[:, 0])
    np.testing.assert_allclose(signal.middle(0, 30_000), expected, atol=1e-6)


def test_an_hour_is_recorded_in_the_memory_of_minutes() -> None:
    recorder = AnalysisRecorder(lambda: None)
    recorder.begin(16_000, 1)
    block = noise(160_000, 1)
    tracemalloc.start()
    for _ in range(360):
        recorder.append(block)
    signal = recorder.finish(360 * len(block))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert signal.frames == 360_000
    assert peak_bytes < 100 << 20  # as one array: 230 MB
    np.testing.assert_array_equal(signal.read(159_900, 160_100)[:100], block[-100:])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level_db", [-35, -58])
def test_a_very_quiet_source_is_lifted_for_the_networks_only(level_db: int, channels: int) -> None:
    sound = np.repeat(music(30_000, 16_000), channels, axis=1)
    level = np.float32(10 ** (level_db / 20))
    quiet = sound * level
    usual, lifted = (signal_of(each, channels=channels) for each in (sound, quiet))
    for signal in (usual, lifted):
        signal.high_pass(None)
    assert usual.lift == 1
    found = lifted.middle(0, 30_000)
    assert np.abs(found).max() == pytest.approx(0.5, rel=1e-3)
    expected = usual.middle(0, 30_000)
    np.testing.assert_allclose(found, 0.5 * expected / np.abs(expected).max(), atol=1e-4)
    np.testing.assert_allclose(
        lifted.read_as_is(0, 30_000), usual.read(0, 30_000) * level, atol=1e-6
    )


@pytest.mark.parametrize("level", [0.0, 2e-5, 0.25])
def test_silence_and_usual_levels_are_not_lifted(level: float) -> None:
    signal = signal_of(level * music(30_000, 16_000))
    signal.high_pass(None)
    assert signal.lift == 1
