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
from engine.analysis import AnalysisSignal
from engine.errors import AudioFileError, OptionError
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


def converter_of(small: SmallSet, cache: StageCache | None = None, **flags: Any) -> Converter:
    config = OptimizationConfig(device="cpu", **{"tile_frames": 100, **flags})
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
    ("name", "pieces", "tile_frames"),
    [("plain", 1, 100), ("plain", 2, 100), ("plain", 2, 0), ("dynamics", 1, 100), ("all", 2, 100)],
)
def test_a_stretch_has_the_samples_of_the_whole(
    small: SmallSet,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    pieces: int,
    tile_frames: int,
) -> None:
    if pieces > 1:
        monkeypatch.setattr(segments, "MAX_PIECE_FRAMES", 450)
        monkeypatch.setattr(segments, "CUT_EVERY_FRAMES", 400)
        monkeypatch.setattr(segments, "CUT_SEARCH_FRAMES", 50)
    options = OPTIONS[name]
    converter = converter_of(small, StageCache(), tile_frames=tile_frames)
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


@pytest.mark.parametrize("buckets", [False, True])
def test_of_a_tile_only_the_stretch_is_synthesised_where_lengths_may_vary(
    small: SmallSet, source: Path, monkeypatch: pytest.MonkeyPatch, *, buckets: bool
) -> None:
    made: list[tuple[int, int]] = []
    vocode = Synthesizer.vocode

    def counted(self: Synthesizer, z: torch.Tensor, *rest: Any) -> torch.Tensor:
        made.append((z.shape[-1], self.receptive_field_frames()))
        return vocode(self, z, *rest)

    monkeypatch.setattr(Synthesizer, "vocode", counted)
    converter = converter_of(small, tile_frames=0, use_shape_buckets=buckets)
    converter.convert_region(source, Region(4.0, 5.0), small.voice)
    ((frames, reach),) = made
    if buckets:
        assert frames >= SECONDS * segments.FRAMES_PER_SECOND
    else:
        assert 120 <= frames - 2 * reach <= 122  # a tenth of a second on both sides


def test_the_next_stretch_needs_no_stage_again(small: SmallSet, source: Path) -> None:
    converter = converter_of(small, StageCache())
    converter.convert_region(source, Region(2.0, 3.0), small.voice)
    other = ConversionOptions(semitones=5.0, index_rate=0.3)
    result = converter.convert_region(source, Region(2.0, 3.0), small.voice, other)
    assert not {"decode", "filter", "pitch", "content"} & set(result.stage_s)
    assert result.source_s == pytest.approx(SECONDS)


@pytest.mark.parametrize("excerpt", [None, Region(20.0, 30.0)])
def test_a_stretch_beyond_the_end_is_refused(
    small: SmallSet, source: Path, excerpt: Region | None
) -> None:
    with pytest.raises(OptionError, match="ends before"):
        converter_of(small).convert_region(source, Region(20.0, 30.0), small.voice, excerpt=excerpt)


LONG_S = 100
EXCERPT = Region(50.5, 58.5)
READ_S = 46, 62.5
"""What is read for it."""


@pytest.fixture(scope="module")
def long_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whoever reads it to its end refuses it, or from its beginning finds it too loud."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    time_s = np.arange(LONG_S * RATE_HZ) / RATE_HZ
    voice = np.sin(2 * np.pi * (180 + time_s) * time_s) * 0.2
    voice[: 40 * RATE_HZ] *= 30
    voice[70 * RATE_HZ :] = np.nan
    soundfile.write(path, np.stack([voice, 0.4 * voice], 1), RATE_HZ, "FLOAT")
    return path


def test_an_excerpt_sounds_as_if_it_were_a_file_of_its_own(
    small: SmallSet, long_source: Path, tmp_path: Path
) -> None:
    options, converter = OPTIONS["all"], converter_of(small, StageCache())
    samples, _ = soundfile.read(long_source, dtype="float32")
    cut = tmp_path / "cut.wav"
    start, stop = (round(each * RATE_HZ) for each in READ_S)
    soundfile.write(cut, samples[start:stop], RATE_HZ, "FLOAT")
    for start_s, stop_s in ((50.5, 52.5), (52.5, 58.5)):
        region = Region(start_s, stop_s)
        part = converter.convert_region(long_source, region, small.voice, options, excerpt=EXCERPT)
        expected = converter.convert_region(cut, region.earlier(READ_S[0]), small.voice, options)
        assert part.samples is not None
        assert part.samples.shape == (round((stop_s - start_s) * part.rate_hz), 2)
        np.testing.assert_array_equal(part.samples, expected.samples)
        assert part.source_s == pytest.approx(READ_S[1])
    with pytest.raises(AudioFileError, match="not sound"):
        converter.convert_region(long_source, region, small.voice, options)


def test_no_stage_hears_more_of_a_long_source_than_its_excerpt(
    small: SmallSet, long_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    high_pass = AnalysisSignal.high_pass

    def counted(self: AnalysisSignal, *rest: Any) -> None:
        heard.append(len(self))
        high_pass(self, *rest)

    monkeypatch.setattr(AnalysisSignal, "high_pass", counted)
    converter = converter_of(small, StageCache())
    first = converter.convert_region(long_source, EXCERPT, small.voice, excerpt=EXCERPT)
    read_s = READ_S[1] - READ_S[0]
    assert heard == [round(read_s * segments.ANALYSIS_RATE_HZ)]
    assert {"decode", "pitch", "content"} <= set(first.stage_s)
    assert first.f0_hz is not None
    assert len(first.f0_hz) == round(read_s * segments.FRAMES_PER_SECOND)
    other = ConversionOptions(semitones=5.0, index_rate=0.3)
    again = converter.convert_region(long_source, EXCERPT, small.voice, other, excerpt=EXCERPT)
    assert not {"decode", "filter", "pitch", "content"} & set(again.stage_s)


def test_an_excerpt_may_begin_before_and_end_after_its_file(small: SmallSet, source: Path) -> None:
    converter, region = converter_of(small), Region(1.0, 2.0)
    whole = converter.convert_region(source, region, small.voice)
    part = converter.convert_region(source, region, small.voice, excerpt=Region(0.5, 30.0))
    np.testing.assert_array_equal(part.samples, whole.samples)
    assert part.source_s == whole.source_s


def test_a_pitch_curve_keeps_its_place_in_an_excerpt(
    small: SmallSet, source: Path, tmp_path: Path
) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("0,110\n6.9,110\n7,330\n9.3,330\n")
    options, region = ConversionOptions(f0_file=curve), Region(7.0, 8.0)
    converter = converter_of(small)
    whole = converter.convert_region(source, region, small.voice, options)
    part = converter.convert_region(source, region, small.voice, options, excerpt=region)
    np.testing.assert_array_equal(part.samples, whole.samples)


@pytest.mark.parametrize(
    ("start_s", "stop_s"), [(2.0, 1.0), (1.0, 1.0), (-2.0, -1.0), (math.nan, 1)]
)
def test_a_stretch_ends_after_it_begins(start_s: float, stop_s: float) -> None:
    with pytest.raises(ValueError, match="end after it begins"):
        Region(start_s, stop_s)
