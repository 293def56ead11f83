"""Several files through the networks together: each result its own, no file strands another."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine import CancelToken, ConversionOptions, ConversionResult, Converter, OptimizationConfig
from engine import pipeline as pipelines
from engine.cli import main
from engine.errors import AudioFileError, ConversionCancelled, OutputFileError
from engine.file_conversion import TOGETHER_S, FileConversion, groups_of_files
from engine.models.content_encoder import ContentEncoder
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import signal_to_error_db

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("small"))


def sound(path: Path, seed: int, seconds: float = 1.0) -> Path:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))
    soundfile.write(path, samples.astype(np.float32), RATE_HZ)
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    return [sound(tmp_path / f"{name}.wav", seed) for seed, name in enumerate("abc")]


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each batch that goes through the content encoder."""
    seen: list[int] = []
    forward = ContentEncoder.forward

    def watched(self: ContentEncoder, audio: torch.Tensor, *rest: object, **more: object) -> object:
        seen.append(len(audio))
        return forward(self, audio, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ContentEncoder, "forward", watched)
    return seen


def test_files_that_go_together_sound_as_alone(
    small: SmallSet, sounds: list[Path], tmp_path: Path, widths: list[int]
) -> None:
    options = ConversionOptions(seed=4)
    alone = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    together = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=4))
    for name in ("one", "all"):
        (tmp_path / name).mkdir()
    singly = [
        alone.convert_file(each, small.voice, options, output_dir=tmp_path / "one")
        for each in sounds
    ]
    widths.clear()
    at_once = together.convert_files(sounds, small.voice, options, output_dir=tmp_path / "all")
    assert widths == [3]
    for one, other in zip(singly, at_once, strict=True):
        assert isinstance(other, ConversionResult)
        assert one.output_path is not None
        assert other.output_path is not None
        assert other.output_path.name == one.output_path.name
        assert other.source_s == one.source_s == 1.0
        expected, _ = soundfile.read(one.output_path)
        found, rate_hz = soundfile.read(other.output_path)
        assert rate_hz == other.rate_hz == one.rate_hz
        assert signal_to_error_db(expected, found) > 80


def test_a_refused_file_keeps_no_other_waiting(
    small: SmallSet, sounds: list[Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(b"RIFF")
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=4))
    notes = tmp_path / "notes.txt"
    notes.write_text("no folder")
    results = converter.convert_files([sounds[0], damaged, sounds[1]], small.voice)
    assert [type(each) for each in results] == [ConversionResult, AudioFileError, ConversionResult]
    (refused,) = converter.convert_files([sounds[0]], small.voice, output_dir=notes)
    assert isinstance(refused, OutputFileError)
    only = converter.convert_files([damaged], small.voice)
    assert isinstance(only[0], AudioFileError)
    assert converter.convert_files([], small.voice) == []


def test_a_cancel_writes_nothing(small: SmallSet, sounds: list[Path], tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=4))
    with pytest.raises(ConversionCancelled):
        converter.convert_files(sounds, small.voice, cancel=token)
    assert sorted(tmp_path.glob("*.wav")) == sounds


def test_a_cancel_while_results_are_written_leaves_all_of_them(
    small: SmallSet, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, write = CancelToken(), FileConversion.write

    def cancelling(self: FileConversion, *given: object) -> Path:
        token.cancel()
        return write(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(FileConversion, "write", cancelling)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=4))
    results = converter.convert_files(sounds, small.voice, cancel=token)
    assert all(isinstance(each, ConversionResult) for each in results)


def test_files_of_one_name_get_names_of_their_own(
    small: SmallSet, sounds: list[Path], tmp_path: Path
) -> None:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=4))
    results = converter.convert_files([sounds[0]] * 3, small.voice)
    written = {each.output_path for each in results if isinstance(each, ConversionResult)}
    assert len(written) == 3
    assert all(each is not None and each.is_file() for each in written)


def test_where_memory_does_not_suffice_for_all_each_is_tried_alone(
    small: SmallSet,
    sounds: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare, prepared = pipelines._prepare, []

    def scarce(*given: object) -> object:
        prepared.append(given)
        if len(prepared) == 2:
            raise MemoryError
        return prepare(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(pipelines, "_prepare", scarce)
    monkeypatch.setenv("RVC_BATCH_SIZE", "4")
    where = ["--voice", small.voice.weights, "--models-dir", small.models_dir, "--device", "cpu"]
    assert main(["convert", *map(str, [*sounds, *where])]) == 0
    assert capsys.readouterr().out.count("\n") == 3


def test_the_samples_of_a_file_are_let_go_once_they_were_heard(
    small: SmallSet, sounds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []
    hear, prepare = pipelines._hear, pipelines._prepare

    def hearing(source: pipelines.Source, *rest: object) -> object:
        kept.append(weakref.ref(source.samples))
        return hear(source, *rest)  # type: ignore[arg-type]

    def preparing(*given: object) -> object:
        gc.collect()
        alive.append(sum(each() is not None for each in kept))
        return prepare(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(pipelines, "_hear", hearing)
    monkeypatch.setattr(pipelines, "_prepare", preparing)
    Converter(small.models_dir, OptimizationConfig(device="cpu")).convert_files(
        sounds[:2], small.voice
    )
    assert len(kept) == 2
    assert alive == [0, 0]


def test_long_and_unreadable_files_go_by_themselves(tmp_path: Path, sounds: list[Path]) -> None:
    a, b, c = sounds
    long = sound(tmp_path / "long.wav", 5, TOGETHER_S + 1)
    missing = tmp_path / "missing.wav"
    assert groups_of_files([a, b, c], 1) == [[a], [b], [c]]
    assert groups_of_files([a, b, c], 2) == [[a, b], [c]]
    assert groups_of_files([a, long, b, missing, c], 4) == [[a], [long], [b], [missing], [c]]
    assert groups_of_files([], 4) == []


def test_the_command_line_converts_together_what_fits_into_a_batch(
    small: SmallSet,
    sounds: list[Path],
    tmp_path: Path,
    widths: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RVC_BATCH_SIZE", "2")
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(b"RIFF")
    where = ["--voice", small.voice.weights, "--models-dir", small.models_dir, "--device", "cpu"]
    inputs: list[Path] = [*sounds, damaged]
    (tmp_path / "out").mkdir()
    where += ["--output-dir", tmp_path / "out", "--json"]
    assert main(["convert", *map(str, inputs), *map(str, where)]) == 2
    said = capsys.readouterr()
    told = [json.loads(line) for line in said.out.splitlines()]
    assert [Path(each["input"]) for each in told] == sounds
    assert all(Path(each["output"]).is_file() for each in told)
    assert said.err.count("\n") == 1
    assert "damaged.wav" in said.err
    assert widths == [2, 1]
