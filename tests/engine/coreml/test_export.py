"""Every exported program is interpreted, in 16 and 32 bits; what cannot be confirmed is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.accelerators.coreml import program as programs
from engine.accelerators.coreml.interpreter import run_program
from engine.accelerators.coreml.networks import (
    ContentForm,
    Form,
    LatentForm,
    PitchForm,
    Tiling,
    VocoderForm,
)
from engine.accelerators.coreml.neural_engine import obstacles
from engine.accelerators.coreml.program import Checked, confirm, draw_inputs, write_package
from engine.cli import main
from engine.errors import DeviceError
from engine.models.rmvpe import RmvpeNetwork
from engine.models.synthesizer import Synthesizer, build_synthesizer
from engine.models.synthesizer_sizes import Vocoder
from engine.voice_checkpoint import load_voice
from tests.engine.coreml.test_networks import encoder
from tests.engine.small_set import SmallSet, write_small_set
from tests.weights_maker import make_tensors


def converted(form: Form, folder: Path, *, half: bool) -> Checked:
    pytest.importorskip("coremltools")
    return write_package(form, folder / "network.mlpackage", half=half)


def synthesizer(folder: Path, vocoder: Vocoder) -> Synthesizer:
    checkpoint = load_voice(write_small_set(folder, vocoder).voice.weights)
    return build_synthesizer(checkpoint.sizes, checkpoint.state)


@pytest.mark.parametrize(
    ("frames", "half"),
    [
        (60, False),
        pytest.param(25, True, marks=pytest.mark.slow),  # as the command below makes it
        pytest.param(60, True, marks=pytest.mark.slow),
        pytest.param(25, False, marks=pytest.mark.slow),
    ],
)
def test_the_content_encoder_is_confirmed_and_keeps_the_rules_of_the_neural_engine(
    frames: int, half: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = encoder(tmp_path)
    monkeypatch.setattr("engine.accelerators.coreml.networks.WIDEST", 2_400)
    form = ContentForm(network, Tiling.of(network, frames), 2, project=True)
    assert form.tiling.tiles == (1 if frames == 25 else 2 if frames < 74 else 3)
    checked = converted(form, tmp_path, half=half)
    assert above(checked, half=half)
    assert obstacles(checked.program) == ([] if half else ["numbers of 32 bits"])


@pytest.mark.parametrize(
    "vocoder",
    [
        Vocoder.REFINE_CHAINED,
        pytest.param(Vocoder.NSF, marks=pytest.mark.slow),  # as the command below makes it
        pytest.param(Vocoder.PLAIN, marks=pytest.mark.slow),
        pytest.param(Vocoder.MRF, marks=pytest.mark.slow),
        pytest.param(Vocoder.REFINE_DIRECT, marks=pytest.mark.slow),
    ],
)
def test_every_vocoder_is_confirmed_and_none_is_for_the_neural_engine(
    vocoder: Vocoder, tmp_path: Path
) -> None:
    half = vocoder in (Vocoder.NSF, Vocoder.REFINE_DIRECT)
    form = VocoderForm(synthesizer(tmp_path, vocoder), 31 if half else 14).eval()
    checked = converted(form, tmp_path, half=half)
    assert above(checked, half=half)
    assert obstacles(checked.program)


@pytest.mark.parametrize("half", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_prior_and_flow_are_confirmed(tmp_path: Path, *, half: bool) -> None:
    form = LatentForm(synthesizer(tmp_path, Vocoder.NSF), 47 if half else 12).eval()
    assert above(converted(form, tmp_path, half=half), half=half)


@pytest.mark.parametrize("half", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_u_net_of_rmvpe_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, half: bool
) -> None:
    for name, size in (("BASE_CHANNELS", 2), ("BLOCKS", 1), ("INNER_LAYERS", 1)):
        monkeypatch.setattr(f"engine.models.rmvpe.{name}", size)
    network = RmvpeNetwork()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    named = {name: shape for name, shape in shapes.items() if shape}
    network.load_state_dict(make_tensors(named, "unet"), strict=False)
    form = PitchForm(network.eval().requires_grad_(requires_grad=False), 50 if half else 20).eval()
    assert form.frames == (64 if half else 32)
    assert above(converted(form, tmp_path, half=half), half=half)


def above(checked: Checked, *, half: bool) -> bool:
    least_db = 45 if half else 100
    return checked.agreement_db is None or checked.agreement_db >= least_db


def test_a_program_takes_no_other_length_and_other_weights_are_not_confirmed(
    tmp_path: Path,
) -> None:
    form = VocoderForm(synthesizer(tmp_path, Vocoder.PLAIN), 9).eval()
    checked = converted(form, tmp_path, half=False)
    named = {
        each.name: value for each, value in zip(form.inputs, draw_inputs(form, 0), strict=True)
    }
    longer = {**named, "z": torch.cat([named["z"], named["z"]], dim=-1)}
    with pytest.raises(ValueError, match="declared as"):
        run_program(checked.program, longer)
    with torch.no_grad():
        form.dec.conv_pre.weight.mul_(1.01)
    with pytest.raises(DeviceError, match=r"it differs from torch \(\d+ dB\)"):
        confirm(form, checked.path, half=False)


def export(small: SmallSet, folder: Path, *more: str) -> int:
    given = ["export", "coreml", str(small.voice.weights), "--models-dir", str(small.models_dir)]
    return main([*given, "-o", str(folder), *more])


def test_the_command_writes_packages_that_agree_with_torch_and_says_what_their_inputs_mean(
    small: SmallSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("coremltools")
    folder = tmp_path / "out"
    assert export(small, folder, "--seconds", "0.5", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    facts = json.loads((folder / "metadata.json").read_text())
    assert told["packages"] == facts["packages"]
    assert [each["file"] for each in facts["packages"]] == [
        "content.mlpackage",
        "latent.mlpackage",
        "vocoder.mlpackage",
    ]
    readme = (folder / "README.md").read_text()
    for package in facts["packages"]:
        assert (folder / package["file"] / "Manifest.json").is_file()
        assert all(each["meaning"] in readme for each in package["inputs"])
        assert package["agreement_db"] is None or package["agreement_db"] >= 45
    content, _, vocoder = facts["packages"]
    assert content["neural_engine"] == []
    assert vocoder["neural_engine"]
    assert export(small, folder) == 2  # it exists
    assert "is not an empty folder" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_what_differs_is_refused_and_nothing_is_written(
    small: SmallSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("coremltools")
    monkeypatch.setattr(programs, "LEAST_HALF_DB", 500.0)
    assert export(small, tmp_path / "out", "--seconds", "0.5") == 2
    assert 'Cannot convert "content" to Core ML: it differs' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--seconds", "nan")])
def test_without_coremltools_or_with_an_impossible_length_one_sentence_says_what_to_do(
    small: SmallSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
) -> None:
    monkeypatch.setattr(programs, "can_convert", lambda: False)
    assert export(small, tmp_path / "out", *more) == 2
    told = capsys.readouterr().err
    assert ("takes 0.5 to 30 seconds" if more else "coremltools is not installed") in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
