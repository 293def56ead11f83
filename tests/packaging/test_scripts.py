"""All shell scripts: clean, and limited to bash 3.2, which macOS has."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from project import ROOT

FILES = [*sorted((ROOT / "packaging").glob("*.sh")), ROOT / "urvc-macos.sh", ROOT / ".ci" / "run"]
NEWER = {
    "associative array": r"\b(?:declare|local|typeset) -[a-z]*A",
    "name reference": r"\b(?:declare|local|typeset) -[a-z]*n\b",
    "mapfile": r"\b(?:mapfile|readarray)\b",
    "change of case": r"\$\{\w+(?:\^|,)",
    "transformation": r"\$\{\w+@[A-Za-z]\}",
    "pipe of both streams": r"\|&|&>>",
    "fall through": r";;&|;&",
    "negative index": r"\[-\d+\]",
    "coprocess": r"^\s*coproc\b",
    "wait for any": r"\bwait -n\b",
    "test for a variable": r"\[\[ -v\b",
    "name that may swallow the next character": r"\$\w+[^\x00-\x7f]",
}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        ["shellcheck", *map(str, FILES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


def test_all_can_be_parsed_and_started() -> None:
    assert len(FILES) == 4
    for file in FILES:
        subprocess.run(["bash", "-n", str(file)], check=True)
        assert file.stat().st_mode & 0o111, file.name


def test_nothing_is_newer_than_the_bash_of_macos() -> None:
    found = [
        f"{file.name}: {name}"
        for file in FILES
        for name, pattern in NEWER.items()
        if re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert found == []
