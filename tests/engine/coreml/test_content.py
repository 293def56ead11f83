"""The content encoder by Core ML: the same features, one thread, and torch where it fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import (
    ConversionOptions,
    Converter,
    OptimizationConfig,
    StageProgress,
    accelerators,
)
from engine.accelerators import AcceleratorFailed
from engine.accelerators.coreml.content import ContentByCoreML, PackageCache
from engine.loading import load_content_encoder
from engine.models.content_encoder import ContentEncoder
from engine.options import ConversionResult
from tests.engine.coreml.fake_framework import NSURL, Framework, install
from tests.engine.small_set import SmallSet
from tests.sound import signal_to_error_db

SAMPLES = (0.1 * np.random.default_rng(3).standard_normal(16_000)).astype(np.float32)
BUCKET = 150
"""Frames: a second of sound and the context around it."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder, so that the tests convert one program once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def framework(monkeypatch: pytest.MonkeyPatch, packages: Path) -> Iterator[Framework]:
    pytest.importorskip("coremltools")
    monkeypatch.setattr("engine.accelerators.coreml.fault", lambda: None)
    monkeypatch.setattr("engine.accelerators.coreml.content.BUCKETS", (BUCKET,))
    monkeypatch.setattr(accelerators, "failures", {})
    monkeypatch.setenv("URVC_CACHE_DIR", str(packages))
    framework = install(monkeypatch)
    yield framework
    assert framework.threads <= {"Core ML"}


def convert(small: SmallSet, heard: dict[str, str] | None = None) -> ConversionResult:
    def listen(step: StageProgress) -> None:
        if heard is not None:
            heard[step.stage] = step.device

    flags = OptimizationConfig(device="cpu", coreml_content="auto")
    converter = Converter(small.models_dir, flags, examine_device=False)
    options = ConversionOptions(seed=5, index_rate=0, noise=False)
    return converter.convert(SAMPLES, 16_000, small.voice, options, listener=listen)


def plain(small: SmallSet) -> ConversionResult:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    options = ConversionOptions(seed=5, index_rate=0, noise=False)
    return converter.convert(SAMPLES, 16_000, small.voice, options)


def network(small: SmallSet) -> ContentEncoder:
    return load_content_encoder(small.models_dir)


def test_sound_of_every_length_gets_the_features_of_the_network(
    small: SmallSet, framework: Framework
) -> None:
    part = ContentByCoreML(network(small), lambda: network(small))
    for frames in (9, 80, BUCKET):
        audio = 0.05 * torch.randn(2, 320 * frames + 300, generator=torch.manual_seed(frames))
        expected = network(small)(audio)[:, :BUCKET]
        found = part(audio, None, project=False)[:, :BUCKET]
        assert signal_to_error_db(expected.numpy(), found.numpy()) > 45
    assert framework.predictions == 2 * 3
    assert framework.compilations == 1


def test_a_conversion_runs_the_encoder_by_core_ml_and_says_so(
    small: SmallSet, framework: Framework
) -> None:
    heard: dict[str, str] = {}
    result = convert(small, heard)
    assert result.notes == ()
    assert heard["content"] == "coreml"
    assert framework.predictions == 1
    assert signal_to_error_db(plain(small).samples, result.samples) > 30


def test_where_core_ml_fails_torch_goes_on_and_the_user_is_told_why(
    small: SmallSet, framework: Framework, packages: Path
) -> None:
    for old in packages.rglob("*.mlmodelc"):
        old.rename(old.with_suffix(".old"))  # so that it has to be compiled again
    framework.refusal = "the model is too large"
    result = convert(small)
    assert result.notes == (
        "the content encoder runs on torch, because coreml cannot run it (the model is too large)",
    )
    assert signal_to_error_db(plain(small).samples, result.samples) > 100
    convert(small)
    assert framework.compilations == 1  # not asked again


def test_an_exception_of_pyobjc_is_a_failure_of_core_ml(
    small: SmallSet, framework: Framework, packages: Path
) -> None:
    framework.exception = IndexError("NSRangeException")
    part = ContentByCoreML(network(small), lambda: network(small))
    audio = torch.zeros(1, 16_000)
    with pytest.raises(AcceleratorFailed, match="IndexError: NSRangeException") as raised:
        part(audio, None, project=False)
    assert not list(packages.rglob("tries"))  # the program went on
    assert raised.value.give_up is not None
    raised.value.give_up()
    assert torch.equal(part(audio, None, project=False), network(small)(audio))


def test_a_compiled_network_that_another_process_has_just_kept_is_used(
    small: SmallSet, framework: Framework, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = (packages / "coreml").glob("*.coreml")
    (compiled,) = folder.glob("*.mlmodelc")
    other = compiled.rename(folder / "other")
    (folder / "macOS 14.1.77").mkdir()  # what a killed process left
    made = framework.compile

    def compile_twice(url: NSURL) -> tuple[Any, Any]:
        (made_here, _) = made(url)
        monkeypatch.setattr(shutil, "move", lambda *_: other.rename(compiled))
        return made_here, None

    monkeypatch.setattr(framework, "compile", compile_twice)
    part = ContentByCoreML(network(small), lambda: network(small))
    assert part(torch.zeros(1, 16_000), None, project=False).isfinite().all()
    assert {each.name for each in folder.iterdir()} == {"network.mlpackage", compiled.name}


def test_what_ended_the_program_twice_is_not_tried_again(
    small: SmallSet, framework: Framework, packages: Path
) -> None:
    part = ContentByCoreML(network(small), lambda: network(small))
    (folder,) = (packages / "coreml").glob("*.coreml")
    (folder / "tries").write_text("2")
    audio = torch.zeros(1, 16_000)
    with pytest.raises(AcceleratorFailed, match="the program ended while"):
        part(audio, None, project=False)
    assert framework.compilations == 0
    (folder / "tries").unlink()


def test_without_coremltools_and_packages_the_sentence_says_what_to_do(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.accelerators.coreml.program.can_convert", lambda: False)
    part = ContentByCoreML(network(small), lambda: network(small), PackageCache(tmp_path))
    with pytest.raises(AcceleratorFailed, match="coremltools is not installed; install it"):
        part(torch.zeros(1, 16_000), None, project=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("sys.platform == 'darwin'")
def test_elsewhere_than_on_a_mac_on_says_why_and_auto_says_nothing(small: SmallSet) -> None:
    for flag, notes in (("on", 1), ("auto", 0)):
        config = OptimizationConfig(device="cpu", coreml_content=flag)  # type: ignore[arg-type]
        converter = Converter(small.models_dir, config)
        result = converter.convert(SAMPLES, 16_000, small.voice, ConversionOptions())
        told = [each for each in result.notes if "Core ML is part of macOS only" in each]
        assert len(told) == notes
