"""A result is made again from its recipe, to the sample; what has changed is said."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from engine import ConversionOptions, Converter, OptimizationConfig, VoiceFiles, files, recipe
from engine.audio.names import RECIPE_SUFFIX
from engine.cli import main
from engine.cover.cover import Cover
from engine.cover.options import CoverNetworks, CoverOptions
from engine.errors import OptionError
from engine.files import Digests, file_sha256
from engine.option import Option
from engine.options import all_options
from engine.recipe import Ingredients, Recipe
from engine.retrieval.index_file import write_flat_index
from engine.separation.separator import Separator
from tests.engine.cover.sums import Sums
from tests.engine.small_set import FEATURES, SmallSet, write_small_set

CPU = OptimizationConfig(device="cpu")


@pytest.fixture
def small(tmp_path: Path) -> SmallSet:
    return write_small_set(tmp_path / "models")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    time_s = np.arange(16_000) / 16_000
    dice = np.random.default_rng(5)
    sound = 0.3 * np.sin(2 * np.pi * 200 * time_s) + 0.01 * dice.standard_normal(len(time_s))
    soundfile.write(path, np.stack([sound, 0.8 * sound], 1), 16_000, "FLOAT")
    return path


@pytest.fixture
def made(small: SmallSet, source: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A recipe beside its result."""
    assert urvc("convert", small, source, "--recipe", "--seed", "7", "--pitch", "3") == 0
    capsys.readouterr()
    found = next(source.parent.glob(f"*{RECIPE_SUFFIX}"))
    assert found.with_suffix(".wav").is_file()
    return found


def urvc(command: str, small: SmallSet, *rest: object) -> int:
    named: list[object] = ["--models-dir", small.models_dir]
    if command != "repeat":
        named += ["--voice", small.voice.weights, "--index", small.voice.index, "--device", "cpu"]
    return main([command, *map(str, rest), *map(str, named)])


def test_a_recipe_gives_the_same_file_again(
    made: Path, small: SmallSet, capsys: pytest.CaptureFixture[str]
) -> None:
    first = made.with_suffix(".wav")
    assert urvc("repeat", small, made, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["changes"]) == (True, [])
    assert Path(told["output"]) != first
    assert Path(told["output"]).read_bytes() == first.read_bytes()


def test_a_source_that_moved_with_its_recipe_is_found(
    made: Path, source: Path, small: SmallSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    moved = Path(shutil.move(made, away))
    assert urvc("repeat", small, moved, "-o", away / "b.wav") == 0
    shutil.move(source, away)
    assert urvc("repeat", small, moved, "-o", away / "c.wav") == 0
    assert (away / "b.wav").read_bytes() == (away / "c.wav").read_bytes()
    (away / source.name).rename(away / "renamed.wav")
    capsys.readouterr()
    assert urvc("repeat", small, moved) == 2
    assert 'Cannot find the file "a.wav" of the recipe' in capsys.readouterr().err


def change_source(small: SmallSet, source: Path) -> str:
    samples, rate_hz = soundfile.read(source, dtype="float32")
    samples[5] += 0.1
    soundfile.write(source, samples, rate_hz, "FLOAT")
    return 'the file "a.wav" is another one'


def change_index(small: SmallSet, source: Path) -> str:
    assert small.voice.index is not None
    rows = np.random.default_rng(9).standard_normal((50, FEATURES)).astype(np.float32)
    write_flat_index(rows, small.voice.index)
    return 'the file "small.index" is another one'


def change_network(small: SmallSet, source: Path) -> str:
    weights = small.models_dir / "hubert_base" / "model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights)
    return 'the network "hubert_base/model.safetensors" is another one'


@pytest.mark.parametrize("change", [change_source, change_index, change_network])
def test_what_has_changed_is_said_and_nothing_is_made_unless_that_is_wanted(
    made: Path, source: Path, small: SmallSet, change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = change(small, source)
    before = sorted(source.parent.iterdir())
    assert urvc("repeat", small, made) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert sentence in told
    assert "--force" in told
    assert sorted(source.parent.iterdir()) == before
    assert urvc("repeat", small, made, "--force") == 0
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "(other samples)" in captured.out


def test_what_a_conversion_notes_is_said_when_it_is_repeated(
    source: Path, small: SmallSet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert urvc("convert", small, source, "--recipe", "--video") == 0
    note = "urvc: a.wav: there is no picture in it, so the result is a sound file\n"
    assert note in capsys.readouterr().err
    assert urvc("repeat", small, next(source.parent.glob(f"*{RECIPE_SUFFIX}"))) == 0
    assert note in capsys.readouterr().err


def test_another_version_of_the_program_is_said(
    made: Path, small: SmallSet, capsys: pytest.CaptureFixture[str]
) -> None:
    made.write_text(made.read_text().replace('"program": "', '"program": "9.9-'))
    assert urvc("repeat", small, made) == 2
    assert "version 9.9-" in capsys.readouterr().err
    assert urvc("repeat", small, made, "--force") == 0
    assert "(the same samples)" in capsys.readouterr().out


def test_a_result_in_another_format_keeps_the_recipe_of_the_first(
    made: Path, source: Path, small: SmallSet
) -> None:
    first = made.read_bytes()
    assert urvc("convert", small, source, "--recipe", "--format", "flac") == 0
    names = sorted(each.name for each in source.parent.glob(f"*{RECIPE_SUFFIX}"))
    assert names == [made.stem + ".flac" + RECIPE_SUFFIX, made.name]
    assert made.read_bytes() == first


def other_value(each: Option, folder: Path) -> Any:
    if each.kind == "switch":
        return not each.default
    if each.kind == "choice":
        return next(e.value for e in each.choices() if e.value != each.default)
    if each.kind == "file":
        (folder / "other.csv").write_text("0,100\n1,200\n")
        return folder / "other.csv"
    special = {"f0_min_hz": 100.0, "f0_max_hz": 900.0}
    number = special.get(each.name, each.low if each.default != each.low else each.high)
    return int(number) if each.kind == "whole number" else float(number)


def test_a_recipe_holds_every_option(source: Path, small: SmallSet, tmp_path: Path) -> None:
    values = {each.name: other_value(each, tmp_path) for each in all_options()}
    kept = {name: value for name, value in values.items() if name not in ("overwrite", "recipe")}
    options = ConversionOptions().with_values(kept)
    cover = CoverOptions(instrumental=source, lead_db=-3.0, backing="mute", keep_stems=True)
    flags = dataclasses.replace(CPU, retrieval="exact", skip_silence=False, tile_frames=100)
    made_from = Ingredients(source, small.voice, None, ())
    found = Recipe.from_json(Recipe.of(made_from, options, cover, flags, Digests()).to_json())
    assert found.conversion_options() == options
    assert found.cover_options() == cover
    assert found.optimization() == flags
    assert {"f0_file", "instrumental"} <= set(found.files)


def test_the_pitch_method_that_was_chosen_is_the_one_that_is_repeated(
    source: Path, small: SmallSet
) -> None:
    converter = Converter(small.models_dir, CPU)
    found = converter.recipe(source, small.voice, ConversionOptions())
    assert found.conversion_options().pitch_method == "swift"
    (small.models_dir / "rmvpe.pt").write_bytes(b"installed later")
    assert found.changes(converter.recipe(source, small.voice, found.conversion_options())) == []


def test_a_cover_is_repeated_with_its_own_options(
    source: Path,
    small: SmallSet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Separator, "open", Sums)
    network = small.models_dir / "separation" / "04573f0d.safetensors"
    network.parent.mkdir()
    network.write_text("1")
    assert urvc("cover", small, source, "--recipe", "--lead-db", "-2") == 0
    found = next(source.parent.glob(f"*{RECIPE_SUFFIX}"))
    capsys.readouterr()
    assert urvc("repeat", small, found, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["same"]
    assert Path(told["output"]).read_bytes() == found.with_suffix(".wav").read_bytes()
    network.write_text("1 another one")
    assert urvc("repeat", small, found) == 2
    assert 'the network "separation/04573f0d.safetensors" is another one' in (
        capsys.readouterr().err
    )


def test_the_recipe_of_a_cover_reads_no_file_again(
    source: Path, small: SmallSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Separator, "open", Sums)
    network = small.models_dir / "separation" / "04573f0d.safetensors"
    network.parent.mkdir()
    network.write_text("1")
    read: list[Path] = []

    def count(path: Path, *rest: Any) -> str:
        read.append(path)
        return file_sha256(path, *rest)

    monkeypatch.setattr(files, "file_sha256", count)
    cover = Cover(Converter(small.models_dir, CPU), CoverNetworks(vocals=network), tmp_path / "c")
    assert cover.make(source, small.voice, ConversionOptions(recipe=True)).recipe
    assert {source, network} <= set(read)
    assert len(read) == len(set(read))


def test_a_damaged_recipe_is_refused_in_one_sentence(made: Path) -> None:
    content = made.read_bytes()
    dice = np.random.default_rng(2)
    damaged = [b"", b"[]", b"{}", content[:-20], content.replace(b'"source"', b'"sauce"')]
    damaged += [content.replace(b'"format": 1', b'"format": 2'), b"\xff" * 50]
    for _ in range(100):
        hurt = bytearray(content)
        for at in dice.integers(len(hurt), size=3):
            hurt[at] = dice.integers(256)
        damaged.append(bytes(hurt))
    for place, each in enumerate(damaged):
        made.write_bytes(each)
        refused = pytest.raises(OptionError) if place < 7 else contextlib.suppress(OptionError)
        with refused:
            found = Recipe.read(made)
            found.conversion_options()
            found.optimization()
    made.unlink()
    with pytest.raises(OptionError, match="Cannot read the recipe"):
        Recipe.read(made)


def test_a_recipe_that_cannot_be_written_costs_no_result(
    source: Path, small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipe, "atomic_file", full)
    result = Converter(small.models_dir, CPU).convert_file(
        source, VoiceFiles(small.voice.weights), ConversionOptions(recipe=True)
    )
    assert result.output_path is not None
    assert result.output_path.is_file()
    assert "its recipe could not be written: No space left on device" in result.notes
