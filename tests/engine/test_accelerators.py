"""A new accelerator is one module and one row: this file is one, its fixture adds the row."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import ConversionOptions, Converter, OptimizationConfig, StageProgress, accelerators
from engine.accelerators import Accelerator, register
from engine.models.context import Context
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer
from engine.optimization import OptimizationConfig as Config
from engine.options import ConversionResult
from engine.stages import Part, Placement
from engine.voice import VoiceFiles
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import signal_to_error_db

NAME = "numpy-vocoder"
SAMPLES = (0.1 * np.random.default_rng(3).standard_normal(32_000)).astype(np.float32)

gain = 1.0
able = True
runs: list[torch.device] = []


def offers(part: Part, device: str, config: Config) -> bool:
    return part == "vocoder"


def can_build(part: Part, source: Any) -> bool:
    return able


def build(part: Part, source: Synthesizer, config: Config, device: str) -> Any:
    """A vocoder whose result passes through numpy; `gain` makes it wrong."""

    def vocode(
        z: Tensor, excitation: SourceInput | None, speaker: Tensor, context: Context
    ) -> Tensor:
        runs.append(z.device)
        sound = source.vocode(z, excitation, speaker, context).numpy()
        return torch.from_numpy(gain * sound)

    return vocode


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("small"))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "ACCELERATORS", [*accelerators.ACCELERATORS])
    monkeypatch.setattr(f"{__name__}.gain", 1.0)
    # Only results count here, not how busy the machine is.
    monkeypatch.setattr("engine.examination.SLOWER_RATIO", float("inf"))
    monkeypatch.setattr("engine.examination.ACCELERATOR_RATIO", float("inf"))
    runs.clear()
    register(Accelerator(NAME, __name__))


def convert(small: SmallSet, folder: Path, heard: dict[str, str] | None = None) -> ConversionResult:
    heard = {} if heard is None else heard

    def listen(step: StageProgress) -> None:
        heard[step.stage] = step.device

    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"), tuning_dir=folder)
    options = ConversionOptions(seed=5)
    return converter.convert(SAMPLES, 16_000, small.voice, options, listener=listen)


def test_a_right_accelerator_is_examined_and_runs_its_part(
    small: SmallSet, tmp_path: Path, toy: None
) -> None:
    with pytest.MonkeyPatch.context() as without:
        without.setattr(accelerators, "ACCELERATORS", accelerators.ACCELERATORS[1:])
        expected = convert(small, tmp_path / "plain")
    assert runs == []
    heard: dict[str, str] = {}
    result = convert(small, tmp_path, heard)
    assert result.notes == ()
    assert heard["synthesis"] == f"cpu+{NAME}"
    assert signal_to_error_db(expected.samples, result.samples) > 100
    examined = len(runs)
    runs.clear()
    assert convert(small, tmp_path).notes == ()
    assert 0 < len(runs) < examined  # what was found is kept


def test_a_wrong_accelerator_is_rejected_and_torch_runs_the_part(
    small: SmallSet, tmp_path: Path, toy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.gain", 1.1)
    heard: dict[str, str] = {}
    result = convert(small, tmp_path, heard)
    (note,) = result.notes
    assert (
        f"the vocoder runs on torch, because {NAME} gives other numbers than the CPU (20 dB)"
        in note
    )
    assert heard["synthesis"] == "cpu"
    runs.clear()
    assert convert(small, tmp_path).notes == result.notes
    assert runs == []


def test_where_the_first_accelerator_is_wrong_the_next_one_runs_the_part(
    small: SmallSet, tmp_path: Path, toy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ModuleType("wrong_vocoder")
    vars(wrong).update(
        offers=offers, build=lambda _, source, *__: lambda *given: -source.vocode(*given)
    )
    monkeypatch.setitem(sys.modules, wrong.__name__, wrong)
    register(Accelerator("wrong", wrong.__name__))
    heard: dict[str, str] = {}
    (note,) = convert(small, tmp_path, heard).notes
    assert f"the vocoder runs on {NAME}, because wrong gives other numbers than the CPU" in note
    assert heard["synthesis"] == f"cpu+{NAME}"


def test_an_accelerator_is_asked_with_the_network_at_hand_and_torch_runs_what_it_lacks(
    small: SmallSet, tmp_path: Path, toy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"), tuning_dir=tmp_path)

    def run(voice: VoiceFiles) -> Placement:
        result = converter.convert(SAMPLES, 16_000, voice, ConversionOptions(seed=5))
        assert result.notes == ()
        return converter._store.placement

    monkeypatch.setattr(f"{__name__}.able", False)
    assert run(small.voice).accelerator_of("vocoder") is None
    assert runs == []
    monkeypatch.setattr(f"{__name__}.able", True)
    other = replace(small.voice, weights=tmp_path / "other.pth")
    other.weights.write_bytes(small.voice.weights.read_bytes())
    assert run(other).accelerator_of("vocoder") == NAME
    assert runs


def test_beside_a_gpu_tensors_reach_it_on_the_cpu_and_torch_takes_over_on_the_gpu(
    small: SmallSet, tmp_path: Path, toy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_second_device(monkeypatch)

    def run(folder: Path) -> tuple[ConversionResult, Placement]:
        converter = Converter(small.models_dir, OptimizationConfig(), tuning_dir=folder)
        result = converter.convert(SAMPLES, 16_000, small.voice, ConversionOptions(seed=5))
        return result, converter._store.placement

    _, placement = run(tmp_path / "right")
    assert placement.accelerator_of("vocoder") == NAME
    assert placement.device_of("latent") == SECOND
    assert {str(device) for device in runs} == {"cpu"}
    monkeypatch.setattr(f"{__name__}.gain", 1.1)
    result, placement = run(tmp_path / "wrong")
    assert len(result.notes) == 1
    assert placement.accelerator_of("vocoder") is None
    assert placement.device_of("vocoder") == SECOND
