"""The rules of the house that can be checked by a program; shell scripts: tests/packaging."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
BANNED_NAMES = {"utils", "common", "helpers", "misc", "manager", "core"}
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


UPPER_FLOORS = ("engine.__main__", "engine.cli", "engine.measure", "engine.library")


def is_in(module: str, folders: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in folders)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each of our modules imports, ours and others; not what it needs for types only."""
    graph = grimp.build_graph(
        "engine", "desktop", include_external_packages=True, exclude_type_checking_imports=True
    )
    ours = [name for name in graph.modules if is_in(name, ("engine", "desktop"))]
    return {name: graph.find_modules_directly_imported_by(name) for name in ours}


def test_the_core_of_the_engine_imports_nothing_above_it(imports: dict[str, set[str]]) -> None:
    core = [each for each in imports if is_in(each, ("engine",)) and not is_in(each, UPPER_FLOORS)]
    assert len(core) > 30
    upwards = {(each, to) for each in core for to in imports[each] if is_in(to, UPPER_FLOORS)}
    assert upwards == set()


def test_networks_import_torch_numpy_and_their_siblings_only(imports: dict[str, set[str]]) -> None:
    siblings = ("engine.models",)
    networks = [each for each in imports if is_in(each, siblings)]
    assert len(networks) > 5
    others = {to for each in networks for to in imports[each] if not is_in(to, siblings)}
    assert others - {"torch", "numpy"} - sys.stdlib_module_names == set()


def test_only_its_accelerator_imports_mlx(imports: dict[str, set[str]]) -> None:
    theirs = ("engine.accelerators.mlx",)
    importers = {each for each, to in imports.items() if "mlx" in to}
    assert importers
    assert [each for each in importers if not is_in(each, theirs)] == []


def test_only_its_accelerator_imports_core_ml(imports: dict[str, set[str]]) -> None:
    theirs = ("engine.accelerators.coreml",)
    importers = {each for each, to in imports.items() if to & {"CoreML", "coremltools"}}
    assert importers
    assert [each for each in importers if not is_in(each, theirs)] == []


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    TopologicalSorter(imports).prepare()  # raises CycleError with the circle


def test_files_stay_short() -> None:
    too_long = []
    for file in python_files("engine", "desktop"):
        network = file.parent == ROOT / "engine" / "models"
        limit = LONGEST_NETWORK_LINES if network else LONGEST_FILE_LINES
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > limit:
            too_long.append(f"{file.relative_to(ROOT)}: {lines} > {limit}")
    assert too_long == []


def test_modules_are_named_after_what_they_hold() -> None:
    files = python_files("engine", "desktop", "packaging", "tests")
    names = {file: {*file.stem.split("_"), file.parent.name} for file in files}
    assert [str(file) for file, parts in names.items() if parts & BANNED_NAMES] == []


def test_no_file_knows_where_somebodys_home_is() -> None:
    files = [*python_files("engine", "desktop", "packaging", "tests"), ROOT / "urvc-macos.sh"]
    files += [ROOT / "pyproject.toml", *(ROOT / "resources").rglob("*.md")]
    files += [path for path in (ROOT / "packaging").rglob("*.*") if path.suffix in (".sh", ".txt")]
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if HOME_PATH.search(line)
    ]
    assert found == []
