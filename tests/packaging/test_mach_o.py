"""Mach-O files, on small ones made here as macOS' loader sees them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mach_o import keep_arm64, lost_references, read_references, signing_order, too_new

ARM64, X86_64 = 0x0100000C, 0x01000007
_LOAD, _RPATH = 0x0C, 0x8000001C


def library(
    loads: tuple[str, ...] = (),
    search: tuple[str, ...] = (),
    arch: int = ARM64,
    built_for: bytes = b"",
) -> bytes:
    """A library that names others.

    Parameters
    ----------
    built_for : of `build_version` or `oldest_version`
    """
    commands = [_dylib(name) for name in loads] + [_rpath(name) for name in search]
    commands += [built_for] if built_for else []
    body = b"".join(commands)
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, arch, 0, 6, len(commands), len(body), 0, 0)
    return header + body


def universal(*parts: tuple[int, bytes]) -> bytes:
    """One file of several architectures."""
    table, body = b"", b""
    start = 4096
    for arch, content in parts:
        table += struct.pack(">IIIII", arch, 0, start + len(body), len(content), 12)
        body += content + bytes(-len(content) % 4096)
    return (struct.pack(">II", 0xCAFEBABE, len(parts)) + table).ljust(start, b"\0") + body


def write(path: Path, content: bytes) -> Path:
    """With its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def build_version(major: int, minor: int = 0) -> bytes:
    """LC_BUILD_VERSION: platform macOS, its oldest version, the kit's, no tools."""
    return struct.pack("<IIIIII", 0x32, 24, 1, major << 16 | minor << 8, 26 << 16, 0)


def oldest_version(major: int, minor: int = 0) -> bytes:
    """LC_VERSION_MIN_MACOSX, which older linkers wrote."""
    return struct.pack("<IIII", 0x24, 16, major << 16 | minor << 8, 26 << 16)


def _dylib(name: str) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return struct.pack("<IIIIII", _LOAD, 24 + len(text), 24, 0, 0, 0) + text


def _rpath(name: str) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-(len(text) + 12) % 8)
    return struct.pack("<III", _RPATH, 12 + len(text), 12) + text


def test_only_the_apple_silicon_part_of_a_universal_library_is_kept(tmp_path: Path) -> None:
    wanted = library(("@rpath/b.dylib",))
    content = universal((X86_64, library(arch=X86_64) + b"x" * 9000), (ARM64, wanted))
    path = write(tmp_path / "a.dylib", content)
    path.chmod(0o755)
    assert keep_arm64(path)
    assert path.read_bytes() == wanted
    assert path.stat().st_mode & 0o777 == 0o755
    assert not keep_arm64(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.dylib"]


def test_a_library_without_an_apple_silicon_part_stops_the_build(
    tmp_path: Path,
) -> None:
    intel = write(tmp_path / "a.dylib", universal((X86_64, library(arch=X86_64))))
    with pytest.raises(ValueError, match="not built for Apple silicon"):
        keep_arm64(intel)
    java = write(tmp_path / "A.class", b"\xca\xfe\xba\xbe\0\0\0\x34" + b"x" * 99)
    for path in (java, write(tmp_path / "empty", b""), tmp_path):
        assert not keep_arm64(path)


def test_references_are_resolved_from_the_library_its_search_path_and_the_program(
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


def test_an_absolute_reference_into_the_building_machine_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "a.so", library(("/opt/homebrew/lib/libx.dylib", "@rpath/y.dylib")))
    assert len(list(lost_references(tmp_path))) == 2
    assert read_references(write(tmp_path / "b.txt", b"text")) is None


def test_a_library_for_a_newer_macos_than_the_app_needs_is_reported(tmp_path: Path) -> None:
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


def test_inner_parts_are_signed_first_and_the_app_last(tmp_path: Path) -> None:
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
