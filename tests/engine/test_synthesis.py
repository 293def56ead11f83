"""Windows keep their place, and the options reach the networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.models.synthesizer import Synthesizer
from engine.pitch.contour import pitch_contour
from engine.progress import PerformanceProfiler
from engine.run import Run
from engine.segments import CONTEXT_FRAMES
from engine.stages import Placement
from tests.engine.small_set import SmallSet
from tests.sound import signal_to_error_db


def _converter(small: SmallSet, **flags: object) -> Converter:
    return Converter(small.models_dir, OptimizationConfig(device="cpu", **flags))  # type: ignore[arg-type]


def _tone_and_hiss(seconds: float, seed: int) -> np.ndarray:
    """A sung tone that stops now and then for unvoiced noise, float32 [n, 2]."""
    rng = np.random.default_rng(seed)
    n = int(seconds * 16_000)
    tone = 0.3 * np.sin(2 * np.pi * (180 + 20 * seed) * np.arange(n) / 16_000)
    voiced = (np.arange(n) // 8_000) % 2 == 0
    mono = np.where(voiced, tone, 0.1 * rng.standard_normal(n))
    return np.stack([mono, 0.5 * np.roll(mono, 100)], axis=1).astype(np.float32)


def test_buckets_do_not_shift_sound_in_files_of_several_pieces(small: SmallSet) -> None:
    """Longer windows see more context; what they give lies at the same place."""
    samples = _tone_and_hiss(60.0, 1)
    options = ConversionOptions(index_rate=0)
    plain, buckets = (
        _converter(small, use_shape_buckets=on, skip_silence=skip)
        .convert(samples, 16_000, small.voice, options)
        .samples
        for on, skip in ((False, False), (True, True))
    )
    assert plain is not None
    assert buckets is not None
    level_db = signal_to_error_db(plain, buckets)
    assert level_db > 15
    assert signal_to_error_db(plain[:-1], buckets[1:]) < level_db - 5


def test_protect_gives_unvoiced_frames_their_own_features_back(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[torch.Tensor] = []
    plain = Synthesizer.prior

    def spy(self: Synthesizer, phone: torch.Tensor, coarse: torch.Tensor | None) -> object:
        heard.append(phone)
        return plain(self, phone, coarse)

    monkeypatch.setattr(Synthesizer, "prior", spy)
    converter = _converter(small, skip_silence=False)
    samples = _tone_and_hiss(4.0, 1)[:, :1]
    for index_rate, protect in ((0.0, 0.5), (1.0, 0.5), (1.0, 0.25)):
        options = ConversionOptions(index_rate=index_rate, protect=protect, pitch_method="yin")
        converter.convert(samples, 16_000, small.voice, options)
    own, retrieved, mixed = heard
    tracker = converter._store._tracker  # the same method as in the conversions
    run = Run(PerformanceProfiler(), Placement())
    padded = torch.from_numpy(np.pad(samples[:, 0], 16_000, mode="reflect"))
    f0_hz = tracker(run, ConversionOptions(pitch_method="yin"), "cpu")(padded).numpy()
    unvoiced = torch.from_numpy(f0_hz[: own.shape[1]] < 1)
    inner = slice(150, 450)
    assert 50 < int(unvoiced[inner].sum()) < 250
    expected = torch.where(unvoiced[None, :, None], 0.25 * retrieved + 0.75 * own, retrieved)
    agreeing = (mixed - expected).abs().amax(2)[0] < 1e-4
    # The high-pass before the tracker may move the border of a voiced stretch by a frame.
    assert float(agreeing[inner].float().mean()) > 0.95
    assert not torch.allclose(mixed, retrieved)


def test_autotune_comes_before_the_shift_so_that_the_shift_is_kept() -> None:
    options = ConversionOptions(semitones=0.3, autotune=1.0)
    contour = pitch_contour(torch.full((300,), 445.0), 100, 300, options)
    assert contour.f0_hz == pytest.approx(440.0 * 2 ** (0.3 / 12), rel=1e-5)


def test_a_pitch_curve_starts_with_the_source_not_with_its_context(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("0,100\n0.49,100\n0.5,200\n2,200\n")
    contour = pitch_contour(None, 100, 300, ConversionOptions(f0_file=curve))
    inner = contour.f0_hz[CONTEXT_FRAMES : CONTEXT_FRAMES + 100]
    assert np.all(inner[:50] == 100)
    assert np.all(inner[50:] == 200)


def test_the_pitch_of_a_stereo_source_is_that_of_its_middle(small: SmallSet) -> None:
    """Silence on the left: tracked there alone, nothing would be voiced."""
    tone = 0.4 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000).astype(np.float32)
    left_silent = np.stack([np.zeros_like(tone), tone], axis=1)
    options = ConversionOptions(stereo=True, noise=False, index_rate=0)
    converter = _converter(small, skip_silence=False)
    middle, mono = (
        converter.convert(samples, 16_000, small.voice, options).samples
        for samples in (left_silent, tone)
    )
    assert middle is not None
    assert mono is not None
    assert signal_to_error_db(mono[:, 0], middle[:, 1]) > 60


def test_the_channels_of_a_surround_recording_are_all_heard(small: SmallSet) -> None:
    voice = _tone_and_hiss(1.0, 2)[:, 0]
    centre_only = np.zeros((len(voice), 6), np.float32)
    centre_only[:, 2] = voice
    result = _converter(small).convert(
        centre_only, 16_000, small.voice, ConversionOptions(stereo=True)
    )
    assert result.samples is not None
    assert result.samples.shape[1] == 2
    assert np.all(np.abs(result.samples).max(0) > 0)


def test_a_quiet_source_is_not_skipped_as_silence(small: SmallSet) -> None:
    samples = _tone_and_hiss(4.0, 1)[:, 0]
    converter = _converter(small)
    for gain in (1.0, 1e-3, 1e-5):
        result = converter.convert(np.float32(gain) * samples, 16_000, small.voice)
        assert result.samples is not None
        assert np.mean(np.abs(result.samples) > 0) > 0.95


def test_a_batch_that_fails_half_way_is_not_added_twice(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.synthesis import Synthesis

    plain = Synthesis._sound
    refusals = iter([True, False, False])

    def tight(self: Synthesis, batch: list[object]) -> object:
        made = plain(self, batch)  # type: ignore[arg-type]
        if next(refusals):
            raise MemoryError
        return made

    samples = _tone_and_hiss(75.0, 1)
    expected, found = (_converter(small, batch_size=2, use_shape_buckets=True) for _ in range(2))
    whole = expected.convert(samples, 16_000, small.voice).samples
    monkeypatch.setattr(Synthesis, "_sound", tight)
    halves = found.convert(samples, 16_000, small.voice).samples
    assert list(refusals) == []
    assert whole is not None
    assert halves is not None
    assert signal_to_error_db(whole, halves) > 80
