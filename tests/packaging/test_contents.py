"""Every import that the app makes, lazy ones too, against what goes into the bundle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import files, packages_distributions
from pathlib import Path
from types import SimpleNamespace

import pytest
import setup
from contents import EXCLUDED, IMPORT_NAMES, OWN_PACKAGES, data_files, packages
from project import ROOT, read_project

WITHOUT_PYAV = {"aac_writer.py", "container_decoder.py", "remux.py", "timeline.py"}


def imports() -> Iterator[tuple[Path, str]]:
    """Each file of the app with the top names that it imports anywhere."""
    for folder in OWN_PACKAGES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield path, node.module.partition(".")[0]


def names_of(distribution: str) -> set[str]:
    """Top names that an installed distribution brings."""
    return {
        name
        for name, owners in packages_distributions().items()
        if distribution.lower().replace("_", "-")
        in {owner.lower().replace("_", "-") for owner in owners}
    }


def test_the_app_imports_only_python_itself_and_dependencies() -> None:
    allowed = set(sys.stdlib_module_names) | set(OWN_PACKAGES)
    for distribution in read_project().distributions:
        allowed |= names_of(distribution) | set(IMPORT_NAMES[distribution])
    allowed |= {"sounddevice", "_sounddevice_data", "shiboken6"}
    allowed |= {"mlx", "coremltools"}  # extras, which the bundle does not hold
    stray = {(path.name, name) for path, name in imports() if name not in allowed}
    assert stray == set()


def test_of_the_excluded_modules_only_pyav_is_imported_where_macos_replaces_it() -> None:
    found = {(path.name, name) for path, name in imports() if name in EXCLUDED}
    assert {name for _, name in found} == {"av"}
    assert {file for file, _ in found} == WITHOUT_PYAV


def test_modules_are_imported_by_name_so_that_the_collection_sees_them() -> None:
    computed = []
    for folder in OWN_PACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if called in {"import_module", "__import__"}:
                        computed.append(path.relative_to(ROOT).as_posix())
    # They import only modules of our own packages and of torch, which go in whole.
    assert set(computed) <= {
        "engine/__init__.py",
        "engine/accelerators/__init__.py",
        "engine/child.py",
        "engine/cli/command.py",
        "engine/effects/__init__.py",
        "engine/lean_torch.py",
        "engine/measure/self_test.py",
        "engine/pitch/methods.py",
    }


def test_the_table_of_packages_matches_the_dependencies() -> None:
    assert set(read_project().distributions) == set(IMPORT_NAMES)


@pytest.mark.parametrize("distribution", sorted(IMPORT_NAMES))
def test_what_holds_native_libraries_goes_in_as_a_folder(distribution: str) -> None:
    if not IMPORT_NAMES[distribution]:
        pytest.skip("stays out of the bundle")
    if distribution.startswith("pyobjc") and sys.platform != "darwin":
        pytest.skip("is installed on macOS only")
    native = {
        path.parts[0]
        for path in files(distribution) or ()
        if path.name.endswith((".so", ".dylib")) or ".so." in path.name
    }
    native = {each.partition(".")[0] for each in native if not each.endswith(".libs")}
    assert native <= set(packages()), native


def test_the_gpl_and_the_tests_stay_out() -> None:
    assert {"av", "tests", "tkinter", "pytest", "hypothesis", "transformers"} <= set(EXCLUDED)
    assert not set(packages()) & set(EXCLUDED)
    assert "numpy.f2py" not in EXCLUDED


def test_resources_go_where_the_code_looks_for_them_and_recipes_are_left_out() -> None:
    shipped = [Path(folder, Path(file).name) for folder, group in data_files() for file in group]
    names = {path.as_posix().partition("/resources/")[2] for path in shipped}
    assert {"starter/voice.pth", "starter/NOTICE", "starter/encoder/config.json"} <= names
    assert {"translations/desktop_zh_TW.qm", "icons/app.svg", "self_test/result.wav"} <= names
    assert not any(name.endswith((".ts", ".py")) or "recipe" in name for name in names)
    assert any(path.name == "LICENSE" for path in shipped)


def test_options_name_one_architecture_our_own_packages_and_no_ready_made_environment() -> None:
    options = setup.options()
    assert options["arch"] == "arm64"
    assert {"engine", "desktop", "torch", "PIL", "shiboken6"} <= set(options["packages"])
    assert "av" in options["excludes"]
    assert not any(options[key] for key in ("site_packages", "semi_standalone", "argv_emulation"))
    for place in (setup.BUILD, setup.DIST):
        assert place.is_relative_to(ROOT)


def test_recipes_that_change_every_start_are_dropped_and_others_stay() -> None:
    def check(*_: object) -> dict[str, object]:
        return {"prescripts": ["something"]}

    names = (*setup.UNWANTED_RECIPES, "multiprocessing")
    recipes = SimpleNamespace(**{name: SimpleNamespace(check=check) for name in names})
    setup.drop_recipes(recipes)
    assert [getattr(recipes, name).check(None, None) for name in names] == [
        None,
        None,
        {"prescripts": ["something"]},
    ]
