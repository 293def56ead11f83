"""What the README promises is there: each file and each step that it names."""

from __future__ import annotations

import re

from project import OLDEST_MACOS, ROOT

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


def test_both_name_the_macos_that_is_needed() -> None:
    major = OLDEST_MACOS.partition(".")[0]
    assert f"macOS {major} or later" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Build it (Mac with Apple silicon, macOS {major}," in TEXT
    assert f"The app needs macOS {major}:" in TEXT
