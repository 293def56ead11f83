from __future__ import annotations

import os
import plistlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from library_reference import lost_references, read_references, too_new
from signing import signing_order
from trim import compile_all, delete, forget_builder, keep_arm64, mend_framework, trim_archive

from tests.packaging.mach_o import (
    ARM64,
    X86_64,
    build_version,
    library,
    oldest_version,
    universal,
    write,
)


def test_of_a_library_for_two_processors_apples_part_is_kept(tmp_path: Path) -> None:
    wanted = library(("@rpath/b.dylib",))
    content = universal((X86_64, library(arch=X86_64) + b"x" * 9000), (ARM64, wanted))
    path = write(tmp_path / "a.dylib", content)
    path.chmod(0o755)
    assert keep_arm64(path)
    assert path.read_bytes() == wanted
    assert path.stat().st_mode & 0o777 == 0o755
    assert not keep_arm64(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.dylib"]


def test_a_library_without_that_part_stops_the_build_and_other_files_are_left(
    tmp_path: Path,
) -> None:
    intel = write(tmp_path / "a.dylib", universal((X86_64, library(arch=X86_64))))
    with pytest.raises(ValueError, match="not built for Apple silicon"):
        keep_arm64(intel)
    java = write(tmp_path / "A.class", b"\xca\xfe\xba\xbe\0\0\0\x34" + b"x" * 99)
    for path in (java, write(tmp_path / "empty", b""), tmp_path):
        assert not keep_arm64(path)


def test_what_matches_goes_with_the_links_to_it(tmp_path: Path) -> None:
    write(tmp_path / "torch/include/a.h", b"")
    write(tmp_path / "torch/lib/a.dylib", b"")
    (tmp_path / "torch/link").symlink_to("include/a.h")
    delete(tmp_path, ("torch/include", "torch/**/*.h", "absent/*"))
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["torch", "torch/lib", "torch/lib/a.dylib"]


def test_the_zip_keeps_modules_and_metadata_and_loses_tests_caches_and_what_lies_beside(
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
    write(framework / "Versions/A/QtCore", library())
    write(framework / "Versions/A/Resources/Info.plist", b"1")
    write(framework / "Resources/Info.plist", b"1")
    for _ in range(2):
        mend_framework(framework)
        links = {p.name: str(p.readlink()) for p in framework.rglob("*") if p.is_symlink()}
        assert links == {
            "Current": "A",
            "QtCore": "Versions/Current/QtCore",
            "Resources": "Versions/Current/Resources",
        }
        assert (framework / "Resources/Info.plist").read_bytes() == b"1"


def test_modules_are_compiled_for_a_place_that_cannot_be_written(tmp_path: Path) -> None:
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


def test_a_module_of_ours_that_is_no_python_stops_the_build(tmp_path: Path) -> None:
    write(tmp_path / "torch/for_another_python.py", b"def f(:\n")
    compile_all(tmp_path)
    write(tmp_path / "desktop/a.py", b"def f(:\n")
    with pytest.raises(SyntaxError, match="desktop"):
        compile_all(tmp_path)


def test_the_builders_python_is_forgotten(tmp_path: Path) -> None:
    content = {"A": 1, "PythonInfoDict": {"PythonExecutable": "/b/python", "PythonVersion": "3"}}
    path = write(tmp_path / "Info.plist", plistlib.dumps(content))
    forget_builder(path)
    assert plistlib.loads(path.read_bytes()) == {"A": 1, "PythonInfoDict": {"PythonVersion": "3"}}


def test_libraries_are_found_from_themselves_their_search_path_and_the_program(
    tmp_path: Path,
) -> None:
    loads = ("@rpath/b.dylib", "@loader_path/lib/c.dylib", "/usr/lib/libSystem.B.dylib")
    search = ("@loader_path/", "@loader_path/../elsewhere")
    path = write(tmp_path / "p/a.so", library((*loads, "@executable_path/../d.dylib"), search))
    found = read_references(path)
    assert found is not None
    assert found.libraries == (*loads, "@executable_path/../d.dylib")
    assert found.search == search
    program = tmp_path / "MacOS"
    program.mkdir()
    lost = list(lost_references(tmp_path, program))
    assert [line.rpartition(" ")[2] for line in lost] == [*loads[:2], "@executable_path/../d.dylib"]
    for name in ("elsewhere/b.dylib", "p/lib/c.dylib", "d.dylib"):
        write(tmp_path / name, library())
    assert list(lost_references(tmp_path, program)) == []


def test_a_library_of_the_machine_that_built_it_is_lost(tmp_path: Path) -> None:
    write(tmp_path / "a.so", library(("/opt/homebrew/lib/libx.dylib", "@rpath/y.dylib")))
    assert len(list(lost_references(tmp_path))) == 2
    assert read_references(write(tmp_path / "b.txt", b"text")) is None


def test_a_library_for_a_newer_macos_than_the_app_needs_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a/fits.so", library(("@rpath/b.dylib",), built_for=build_version(15)))
    write(tmp_path / "a/old.so", library(built_for=oldest_version(10, 13)))
    write(tmp_path / "a/silent.so", library())
    write(tmp_path / "a/text.so", b"text")
    assert list(too_new(tmp_path)) == []
    write(tmp_path / "b/later.so", library(built_for=build_version(15, 4)))
    write(tmp_path / "b/new.so", library(("@rpath/b.dylib",), built_for=build_version(26)))
    write(tmp_path / "b/odd.so", library(built_for=oldest_version(16, 1)))
    assert list(too_new(tmp_path)) == [
        "b/later.so is built for macOS 15.4, not 15.0",
        "b/new.so is built for macOS 26.0, not 15.0",
        "b/odd.so is built for macOS 16.1, not 15.0",
    ]
    assert list(too_new(tmp_path, "26.0")) == []


def test_what_lies_inside_is_signed_first_and_the_app_last(tmp_path: Path) -> None:
    app = tmp_path / "Ultimate RVC.app"
    contents = app / "Contents"
    heart = "Frameworks/Python.framework/Versions/3.11/Python"
    names = [heart, "Resources/lib/a.so", "Resources/lib/torch/lib/b.dylib", "MacOS/python"]
    for name in (*names, "MacOS/Ultimate RVC", "Frameworks/libz.dylib"):
        write(contents / name, library())
    write(contents / "Resources/lib/a.py", b"text")
    (contents / "Resources/lib/link.so").symlink_to("a.so")
    (contents / "Frameworks/Python.framework/Versions/Current").symlink_to("3.11")
    order = [path.relative_to(tmp_path).as_posix() for path in signing_order(app)]
    prefix = "Ultimate RVC.app/Contents/"
    assert order == [
        f"{prefix}Resources/lib/torch/lib/b.dylib",
        f"{prefix}Resources/lib/a.so",
        f"{prefix}Frameworks/Python.framework",
        f"{prefix}Frameworks/libz.dylib",
        f"{prefix}MacOS/python",
        "Ultimate RVC.app",
    ]
