"""``python packaging/library_reference.py FOLDER``: does every library find those that it names.

And is none built for a newer macOS than the app says it needs. Reads the load commands of Mach-O
files (64 bits, Apple silicon; <mach-o/loader.h>) on any system. Libraries of macOS itself are taken
for granted; all others must lie in the folder.
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


@dataclass(frozen=True)
class References:
    """What a library names.

    Attributes
    ----------
    libraries : as written: absolute, or from @rpath, @loader_path or @executable_path
    search : where @rpath leads, as written
    oldest_macos : what it was built for, e.g. ``(15, 0)``; where it does not say, the oldest of all
    """

    libraries: tuple[str, ...]
    search: tuple[str, ...]
    oldest_macos: tuple[int, int] = (0, 0)


def read_references(path: Path) -> References | None:
    """What the file names; None if it is no Mach-O file of 64 bits.

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
    """Libraries that are named but not there, as sentences.

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
    """Libraries built for a newer macOS than the app promises to run on, as sentences.

    Nobody promises that on an older one such a library can be loaded and finds what it calls.
    """
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


def main() -> int:
    """Print what is lost or too new; the exit code."""
    folder = Path(sys.argv[1]).resolve()
    faults = [*lost_references(folder, folder / "Contents" / "MacOS"), *too_new(folder)]
    for sentence in faults:
        print(sentence, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
