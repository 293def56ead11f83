"""Whole conversions equal those of the reference implementation (tests/data/golden)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from engine import ConversionOptions, Converter, OptimizationConfig, VoiceFiles
from engine import device as devices
from engine.audio.source import Sound
from engine.stage_cache import StageCache
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
    """The plain way, and the preset of a CPU."""
    plain = request.param == "plain"
    config = OptimizationConfig.baseline() if plain else OptimizationConfig.for_cpu()
    return Converter(full_models_dir, config, cache=StageCache())


def level_against_the_reference_db(
    case: str, converter: Converter, full_voice: Callable[[str], Path]
) -> float:
    """Convert a golden case without noise; how far above the difference its sound is."""
    golden = np.load(GOLDEN / f"{case}.npz")
    settings = json.loads(str(golden["settings"]))
    index = GOLDEN / f"{case}.index"
    # Sources are equal, so that pitch and content are computed once for all voices that hear alike.
    made, result = converter.convert_sound(
        Sound.of(golden["audio"], 16_000),
        VoiceFiles(full_voice(settings["voice"]), index if index.exists() else None),
        ConversionOptions(
            semitones=settings["pitch"],
            index_rate=settings["index_rate"],
            protect=settings["protect"],
            pitch_method="rmvpe",
            noise=False,
        ),
        key=(golden["audio"].tobytes(),),
    )
    assert result.rate_hz == settings["sr"]
    assert len(made) == len(golden["audio"]) * settings["sr"] // 16_000
    # The reference ends 20 ms early, a fault of its own.
    return signal_to_error_db(golden["out"], made.read(0, len(golden["out"]))[:, 0])


@pytest.mark.parametrize("case", CASES)
def test_a_whole_conversion_equals_the_reference(
    case: str, converter: Converter, full_voice: Callable[[str], Path]
) -> None:
    assert level_against_the_reference_db(case, converter, full_voice) >= 60


@pytest.fixture(scope="module")
def half_converter(full_models_dir: Path) -> Converter:
    if devices.half_type("cpu") is None:
        pytest.skip("this processor has no 16-bit arithmetic")
    config = replace(OptimizationConfig.for_cpu(), use_fp16=True)
    return Converter(full_models_dir, config, cache=StageCache())


@pytest.mark.parametrize("case", CASES)
def test_half_precision_sounds_the_same(
    case: str, half_converter: Converter, full_voice: Callable[[str], Path]
) -> None:
    level_db = level_against_the_reference_db(case, half_converter, full_voice)
    print(f"{case}: {level_db:.1f} dB")
    assert 20 < level_db < 60


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mlx") is None, reason="MLX is not installed")
def test_a_whole_conversion_by_mlx_equals_the_reference(
    full_models_dir: Path, full_voice: Callable[[str], Path]
) -> None:
    config = replace(OptimizationConfig.for_cpu(), backend="mlx")
    converter = Converter(full_models_dir, config, examine_device=False)
    level_db = level_against_the_reference_db("v2_40k", converter, full_voice)
    print(f"v2_40k by MLX: {level_db:.1f} dB")
    assert level_db >= 60
