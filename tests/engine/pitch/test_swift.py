"""SwiftF0: the network against its package, and which frames of a sound are voiced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.errors import ConversionCancelled, WeightsError
from engine.loading import load_swift
from engine.pitch import swift
from engine.pitch.methods import choose_method
from engine.pitch.swift import WINDOW_FRAMES, at_ten_ms, swift_answers, swift_frames, voiced_frames
from engine.pitch.tracker import PitchTracker, TrackerContext
from tests.engine.second_device import give_second_device
from tests.engine.small_set import write_small_set
from tests.oracles.sounds import RATE_HZ, SWIFT_SOUNDS, speech
from tests.weights_maker import GOLDEN

TIME_S = np.arange(2 * RATE_HZ) / RATE_HZ


def tone(f0_hz: float, seconds: float = 1.0) -> np.ndarray:
    phase = 2 * np.pi * f0_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.2 * (np.sin(phase) + np.sin(2 * phase) / 2)).astype(np.float32)


@pytest.mark.parametrize("name", SWIFT_SOUNDS)
def test_pitch_and_confidence_are_those_of_the_package(name: str) -> None:
    with np.load(GOLDEN / "swift.npz") as golden:
        expected_hz, expected = golden[f"{name}_hz"], golden[f"{name}_confidence"]
    hz, confidence = swift_answers(SWIFT_SOUNDS[name](), len(expected), scaled=False)
    assert np.abs(1200 * np.log2(hz / expected_hz)).max() < 0.01
    assert np.abs(confidence - expected).max() < 1e-4


def test_windows_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.tile(speech(), 4)
    hz, confidence = swift_answers(sound)
    assert len(hz) > 2 * WINDOW_FRAMES
    monkeypatch.setattr(swift, "WINDOW_FRAMES", len(hz))
    whole_hz, whole = swift_answers(sound)
    assert np.abs(1200 * np.log2(hz / whole_hz)).max() < 1e-3
    assert np.abs(confidence - whole).max() < 1e-5


def test_a_second_run_gives_the_same_bits_and_so_do_blocks() -> None:
    sound = speech()
    first, again = swift_frames(sound), swift_frames(sound)
    blocks = swift_frames(sound[start : start + 7777] for start in range(0, len(sound), 7777))
    for other in (again, blocks):
        assert np.array_equal(first.f0_hz, other.f0_hz)
        assert np.array_equal(first.confidence, other.confidence)


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 255, 256, 257, 8000])
def test_silence_of_any_length_is_unvoiced(n_samples: int) -> None:
    found = swift_frames(np.zeros(n_samples, np.float32))
    assert found.f0_hz.shape == found.confidence.shape == (n_samples // 160 + 1,)
    assert not found.f0_hz.any()


def test_a_soft_sound_has_the_pitch_of_a_loud_one() -> None:
    loud = swift_frames(speech()).f0_hz
    soft = swift_frames(speech() * np.float32(10 ** (-50 / 20))).f0_hz
    assert ((loud > 0) == (soft > 0)).mean() > 0.99


@pytest.mark.parametrize("f0_hz", [55.0, 110.0, 440.0, 1046.5, 1568.0, 1975.5])
def test_tones_from_bass_to_whistle_are_found(f0_hz: float) -> None:
    found = swift_frames(tone(f0_hz)).f0_hz[5:-5]
    assert np.abs(1200 * np.log2(found / f0_hz)).max() < 25


def test_a_glide_is_on_time_and_a_leap_is_no_line() -> None:
    f0_hz = 220 * 2 ** (TIME_S * 0.8)
    glide = np.sin(2 * np.pi * np.cumsum(f0_hz) / RATE_HZ).astype(np.float32)
    cents = 1200 * np.log2(swift_frames(glide).f0_hz[10:190] / f0_hz[::160][10:190])
    assert abs(np.median(cents)) < 2.4  # 2.5 ms
    leap = swift_frames(np.concatenate((tone(220), tone(440)))).f0_hz
    voiced = leap[leap > 0]
    assert len(voiced) > 190
    assert (np.minimum(abs(voiced - 220), abs(voiced - 440)) < 12).all()


def test_voiced_stretches_grow_while_the_network_is_not_sure_and_the_pitch_is_near() -> None:
    sure = np.array([0.1, 0.4, 0.4, 0.9, 0.9, 0.4, 0.4, 0.2], np.float32)
    hz = np.array([200, 200, 200, 200, 200, 200, 400, 200], np.float32)
    assert voiced_frames(hz, sure).tolist() == [False, True, True, True, True, True, False, False]
    assert voiced_frames(hz, sure, strict=True).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    long = np.full(40, 0.4, np.float32)
    long[20] = 0.9
    assert np.flatnonzero(voiced_frames(np.full(40, 200, np.float32), long)).tolist() == list(
        range(12, 29)
    )


def test_between_frames_of_16_ms_the_pitch_is_a_line_and_the_nearer_frame_decides() -> None:
    hz = np.array([200, 210, 420, 100], np.float32)
    voiced = np.array([True, True, True, False])
    found = at_ten_ms(hz, np.ones(4, np.float32), voiced, 6).f0_hz
    line = 200 * (210 / 200) ** 0.625
    assert found == pytest.approx([200, line, 210, 420, 420, 0], rel=1e-5)


def test_a_range_looks_past_a_higher_peak_outside_it() -> None:
    assert swift_frames(tone(110), f0_min_hz=200.0).f0_hz.max() == 0
    assert swift_frames(tone(880), f0_max_hz=400.0).f0_hz.max() == 0
    assert (swift_frames(tone(300), f0_min_hz=200.0, f0_max_hz=400.0).f0_hz[5:-5] > 0).all()
    assert swift_frames(tone(300), f0_min_hz=300.1, f0_max_hz=300.2).f0_hz.max() == 0


def test_it_can_be_stopped_between_windows() -> None:
    shares: list[float] = []

    def stop_at_the_third(share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise ConversionCancelled

    sound = np.tile(speech(), 5)
    with pytest.raises(ConversionCancelled):
        swift_frames(sound, pause=stop_at_the_third)
    assert shares == [k * WINDOW_FRAMES / (len(sound) // 256 + 1) for k in range(3)]


def test_with_nothing_downloaded_it_is_the_automatic_method(tmp_path: Path) -> None:
    assert choose_method("auto", tmp_path).name == "swift"
    (tmp_path / "rmvpe.pt").write_bytes(b"weights")
    assert choose_method("auto", tmp_path).name == "rmvpe"


def test_it_stays_on_the_cpu_where_the_rest_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = write_small_set(tmp_path)
    give_second_device(monkeypatch)
    heard: list[torch.device] = []
    plain = swift.swift_tracker

    def noting(context: TrackerContext) -> PitchTracker:
        track = plain(context)

        def noted(audio: torch.Tensor) -> torch.Tensor:
            heard.append(audio.device)
            assert context.device == "cpu"
            return track(audio)

        return noted

    monkeypatch.setattr(swift, "swift_tracker", noting)
    converter = Converter(
        small.models_dir, OptimizationConfig(device="cpu"), tuning_dir=tmp_path / "tuning"
    )
    result = converter.convert(
        tone(220), RATE_HZ, small.voice, ConversionOptions(pitch_method="swift")
    )
    assert result.samples is not None
    assert heard == [torch.device("cpu")]
    # Nothing was asked of the device about the pitch either.
    assert "pitch" not in {found.part for found in converter.first_use.findings()}


def test_a_lost_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"swift\.safetensors.*install this program again"):
        load_swift(tmp_path / "swift.safetensors")
