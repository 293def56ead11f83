"""The rules of the house that a machine can check."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
SHELL_FILES = ("urvc-macos.sh", ".ci/run")
LONGEST_FILE_LINES = 500
LONGEST_NETWORK_LINES = 600
HOME_PATH = re.compile(r"/(?:Users|home|root)/\w")


def run(*command: str | Path) -> None:
    """Run a tool; what it prints is the failure's message."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def python_files(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert files
    return [file for file in files if "data" not in file.relative_to(ROOT).parts]


def test_the_linter_finds_nothing() -> None:
    run(TOOLS / "ruff", "check", ".")


def test_everything_is_formatted() -> None:
    run(TOOLS / "ruff", "format", "--check", ".")


def test_every_type_holds() -> None:
    run(TOOLS / "mypy")


def test_no_wall_is_breached() -> None:
    run(TOOLS / "lint-imports")


@pytest.mark.parametrize("file", SHELL_FILES)
def test_shell_files_can_be_parsed_and_started(file: str) -> None:
    run("bash", "-n", file)
    assert (ROOT / file).stat().st_mode & 0o111


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shell_files_are_clean() -> None:
    run("shellcheck", "-x", *SHELL_FILES)


def test_shell_files_keep_to_the_bash_that_macos_has() -> None:
    newer = re.compile(
        r"declare -[An]|local -n|mapfile|readarray|\|&|&>>|\$\{\w+(,,|\^\^|@\w)|wait -n|\[\[ -v"
        r"|\$\w+[^\x00-\x7f]"  # bash 3.2 may take the bytes of such a character into the name
    )
    found = [
        f"{file}: {line}"
        for file in SHELL_FILES
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
        if newer.search(line)
    ]
    assert found == []


def test_files_stay_short() -> None:
    too_long = []
    for file in python_files("engine", "desktop"):
        network = file.parent == ROOT / "engine" / "models"
        limit = LONGEST_NETWORK_LINES if network else LONGEST_FILE_LINES
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            too_long.append(f"{file.relative_to(ROOT)}: {lines} > {limit}")
    assert too_long == []


def test_no_file_knows_where_somebodys_home_is() -> None:
    files = [*python_files("engine", "desktop", "tests"), *(ROOT / each for each in SHELL_FILES)]
    files += [ROOT / "pyproject.toml", *(ROOT / "resources").rglob("*.md")]
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if HOME_PATH.search(line)
    ]
    assert found == []
