"""Options refuse what makes no sense, in a sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine.errors import OptionError
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions, ConversionResult


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("semitones", 37),
        ("semitones", float("nan")),
        ("index_rate", -0.1),
        ("index_rate", 1.1),
        ("protect", 0.6),
        ("volume_envelope", 2),
        ("autotune", 1.5),
        ("speaker", -1),
        ("seed", -1),
        ("output_rate_hz", 100),
        ("f0_min_hz", 1000),
        ("f0_max_hz", 60),
        ("pitch_method", "crepe"),
        ("file_format", "wma"),
        ("subtype", "8"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_sentence(field: str, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        ConversionOptions(**{field: value})
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(OptionError, match="toaster"):
        OptimizationConfig(device="toaster")  # type: ignore[arg-type]


def test_options_cannot_be_changed_after_queueing() -> None:
    options = ConversionOptions(semitones=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.semitones = 4  # type: ignore[misc]


def test_realtime_factor_is_sound_per_second() -> None:
    result = ConversionResult(
        samples=None, output_path=None, rate_hz=40_000, source_s=60.0, taken_s=15.0
    )
    assert result.realtime_factor == 4.0
