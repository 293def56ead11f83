"""Whole conversions equal those of the reference implementation (tests/data/golden)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import ConversionOptions, Converter, OptimizationConfig, VoiceFiles
from tests.sound import signal_to_error_db
from tests.weights_maker import GOLDEN

CASES = (
    "v2_40k",
    "v1_32k_down7",
    "v2_32k_nof0",
    "v2_48k_up5",
    "v2_48k_mrf",
    "v2_40k_refinegan",
)


@pytest.fixture(scope="module", params=["plain", "fast"])
def converter(request: pytest.FixtureRequest, full_models_dir: Path) -> Converter:
    """The plain way, and the way a CPU goes; both search as the reference did: faiss, as stored."""
    plain = request.param == "plain"
    config = OptimizationConfig.baseline() if plain else OptimizationConfig.for_cpu()
    return Converter(full_models_dir, replace(config, use_gpu_retrieval=False))


@pytest.mark.parametrize("case", CASES)
def test_a_whole_conversion_equals_the_reference(
    case: str, converter: Converter, full_voice: Callable[[str], Path]
) -> None:
    golden = np.load(GOLDEN / f"{case}.npz")
    settings = json.loads(str(golden["settings"]))
    index = GOLDEN / f"{case}.index"
    result = converter.convert(
        golden["audio"],
        16_000,
        VoiceFiles(full_voice(settings["voice"]), index if index.exists() else None),
        ConversionOptions(
            semitones=settings["pitch"],
            index_rate=settings["index_rate"],
            protect=settings["protect"],
            pitch_method="rmvpe",
            noise=False,
        ),
    )
    assert result.samples is not None
    assert result.rate_hz == settings["sr"]
    assert len(result.samples) == len(golden["audio"]) * settings["sr"] // 16_000
    # The reference ends 20 ms early, a fault of its own.
    level_db = signal_to_error_db(golden["out"], result.samples[: len(golden["out"])])
    assert level_db >= 60
