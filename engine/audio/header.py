"""How much sound a file's structure promises, to tell a file that is cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MAX_CHUNKS = 1_000
_MAX_CHUNK_BYTES = 1 << 40
_OGG_TAIL_BYTES = 1 << 17  # more than the largest page

# Programs that write to a pipe cannot know the length and leave one of these in its place.
_UNKNOWN_FROM = 0x7FFF_F000

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def promised_ratio(path: Path) -> float:
    """Promised size of the sound over the size that is in the file.

    Reads chunk headers only, of WAV, RF64, AIFF, AIFC, Wave64 and CAF.

    Returns
    -------
    1 if all is there, if nothing is promised, or if the file is of another kind; > 1 if cut off

    Raises
    ------
    OSError : if the file cannot be read
    """
    with path.open("rb") as file:
        found = _find_sound(file)
        file_bytes = file.seek(0, 2)
    if found is None:
        return 1.0
    start, promised_bytes = found
    present_bytes = file_bytes - start
    if promised_bytes <= present_bytes or present_bytes <= 0:
        return 1.0
    return promised_bytes / present_bytes


def ogg_ends(path: Path) -> bool:
    """Whether the last page of an Ogg file says that the stream ends there.

    Raises
    ------
    OSError : if the file cannot be read
    """
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(max(0, file_bytes - _OGG_TAIL_BYTES))
        tail = file.read()
    flags_at = tail.rfind(b"OggS") + 5
    return flags_at < len(tail) and bool(tail[flags_at] & 4)


def _find_sound(file: BinaryIO) -> tuple[int, int] | None:
    """(offset of the first sample, promised bytes), or None where nothing is promised."""
    head = file.read(40)
    if head[:16] == _W64_RIFF:
        return _walk_w64(file)
    kind, form = head[:4], head[8:12]
    if kind == b"RF64" and form == b"WAVE" and head[12:16] == b"ds64":
        (data_bytes,) = struct.unpack_from("<Q", head.ljust(40, b"\0"), 28)
        found = _walk(file, 12, "<4sI", b"data")
        return None if found is None else (found[0], int(data_bytes))
    if kind == b"caff":
        found = _walk(file, 8, ">4sq", b"data")
        return None if found is None or found[1] < 0 else found
    if kind == b"RIFF" and form == b"WAVE":
        found = _walk(file, 12, "<4sI", b"data")
    elif kind == b"FORM" and form in {b"AIFF", b"AIFC"}:
        found = _walk(file, 12, ">4sI", b"SSND")
    else:
        return None
    return None if found is None or found[1] >= _UNKNOWN_FROM else found


def _walk(file: BinaryIO, at: int, layout: str, wanted: bytes) -> tuple[int, int] | None:
    header_bytes = struct.calcsize(layout)
    padded = header_bytes == 8  # the IFF family starts chunks at even places, CAF anywhere
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(header_bytes)
        if len(header) < header_bytes:
            return None
        name, size = struct.unpack(layout, header)
        if name == wanted:
            return at + header_bytes, int(size)
        if not 0 <= size < _MAX_CHUNK_BYTES:
            return None
        at += header_bytes + size + (size % 2 if padded else 0)
    return None


def _walk_w64(file: BinaryIO) -> tuple[int, int] | None:
    at = 40
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(24)
        if len(header) < 24:
            return None
        (size,) = struct.unpack_from("<Q", header, 16)
        if header[:16] == _W64_DATA:
            return at + 24, int(size) - 24
        if not 24 <= size < _MAX_CHUNK_BYTES:
            return None
        at += (size + 7) // 8 * 8
    return None
