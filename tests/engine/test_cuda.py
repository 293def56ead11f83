"""Where there is a CUDA GPU: the reference's sound, few transfers, batches that change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.retrieval.search import ExactSearch
from tests.engine.small_set import SmallSet
from tests.engine.test_parity import CASES, level_against_the_reference_db
from tests.sound import signal_to_error_db

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

PLAIN = replace(
    OptimizationConfig.for_nvidia_gpu(),
    use_gpu_retrieval=False,
    use_fp16=False,
    use_shape_buckets=False,
)


@pytest.fixture(scope="module", params=["float32", "float16"])
def converter(request: pytest.FixtureRequest, full_models_dir: Path) -> Converter:
    return Converter(full_models_dir, replace(PLAIN, use_fp16=request.param == "float16"))


@pytest.mark.parametrize("case", CASES)
def test_a_whole_conversion_equals_the_reference(
    case: str, converter: Converter, full_voice: Callable[[str], Path]
) -> None:
    level_db = level_against_the_reference_db(case, converter, full_voice)
    half = converter.optimization.use_fp16
    print(f"{case}: {'float16' if half else 'float32'} {level_db:.1f} dB")
    assert level_db >= (25 if half else 60)


def tone(seconds: float) -> np.ndarray:
    times_s = np.arange(round(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * 180 * times_s)).astype(np.float32)


def test_sound_comes_back_once_a_tile_and_nothing_else(small: SmallSet, tmp_path: Path) -> None:
    config = replace(PLAIN, use_gpu_retrieval=True, tile_frames=400)
    curve = tmp_path / "curve.csv"  # a tracker without weights does its last steps on the host
    curve.write_text("0,200\n10,300\n")
    converter = Converter(small.models_dir, config)
    options = ConversionOptions(noise=False, f0_file=curve)
    converter.convert(tone(8.0), 16_000, small.voice, options)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        converter.convert(tone(8.0), 16_000, small.voice, options)
    copies = Counter(event.name for event in profile.events() if "Memcpy" in event.name)
    print(copies)
    downloads = sum(count for name, count in copies.items() if "DtoH" in name)
    assert downloads == 1 + 2  # what was filtered; two tiles of sound


@pytest.mark.parametrize("batch", [2, 4])
def test_batches_change_nothing(small: SmallSet, batch: int) -> None:
    options = ConversionOptions(noise=False)
    expected, found = (
        Converter(small.models_dir, replace(PLAIN, batch_size=size, use_shape_buckets=True))
        .convert(tone(160.0), 16_000, small.voice, options)
        .samples
        for size in (1, batch)
    )
    assert expected is not None
    assert found is not None
    assert signal_to_error_db(expected, found) > 60


def test_retrieval_finds_what_the_processor_finds() -> None:
    rows = np.random.default_rng(0).standard_normal((30_000, 768)).astype(np.float32)
    features = torch.from_numpy(rows[:1000] + 0.3)
    expected = ExactSearch(rows, "cpu").blend(features)
    found = ExactSearch(rows, "cuda").blend(features.cuda()).cpu()
    assert signal_to_error_db(expected.numpy(), found.numpy()) > 80
