"""A voice whose content encoder is a Whisper, through the whole conversion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from engine import ConversionOptions, Converter, OptimizationConfig, segments
from engine.models.whisper import BandLevels, WhisperEncoder
from engine.pipeline import Region
from engine.stage_cache import StageCache
from tests.engine.small_set import SmallSet, write_small_set

RATE_HZ = 16_000
OPTIONS = ConversionOptions(subtype="float", pitch_method="yin", effects={"gain_db": -6.0})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("whisper"), whisper=True)


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_PIECE_FRAMES", 450)
    monkeypatch.setattr(segments, "CUT_EVERY_FRAMES", 400)
    monkeypatch.setattr(segments, "CUT_SEARCH_FRAMES", 50)


def source() -> np.ndarray:
    """Ten seconds, loud at first, then 40 dB softer."""
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 180 * k * time_s) / k for k in range(1, 9))
    swell = 0.2 + 0.1 * np.sin(2 * np.pi * 0.7 * time_s)
    return (voice * swell * np.where(time_s < 5, 1.0, 0.01)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.wav"
    soundfile.write(path, source(), RATE_HZ, "FLOAT")
    return path


def converter_of(small: SmallSet, cache: StageCache | None = None) -> Converter:
    return Converter(small.models_dir, OptimizationConfig(device="cpu"), cache=cache)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What the encoder is told of the source, call by call."""
    levels: list[torch.Tensor] = []
    plain = WhisperEncoder.forward

    def spy(self: WhisperEncoder, audio: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
        levels.append(named["loudest"])
        return plain(self, audio, *rest, **named)

    monkeypatch.setattr(WhisperEncoder, "forward", spy)
    return levels


@pytest.mark.usefixtures("in_pieces")
def test_every_piece_is_told_how_loud_the_whole_source_gets(
    small: SmallSet, given: list[torch.Tensor]
) -> None:
    converter_of(small).convert(source(), RATE_HZ, small.voice, OPTIONS)
    told = torch.cat(given)
    assert len(told) > 1
    assert (told == told[0]).all()
    loud = BandLevels(20).loudest(source()[None, : 5 * RATE_HZ])
    assert float(told[0]) == pytest.approx(loud, abs=0.1)


@pytest.mark.usefixtures("in_pieces")
def test_a_stretch_has_the_samples_of_the_whole(small: SmallSet, file: Path) -> None:
    converter = converter_of(small)
    whole = converter.convert(source(), RATE_HZ, small.voice, OPTIONS)
    assert whole.samples is not None
    for start_s, stop_s in ((0.0, 1.0), (6.2, 7.7)):
        cut = converter.convert_region(file, Region(start_s, stop_s), small.voice, OPTIONS)
        expected = whole.samples[round(start_s * cut.rate_hz) : round(stop_s * cut.rate_hz)]
        assert cut.samples is not None
        np.testing.assert_allclose(cut.samples, expected, atol=2e-6)


def test_another_take_needs_no_features_again(
    small: SmallSet, file: Path, given: list[torch.Tensor]
) -> None:
    converter = converter_of(small, StageCache())
    converter.convert_region(file, Region(1.0, 2.0), small.voice, OPTIONS)
    assert len(given) == 1
    other = replace(OPTIONS, semitones=4.0)
    result = converter.convert_region(file, Region(1.0, 2.0), small.voice, other)
    assert len(given) == 1
    assert not {"filter", "content"} & set(result.stage_s)


def test_a_source_of_a_few_samples_is_converted(small: SmallSet) -> None:
    result = converter_of(small).convert(source()[:100], RATE_HZ, small.voice, OPTIONS)
    assert result.samples is not None
    assert np.isfinite(result.samples).all()


def test_a_silent_source_stays_silent(small: SmallSet) -> None:
    silence = np.zeros(RATE_HZ, np.float32)
    result = converter_of(small).convert(silence, RATE_HZ, small.voice, OPTIONS)
    assert result.samples is not None
    assert not result.samples.any()
