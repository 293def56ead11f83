"""Options refuse what makes no sense, in a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OptionError
from engine.optimization import FLAGS, OptimizationConfig
from engine.option import Option, parse_switch
from engine.options import OPTIONS, ConversionOptions, ConversionResult, all_options


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
        ("f0_min_hz", 1500),
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


def test_every_option_has_a_title_a_help_line_and_a_default_that_is_allowed() -> None:
    for each in (*all_options(), *FLAGS):
        assert str(each.title)
        assert str(each.help).endswith("."), each.name
        each.require(each.default)
    fields = {field.name for field in dataclasses.fields(ConversionOptions)} - {"effects"}
    assert {each.name for each in OPTIONS} == fields
    assert [each.name for each in FLAGS] == [e.name for e in dataclasses.fields(OptimizationConfig)]


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    for each in (*OPTIONS, *FLAGS):
        with pytest.raises(OptionError):
            each.require([1])


def test_the_summary_names_everything_that_differs_from_the_defaults() -> None:
    options = ConversionOptions(
        semitones=-12, volume_envelope=0.25, noise=False, output_rate_hz=44_100, subtype="24",
        pitch_method="yin", f0_file=Path("folder/curve.csv"), effects={"gain_db": 1.5},
    )  # fmt: skip
    assert [str(each) for each in options.summary()] == [
        "Key −12",
        "Follow source dynamics 75 %",
        "Pitch tracker YIN",
        "Pitch line curve.csv",
        "Random noise off",
        "Sample rate 44100 Hz",
        "Sample format 24-bit",
        "Gain +1.5 dB",
    ]
    assert ConversionOptions().summary() == []
    assert str(ConversionOptions().summary(options)[0]) == "Key 0"


def test_a_record_gives_the_same_options_and_unknown_values_are_ignored() -> None:
    options = ConversionOptions(semitones=2.5, f0_file=Path("curve.csv"), effects={"gain_db": -3.0})
    record = json.loads(json.dumps(options.to_record()))
    assert ConversionOptions.from_record(record) == options
    assert ConversionOptions.from_record({**record, "protect": 17, "gone": 1}) == options
    assert ConversionOptions.from_record("nonsense") == ConversionOptions()


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.percent], ids=lambda o: o.name)
def test_a_number_shown_as_per_cent_is_read_back_exactly(option: Option) -> None:
    for value in (option.low, 0.07, 0.33, option.high):
        assert option.from_shown(option.to_shown(value)) == value


@pytest.mark.parametrize("text", ["on", "ON", "true", "1", "yes"])
def test_switches_are_read_alike_everywhere(text: str) -> None:
    assert parse_switch(text) is True


def test_options_cannot_be_changed_after_queueing() -> None:
    options = ConversionOptions(semitones=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.semitones = 4  # type: ignore[misc]


def test_realtime_factor_is_sound_per_second() -> None:
    result = ConversionResult(
        samples=None, output_path=None, rate_hz=40_000, source_s=60.0, taken_s=15.0
    )
    assert result.realtime_factor == 4.0
