"""The READMEs name files, steps and examples that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from project import OLDEST_MACOS, ROOT

import engine
from engine.cli import main
from engine.errors import Text
from engine.options import ConversionResult
from engine.pitch.methods import PitchMethod

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = (ROOT / "packaging" / "README.md").read_text(encoding="utf-8")
STEPS = ("environment", "build", "trim", "sign", "verify", "smoke_test", "image", "notarise")


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"\b(?:packaging|tests|resources|engine)/[\w/.-]+\.(?:py|sh)\b", TEXT))
    assert named
    assert {each for each in named if not (ROOT / each).is_file()} == set()


def test_every_file_of_the_folder_is_named() -> None:
    files = [path.name for path in (ROOT / "packaging").iterdir() if path.suffix in (".py", ".sh")]
    assert {name for name in files if f"`{name}`" not in TEXT} == set()


def test_every_step_of_the_build_has_its_command() -> None:
    calls = " ".join(re.findall(r"packaging/build_app\.sh ([\w ]+)", TEXT))
    assert set(STEPS) <= set(calls.split())


def test_every_command_of_the_program_that_is_named_exists_with_its_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = re.findall(r"(?:urvc-macos\.sh|--engine) ((?!run|test)[a-z][^`&|]*)", TEXT)
    assert len(named) > 8
    for command in named:
        words = command.split()
        options = [each for each in words if each.startswith("-")]
        first = words.index(options[0]) if options else len(words)
        with pytest.raises(SystemExit) as ended:  # an unknown command or choice raises no such
            main([*words[:first], "--help"])
        assert ended.value.code == 0
        known = set(re.findall(r"--?[a-z][a-z-]*", capsys.readouterr().out))
        assert set(options) <= known, command


def test_both_name_the_macos_that_is_needed() -> None:
    major = OLDEST_MACOS.partition(".")[0]
    assert f"macOS {major} or later" in README
    assert f"Build it (Mac with Apple silicon, macOS {major}," in TEXT
    assert f"The app needs macOS {major}:" in TEXT


def test_the_readme_stays_short_and_names_only_files_that_exist() -> None:
    assert len(README.splitlines()) <= 160
    named = set(re.findall(r"\b(?:packaging|tests|resources|engine)/[\w/.-]*\w", README))
    named |= set(re.findall(r"\]\((resources/[^)]+)\)", README))
    missing = {each for each in named if not (ROOT / each).exists()}
    assert missing == {"engine/pitch/toy.py"}  # of the example


def test_the_examples_of_the_readme_work() -> None:
    python, pitch = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    imports = python.partition("\n\n")[0]
    exec(imports, {})  # noqa: S102 - our own README
    for name in re.findall(r"result\.(\w+)", python):
        assert hasattr(ConversionResult, name) or name in ConversionResult.__dataclass_fields__
    rows: list[PitchMethod] = []
    known = {"Text": Text, "PitchMethod": PitchMethod, "register": rows.append}
    exec(pitch, known | {"TrackerContext": object, "PitchTracker": object})  # noqa: S102
    assert (rows[0].name, rows[0].others) == ("toy", ("yin",))


def test_the_names_it_mentions_exist() -> None:
    assert "Cover(converter, CoverNetworks(path)).make(song, voice)" in README
    assert callable(engine.Cover.make)
    assert engine.CoverNetworks(Path("vocals")).vocals == Path("vocals")
    for name in set(re.findall(r"`(convert_\w+)`", README)):
        assert callable(getattr(engine.Converter, name))
