"""A stretch alone sounds as the same stretch of the whole."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from engine import ConversionOptions, Converter, OptimizationConfig, segments
from engine.errors import OptionError
from engine.models.synthesizer import Synthesizer
from engine.pipeline import Region
from engine.stage_cache import StageCache
from tests.engine.small_set import SmallSet

RATE_HZ = 44_100
SECONDS = 9.3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.wav"
    time_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    voice = np.sin(2 * np.pi * 220 * time_s) * (0.15 + 0.1 * np.sin(2 * np.pi * 0.4 * time_s))
    voice[round(6.0 * RATE_HZ) : round(6.6 * RATE_HZ)] = 0
    soundfile.write(path, np.stack([voice, 0.4 * voice], 1), RATE_HZ, "FLOAT")
    return path


def converter_of(small: SmallSet, cache: StageCache | None = None) -> Converter:
    config = OptimizationConfig(device="cpu", tile_frames=100)
    return Converter(small.models_dir, config, cache=cache)


QUIETER = {"gain_db": -6.0}  # far from the peak limit, which knows the stretch alone
OPTIONS = {
    "plain": ConversionOptions(subtype="float", effects=QUIETER),
    "dynamics": ConversionOptions(subtype="float", volume_envelope=0.3, effects=QUIETER),
    "all": ConversionOptions(
        subtype="float",
        stereo=True,
        volume_envelope=0.5,
        output_rate_hz=22_050,
        semitones=3,
        effects=QUIETER,
    ),
}


@pytest.mark.parametrize(
    ("name", "pieces"),
    [("plain", 1), ("plain", 2), ("dynamics", 1), ("all", 2)],
)
def test_a_stretch_has_the_samples_of_the_whole(
    small: SmallSet,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    pieces: int,
) -> None:
    if pieces > 1:
        monkeypatch.setattr(segments, "MAX_PIECE_FRAMES", 450)
        monkeypatch.setattr(segments, "CUT_EVERY_FRAMES", 400)
        monkeypatch.setattr(segments, "CUT_SEARCH_FRAMES", 50)
    options, converter = OPTIONS[name], converter_of(small, StageCache())
    result = converter.convert_file(source, small.voice, options, output_dir=tmp_path)
    assert result.output_path is not None
    whole, rate_hz = soundfile.read(result.output_path, dtype="float32")
    for start_s, stop_s in ((0.0, 1.0), (3.7, 5.21), (5.9, 7.0), (8.0, math.inf)):
        part = converter.convert_region(source, Region(start_s, stop_s), small.voice, options)
        stop = len(whole) if stop_s == math.inf else round(stop_s * rate_hz)
        expected = whole[round(start_s * rate_hz) : stop]
        assert part.samples is not None
        assert part.rate_hz == rate_hz
        assert part.samples.shape == expected.shape
        np.testing.assert_allclose(part.samples, expected, atol=2e-6)


def test_only_the_stretch_is_synthesised(
    small: SmallSet, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[int] = []
    vocode = Synthesizer.vocode

    def counted(self: Synthesizer, z: torch.Tensor, *rest: Any) -> torch.Tensor:
        frames.append(z.shape[-1])
        return vocode(self, z, *rest)

    monkeypatch.setattr(Synthesizer, "vocode", counted)
    converter_of(small).convert_region(source, Region(4.0, 5.0), small.voice)
    tile = max(frames)
    assert len(frames) <= 3
    assert sum(frames) <= 3 * tile < SECONDS * 100


def test_the_next_stretch_needs_no_stage_again(small: SmallSet, source: Path) -> None:
    converter = converter_of(small, StageCache())
    converter.convert_region(source, Region(2.0, 3.0), small.voice)
    other = ConversionOptions(semitones=5.0, index_rate=0.3)
    result = converter.convert_region(source, Region(2.0, 3.0), small.voice, other)
    assert not {"decode", "filter", "pitch", "content"} & set(result.stage_s)
    assert result.source_s == pytest.approx(SECONDS)


def test_a_stretch_beyond_the_end_is_refused(small: SmallSet, source: Path) -> None:
    with pytest.raises(OptionError, match="ends before"):
        converter_of(small).convert_region(source, Region(20.0, 30.0), small.voice)


@pytest.mark.parametrize(
    ("start_s", "stop_s"), [(2.0, 1.0), (1.0, 1.0), (-2.0, -1.0), (math.nan, 1)]
)
def test_a_stretch_ends_after_it_begins(start_s: float, stop_s: float) -> None:
    with pytest.raises(ValueError, match="end after it begins"):
        Region(start_s, stop_s)
