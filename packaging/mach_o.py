"""Mach-O files (macOS' libraries and programs), read on any system.

``python packaging/mach_o.py references APP``: every library finds those that it names, and none is
built for a newer macOS than the app promises to run on.

``python packaging/mach_o.py signing-order APP``: what codesign must be given, one path a line.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from project import OLDEST_MACOS

_MAGIC = 0xFEEDFACF
_HEADER_BYTES = 32
_LOAD = frozenset({0x0C, 0x8000001F})
"""LC_LOAD_DYLIB, LC_REEXPORT_DYLIB; a weak one (0x80000018) may be missing."""
_RPATH = 0x8000001C
_BUILT_FOR = {0x24: 8, 0x32: 12}
"""LC_VERSION_MIN_MACOSX, LC_BUILD_VERSION, and where in them the oldest system stands."""
_OF_MACOS = ("/usr/lib/", "/System/Library/")
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

_FAT = 0xCAFEBABE
_FAT_64 = 0xCAFEBABF
_ARM64 = 0x0100000C
_MANY = 30
"""No library has more architectures; a Java class, which begins with the same bytes, seems to."""


@dataclass(frozen=True)
class References:
    """What a library needs.

    Attributes
    ----------
    libraries : as written: absolute, or from @rpath, @loader_path or @executable_path
    search : where @rpath leads, as written
    oldest_macos : what it was built for, e.g. ``(15, 0)``; ``(0, 0)`` if unknown
    """

    libraries: tuple[str, ...]
    search: tuple[str, ...]
    oldest_macos: tuple[int, int] = (0, 0)


def read_references(path: Path) -> References | None:
    """What the file names; None if it is not a Mach-O file of 64 bits.

    Raises
    ------
    ValueError : if its load commands are damaged
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or struct.unpack_from("<I", header)[0] != _MAGIC:
            return None
        count, size = struct.unpack_from("<II", header, 16)
        commands = file.read(size)
    libraries: list[str] = []
    search: list[str] = []
    oldest_macos = (0, 0)
    at = 0
    for _ in range(count):
        kind, length = struct.unpack_from("<II", commands, at)
        if length < 8 or at + length > len(commands):
            raise ValueError(f"{path} has damaged load commands")
        if kind in _LOAD or kind == _RPATH:
            start = at + struct.unpack_from("<I", commands, at + 8)[0]
            text = commands[start : at + length].partition(b"\0")[0].decode()
            (search if kind == _RPATH else libraries).append(text)
        elif kind in _BUILT_FOR:
            number = struct.unpack_from("<I", commands, at + _BUILT_FOR[kind])[0]
            oldest_macos = (number >> 16, number >> 8 & 0xFF)
        at += length
    return References(tuple(libraries), tuple(search), oldest_macos)


def lost_references(folder: Path, program: Path | None = None) -> Iterator[str]:
    """Libraries that are named but missing, as sentences.

    Parameters
    ----------
    folder : is searched with all it holds
    program : folder of the program (@executable_path)
    """
    for path, found in _all_references(folder):
        for name in found.libraries:
            if not name.startswith(_OF_MACOS) and not _is_there(name, path, found, program):
                yield f"{path.relative_to(folder)} does not find {name}"


def too_new(folder: Path, oldest: str = OLDEST_MACOS) -> Iterator[str]:
    """Libraries built for a newer macOS than the app promises to run on, as sentences."""
    major, minor = oldest.split(".")
    for path, found in _all_references(folder):
        if found.oldest_macos > (int(major), int(minor)):
            needed = "{}.{}".format(*found.oldest_macos)
            yield f"{path.relative_to(folder)} is built for macOS {needed}, not {oldest}"


def _all_references(folder: Path) -> Iterator[tuple[Path, References]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found = read_references(path)
            if found is not None:
                yield path, found


def _is_there(name: str, path: Path, found: References | None, program: Path | None) -> bool:
    first, _, rest = name.partition("/")
    rest = rest.lstrip("/")  # "@loader_path/" as a place to search ends with one of its own
    if first == "@rpath":
        search = () if found is None else found.search
        return any(_is_there(f"{each}/{rest}", path, None, program) for each in search)
    if first == "@loader_path":
        return (path.parent / rest).exists()
    if first == "@executable_path":
        return program is not None and (program / rest).exists()
    return False  # an absolute path of the machine on which it was built


def signing_order(app: Path) -> list[Path]:
    """Every Mach-O file and every framework, deepest first; then the programs; then the app.

    A signature covers what lies within, so the order matters. ``codesign --deep`` is not enough: it
    ignores libraries in Resources.
    """
    programs = app / "Contents" / "MacOS"
    files = [path for path in app.rglob("*") if _is_library(path)]
    libraries = [
        path for path in files if programs not in path.parents and not _is_framework_library(path)
    ]
    frameworks = [path for path in app.rglob("*.framework") if not path.is_symlink()]
    inside = sorted([*libraries, *frameworks], key=lambda path: (-len(path.parts), path))
    main = programs / app.stem
    others = sorted(path for path in files if programs in path.parents and path != main)
    return [*inside, *others, app]  # the main program is signed with the app


def _is_framework_library(path: Path) -> bool:
    """Whether it is a framework's main library, which is signed with the framework."""
    versions = path.parent.parent
    return versions.name == "Versions" and versions.parent.suffix == ".framework"


def _is_library(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _MACH_O


def keep_arm64(path: Path) -> bool:
    """Reduce a Mach-O file of several architectures to that of Apple silicon.

    Links, folders and other files are left as they are; returns whether the file was reduced.

    Raises
    ------
    ValueError : if it has none for Apple silicon
    """
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or struct.unpack(">I", head[:4])[0] not in (_FAT, _FAT_64):
            return False
        magic, count = struct.unpack(">II", head)
        if not 0 < count <= _MANY:
            return False
        found = [part for part in _parts(file.read(32 * count), count, magic) if part[0] == _ARM64]
        if not found:
            raise ValueError(f"{path} is not built for Apple silicon")
        _, offset, size = found[0]
        file.seek(offset)
        content = file.read(size)
    mode = path.stat().st_mode
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(path)
    return True


def _parts(table: bytes, count: int, magic: int) -> Iterator[tuple[int, int, int]]:
    """Architecture, offset and size of each part."""
    layout = struct.Struct(">iIIII" if magic == _FAT else ">iIQQII")
    for number in range(count):
        fields = layout.unpack_from(table, number * layout.size)
        yield fields[0], fields[2], fields[3]


def main() -> int:
    """Print what is asked for; the exit code."""
    asked, app = sys.argv[1], Path(sys.argv[2]).resolve()
    if asked == "signing-order":
        print("\n".join(map(str, signing_order(app))))
        return 0
    faults = [*lost_references(app, app / "Contents" / "MacOS"), *too_new(app)]
    for sentence in faults:
        print(sentence, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
