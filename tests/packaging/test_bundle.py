"""The rules of a bundle, on a small one: it keeps them, and each planted fault is found."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import size_budget
from bundle import Bundle, check, compile_all, delete, forget_builder, link_framework, trim_archive
from contents import LICENCES, data_files
from lock import read_pins
from project import APP_NAME, ICON, ROOT, info_plist


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


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
    licences = [{"name": name, "text": "Copyright"} for name in read_pins("runtime")]
    (made.library / LICENCES).write_text(json.dumps(licences))
    (made.resources / ICON).touch()
    shutil.copy(ROOT / "packaging" / "launch.py", made.resources)
    made.plist.write_bytes(plistlib.dumps(info_plist() | {"PyMainFileNames": ["__boot__"]}))
    return made


def test_a_correct_bundle_passes_all_checks(bundle: Bundle) -> None:
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


def test_tests_and_recipes_in_the_bundle_are_found(bundle: Bundle) -> None:
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


def test_a_package_without_its_licence_is_found(bundle: Bundle) -> None:
    stored = json.loads((bundle.library / LICENCES).read_text())
    kept = [each for each in stored if each["name"] not in ("av", "scipy")]
    (bundle.library / LICENCES).write_text(json.dumps(kept))
    assert check(bundle) == [f"{LICENCES} has no licence of scipy"]


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


def test_a_changed_info_plist_is_found(bundle: Bundle) -> None:
    changed = info_plist() | {"LSMinimumSystemVersion": "10.9"}
    bundle.plist.write_bytes(plistlib.dumps(changed))
    (bundle.resources / ICON).unlink()
    assert check(bundle) == [
        "Info.plist: LSMinimumSystemVersion is '10.9', not '15.0'",
        "Info.plist names an icon that does not exist",
    ]


def test_a_part_over_its_budget_is_named_and_the_sizes_add_up(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bundle.library / "torch" / "big").write_bytes(bytes(3_000_000))
    sizes = size_budget.part_sizes(bundle.library, bundle.app)
    whole = sum(p.stat().st_size for p in bundle.app.rglob("*") if p.is_file()) / 1e6
    assert sum(sizes.values()) == pytest.approx(whole)
    assert size_budget.too_large(sizes) == []
    monkeypatch.setattr(size_budget, "BUDGET_MB", dict.fromkeys(sizes, 50) | {"torch": 2})
    assert size_budget.too_large(sizes) == ["torch has 3.0 MB; its budget is 2 MB"]


def test_the_first_script_starts_the_app_from_any_folder_and_passes_its_options_on() -> None:
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


def test_matching_files_are_deleted_with_the_links_to_them(tmp_path: Path) -> None:
    write(tmp_path / "torch/include/a.h", b"")
    write(tmp_path / "torch/lib/a.dylib", b"")
    (tmp_path / "torch/link").symlink_to("include/a.h")
    delete(tmp_path, ("torch/include", "torch/**/*.h", "absent/*"))
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["torch", "torch/lib", "torch/lib/a.dylib"]


def test_the_zip_keeps_modules_and_metadata_but_not_tests_caches_and_data_of_packages_beside_it(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "python311.zip"
    names = ["os.pyc", "torch-2.13.0.dist-info/METADATA", "networkx/__init__.pyc"]
    dropped = ["numpy/_core/lib/libnpymath.a", "mpmath/tests/a.pyc", "fsspec/__pycache__/a.pyc"]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names + dropped:
            file.writestr(name, name.encode())
    trim_archive(archive, {"numpy"})
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == names
        assert file.read("os.pyc") == b"os.pyc"
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_DEFLATED}
    assert [path.name for path in tmp_path.iterdir()] == ["python311.zip"]


def test_a_framework_from_a_wheel_gets_its_links(tmp_path: Path) -> None:
    framework = tmp_path / "QtCore.framework"
    write(framework / "Versions/A/QtCore", b"")
    write(framework / "Versions/A/Resources/Info.plist", b"1")
    write(framework / "Resources/Info.plist", b"1")
    for _ in range(2):
        link_framework(framework)
        links = {p.name: str(p.readlink()) for p in framework.rglob("*") if p.is_symlink()}
        assert links == {
            "Current": "A",
            "QtCore": "Versions/Current/QtCore",
            "Resources": "Versions/Current/Resources",
        }
        assert (framework / "Resources/Info.plist").read_bytes() == b"1"


def test_modules_are_compiled_for_a_read_only_folder(tmp_path: Path) -> None:
    module = write(tmp_path / "engine/a.py", b"import sys\nwhere = sys._getframe().f_code\n")
    compile_all(tmp_path)
    (cache,) = (tmp_path / "engine/__pycache__").iterdir()
    assert cache.read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, unchecked
    assert str(tmp_path).encode() not in cache.read_bytes()
    module.write_bytes(b"raise RuntimeError\n")  # what is compiled counts
    code = "import engine.a; print(engine.a.where.co_name)"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=alone, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "<module>\n"


def test_a_syntax_error_in_our_own_code_stops_the_build(tmp_path: Path) -> None:
    write(tmp_path / "torch/for_another_python.py", b"def f(:\n")
    compile_all(tmp_path)
    write(tmp_path / "desktop/a.py", b"def f(:\n")
    with pytest.raises(SyntaxError, match="desktop"):
        compile_all(tmp_path)


def test_the_path_of_the_builders_python_is_removed(tmp_path: Path) -> None:
    content = {"A": 1, "PythonInfoDict": {"PythonExecutable": "/b/python", "PythonVersion": "3"}}
    path = write(tmp_path / "Info.plist", plistlib.dumps(content))
    forget_builder(path)
    assert plistlib.loads(path.read_bytes()) == {"A": 1, "PythonInfoDict": {"PythonVersion": "3"}}
