"""The rules of a bundle, on a small one: it keeps them, and each planted fault is found."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import size_budget
from bundle import Bundle, check
from contents import data_files
from info_plist import ICON, info_plist
from project import APP_NAME, ROOT


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = Bundle(tmp_path / f"{APP_NAME}.app")
    for package in ("engine", "desktop", "torch"):
        (made.library / package).mkdir(parents=True)
        (made.library / package / "__init__.py").touch()
    for folder, files in data_files():
        (made.resources / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, made.resources / folder)
    with zipfile.ZipFile(made.archive, "w") as file:
        file.writestr("os.pyc", b"")
        file.writestr("soundfile.pyc", b"")
    (made.resources / ICON).touch()
    shutil.copy(ROOT / "packaging" / "launch.py", made.resources)
    made.plist.write_bytes(plistlib.dumps(info_plist() | {"PyMainFileNames": ["__boot__"]}))
    return made


def test_a_bundle_as_it_should_be_has_no_fault(bundle: Bundle) -> None:
    assert check(bundle) == []


def test_excluded_modules_are_found_as_folder_native_module_and_in_the_zip(bundle: Bundle) -> None:
    (bundle.library / "av").mkdir()
    (bundle.library / "lib-dynload").mkdir()
    (bundle.library / "lib-dynload" / "_tkinter.cpython-311-darwin.so").touch()
    with zipfile.ZipFile(bundle.archive, "a") as file:
        file.writestr("pytest/__init__.pyc", b"")
    assert check(bundle) == [f"{name} must not be inside" for name in ("_tkinter", "av", "pytest")]


@pytest.mark.parametrize("name", ["libx264.165.dylib", "libavcodec.62.dylib", "libx265-f5.so.2"])
def test_a_library_under_the_gpl_is_found_wherever_it_lies(bundle: Bundle, name: str) -> None:
    (bundle.library / "torch" / name).touch()
    (fault,) = check(bundle)
    assert f"{name} looks like a library under the GPL" in fault


def test_tests_and_recipes_are_for_development_only(bundle: Bundle) -> None:
    (bundle.library / "engine" / "test_a.py").touch()
    (bundle.library / "resources" / "starter" / "train.py").touch()
    assert [fault.rpartition("/")[2] for fault in check(bundle)] == [
        "test_a.py is for development only",
        "train.py is for development only",
    ]


def test_a_missing_resource_is_found(bundle: Bundle) -> None:
    (bundle.library / "resources" / "starter" / "voice.pth").unlink()
    (fault,) = check(bundle)
    assert fault.endswith("resources/starter/voice.pth is missing")


def test_a_missing_language_is_found(bundle: Bundle) -> None:
    shutil.rmtree(bundle.resources / "zh-Hant.lproj")
    assert check(bundle) == [
        "zh-Hant.lproj/InfoPlist.strings is missing",
        "zh-Hant.lproj/ServicesMenu.strings is missing",
    ]


def test_a_path_of_the_machine_that_built_it_is_found(bundle: Bundle) -> None:
    (bundle.library / "engine" / "a.pyc").write_bytes(b"\0" + str(ROOT).encode() + b"/engine/a.py")
    faults = check(bundle)
    assert any("engine/a.pyc names" in fault for fault in faults), faults


def test_a_path_of_the_builder_and_tests_in_the_zip_are_found(bundle: Bundle) -> None:
    with zipfile.ZipFile(bundle.archive, "a") as file:
        file.writestr("networkx/a.pyc", f"{ROOT}/build/networkx/a.py")
        file.writestr("mpmath/tests/a.pyc", b"")
    (bundle.library / "torch" / "tests").mkdir()
    zipped, folder, named = check(bundle)
    assert zipped.endswith("e.g. mpmath/tests/a.pyc")
    assert folder.endswith("torch/tests is for development only")
    assert named.endswith("networkx/a.pyc names a folder of this machine")


def test_an_information_file_that_py2app_or_a_hand_changed_is_found(bundle: Bundle) -> None:
    changed = info_plist() | {"LSMinimumSystemVersion": "10.9"}
    bundle.plist.write_bytes(plistlib.dumps(changed))
    (bundle.resources / ICON).unlink()
    assert check(bundle) == [
        "Info.plist: LSMinimumSystemVersion is '10.9', not '15.0'",
        "Info.plist names an icon that is not there",
    ]


def test_a_part_that_outgrows_its_budget_is_told_and_all_parts_add_up(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundle.library / "torch" / "big").write_bytes(bytes(3_000_000))
    sizes = size_budget.part_sizes(bundle.library, bundle.app)
    whole = sum(p.stat().st_size for p in bundle.app.rglob("*") if p.is_file()) / 1e6
    assert sum(sizes.values()) == pytest.approx(whole)
    assert size_budget.too_large(sizes) == []
    monkeypatch.setattr(
        size_budget, "read_budget", lambda: dict.fromkeys(sizes, 50.0) | {"torch": 2}
    )
    assert size_budget.too_large(sizes) == ["torch has 3.0 MB, 2 MB are its budget"]


def test_the_first_script_starts_the_app_from_anywhere_and_hands_its_options_on() -> None:
    code = (
        "import runpy, sys; sys.frozen = 'macosx_app'; sys.argv[:] = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print(hasattr(sys, 'frozen'))"
    )
    script = str(ROOT / "packaging" / "launch.py")
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, script, "--engine", "voices", "--help"],
        cwd="/",
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: urvc voices")
    assert done.stdout.endswith("True\n")  # py2app's own recipes look for its mark
