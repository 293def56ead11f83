"""An effect is one file in `engine.effects`; here a toy one, and those that ship."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import engine.effects
from engine import ConversionOptions, Converter, OptimizationConfig
from engine.cli import main
from engine.errors import OptionError
from engine.options import all_options
from engine.paths import starter_dir
from tests.engine.small_set import SmallSet
from tests.sound import signal_to_error_db

RATE_HZ = 16_000

TOY = """
from engine.errors import Text
from engine.option import Option

WHEN = "before"
OPTIONS = (
    Option(name="toy_mute_s", default=0.0, kind="number", title=Text("Mute"), low=0, high=60,
           help=Text("Seconds of silence at the start."), unit=Text("s"), scope="voice"),
)


def process(blocks, rate_hz, values):
    left = round(values["toy_mute_s"] * rate_hz)
    for block in blocks:
        block = block.copy()
        block[:left] = 0
        left = max(0, left - len(block))
        yield block
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One new file, in a folder that belongs to the package from now on."""
    folder = tmp_path / "effects"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(engine.effects, "__path__", [*engine.effects.__path__, str(folder)])
    importlib.invalidate_caches()
    yield
    sys.modules.pop("engine.effects.toy", None)


def sound() -> np.ndarray:
    rng = np.random.default_rng(3)
    return (0.1 * rng.standard_normal((2 * RATE_HZ, 2))).astype(np.float32)


def converted(small: SmallSet, samples: np.ndarray, **options: object) -> np.ndarray:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    asked = ConversionOptions(stereo=True).with_values(options)
    result = converter.convert(samples, RATE_HZ, small.voice, asked)
    assert result.samples is not None
    return result.samples


@pytest.mark.usefixtures("toy")
def test_an_effect_on_the_source_is_heard_in_the_result(small: SmallSet) -> None:
    muted = sound()
    muted[: RATE_HZ // 2] = 0
    np.testing.assert_array_equal(
        converted(small, sound(), toy_mute_s=0.5), converted(small, muted)
    )


@pytest.mark.usefixtures("toy")
def test_an_effect_whose_options_have_their_defaults_changes_nothing(small: SmallSet) -> None:
    np.testing.assert_array_equal(
        converted(small, sound(), toy_mute_s=0.0), converted(small, sound())
    )
    assert ConversionOptions(effects={"toy_mute_s": 0.0}) == ConversionOptions()


@pytest.mark.usefixtures("toy")
def test_its_options_are_in_the_table_in_records_and_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "toy_mute_s" in [each.name for each in all_options()]
    options = ConversionOptions(effects={"toy_mute_s": 1.5})
    assert options.value("toy_mute_s") == 1.5
    assert [str(each) for each in options.summary()] == ["Mute 1.5 s"]
    assert ConversionOptions.from_record(options.to_record()) == options
    with pytest.raises(OptionError, match="Mute"):
        options.with_values({"toy_mute_s": 61.0})
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "--toy-mute-s" in capsys.readouterr().out
    source, out = starter_dir() / "sample.wav", tmp_path / "out.wav"
    asked = ["--toy-mute-s", "0.1", "--models-dir", str(tmp_path), "--device", "cpu"]
    assert main(["convert", str(source), "-o", str(out), *asked]) == 0
    assert out.is_file()


def test_without_its_file_its_option_is_unknown() -> None:
    with pytest.raises(OptionError, match="toy_mute_s"):
        ConversionOptions(effects={"toy_mute_s": 1.0})


def test_gain_makes_the_result_quieter_and_never_louder_than_full_scale(small: SmallSet) -> None:
    plain = converted(small, sound())
    quieter = converted(small, sound(), gain_db=-6.0)
    assert signal_to_error_db(plain * np.float32(10 ** (-6 / 20)), quieter) > 100
    assert np.abs(converted(small, sound(), gain_db=24.0)).max() <= 1.0


@pytest.mark.parametrize("name", [each.name for each in engine.effects.effect_options()])
def test_every_effect_keeps_the_number_of_samples(name: str) -> None:
    option = next(each for each in engine.effects.effect_options() if each.name == name)
    blocks = [sound()[:100], sound()[100:1000], sound()[:0]]
    for when in ("before", "after"):
        heard = engine.effects.apply_effects(when, blocks, RATE_HZ, {name: option.high})  # type: ignore[arg-type]
        assert sum(len(each) for each in heard) == 1000
