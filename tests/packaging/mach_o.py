"""Small Mach-O files, as loaders see them."""

from __future__ import annotations

import struct
from pathlib import Path

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
