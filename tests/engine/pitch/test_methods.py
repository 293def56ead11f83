"""A pitch method is one file and one row; here a toy one, registered and used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.cli import main
from engine.errors import OptionError, Text
from engine.measure.doctor import check_pitch_methods
from engine.paths import starter_dir
from engine.pitch import methods
from engine.pitch.methods import METHODS, PitchMethod, PitchNetwork, choose_method, register
from engine.pitch.tracker import PitchTracker, TrackerContext
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import signal_to_error_db

HERE = __name__


class Factor(nn.Module):
    """A "network" that holds one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value), requires_grad=False)


def load_factor(path: Path) -> Factor:
    return Factor(float(path.read_text()))


def toy_tracker(context: TrackerContext) -> PitchTracker:
    """YIN's pitch times the number in ``toy.txt``."""
    yin, factor = context.tracker("yin"), context.network("toy.txt")
    return lambda audio: yin(audio) * factor.value


TOY = PitchMethod(
    "toy",
    Text("Toy"),
    Text("Toy: an octave above YIN."),
    f"{HERE}:toy_tracker",
    networks=(PitchNetwork("toy.txt", f"{HERE}:load_factor"),),
    others=("yin",),
    auto_rank=50,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    small = write_small_set(tmp_path_factory.mktemp("small"))
    (small.models_dir / "toy.txt").write_text("2.0")
    return small


@pytest.fixture
def toy() -> Iterator[None]:
    register(TOY)
    yield
    del METHODS["toy"]


def converted(small: SmallSet, **options: object) -> np.ndarray:
    samples = torch.sin(torch.arange(16_000) * 2 * np.pi * 220 / 16_000).numpy() * 0.3
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    result = converter.convert(samples, 16_000, small.voice, ConversionOptions(**options))  # type: ignore[arg-type]
    assert result.samples is not None
    return result.samples


@pytest.mark.usefixtures("toy")
def test_a_registered_method_tracks_the_pitch_of_a_conversion(small: SmallSet) -> None:
    octave_up = converted(small, pitch_method="yin", semitones=12)
    assert signal_to_error_db(octave_up, converted(small, pitch_method="toy")) > 100
    assert signal_to_error_db(octave_up, converted(small, pitch_method="yin")) < 20


@pytest.mark.usefixtures("toy")
def test_the_automatic_choice_takes_it_where_its_network_is_installed(
    small: SmallSet, tmp_path: Path
) -> None:
    (tmp_path / "toy.txt").write_text("2.0")
    assert choose_method("auto", tmp_path).name == "toy"
    assert check_pitch_methods(tmp_path).detail == "swift, hybrid, yin, toy; automatic: toy"
    (tmp_path / "toy.txt").unlink()
    assert choose_method("auto", tmp_path).name == "swift"
    assert check_pitch_methods(tmp_path).detail == "swift, hybrid, yin; automatic: swift"


@pytest.mark.usefixtures("toy")
def test_the_command_line_offers_it(
    small: SmallSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "toy" in capsys.readouterr().out
    source, out = starter_dir() / "sample.wav", tmp_path / "out.wav"
    (tmp_path / "toy.txt").write_text("2.0")
    asked = ["--pitch-method", "toy", "--models-dir", str(tmp_path), "--device", "cpu"]
    assert main(["convert", str(source), "-o", str(out), *asked]) == 0
    assert out.is_file()


def test_without_its_row_it_is_refused() -> None:
    with pytest.raises(OptionError, match="toy"):
        ConversionOptions(pitch_method="toy")


def test_every_factory_and_loader_can_be_imported() -> None:
    for method in METHODS.values():
        assert callable(method.load_factory())
        for network in method.all_networks:
            assert callable(methods.load_object(network.loader))
