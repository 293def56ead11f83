"""The boxes that an MP4 or QuickTime file is made of: found, taken apart and put together."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

Boxes = list[tuple[bytes, bytes]]
"""Names of four bytes, and what is inside."""

_MAX_BOXES = 100_000


@dataclass(frozen=True)
class FileBox:
    """A box of a file that is in no other.

    Attributes
    ----------
    start, content, end : byte offsets of its header, of what is inside, and of what follows
    to_the_end : whether it states no size: it ends where the file ends
    """

    name: bytes
    start: int
    content: int
    end: int
    to_the_end: bool = False

    def read(self, file: BinaryIO) -> bytes:
        """What is inside.

        Raises
        ------
        OSError : it cannot be read
        """
        file.seek(self.content)
        return file.read(self.end - self.content)


def boxes_of_file(file: BinaryIO) -> Iterator[FileBox]:
    """The outermost boxes; ends early where the file does, or at what is no box.

    Raises
    ------
    OSError : it cannot be read
    """
    size = file.seek(0, 2)
    at = 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head[:8])
        content = at + 8
        if length == 1 and len(head) == 16:
            length, content = int.from_bytes(head[8:]), at + 16
        end = at + length if length else size
        if end < content or end > size:
            return
        yield FileBox(name, at, content, end, to_the_end=not length)
        at = end


def movie_of_file(file: BinaryIO, most_bytes: int) -> FileBox | None:
    """The box ``moov``; None where the file ends before it, or where more is inside than that.

    Raises
    ------
    OSError : it cannot be read
    """
    found = next((each for each in boxes_of_file(file) if each.name == b"moov"), None)
    return found if found is not None and found.end - found.content <= most_bytes else None


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes inside one, until something is none."""
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if not 8 <= length <= len(content) - at:
            return
        yield name, content[at + 8 : at + length]
        at += length


def inside(content: bytes, *path: bytes) -> bytes | None:
    """What is inside the first box of a name, and so on down; None where one is missing."""
    found: bytes | None = content
    for name in path:
        if found is None:
            return None
        found = next((inner for each, inner in boxes(found) if each == name), None)
    return found


def box(name: bytes, content: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def joined(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Boxes one after the other."""
    return b"".join(box(name, content) for name, content in parts)


def replaced(content: bytes, name: bytes, new: Callable[[bytes], bytes]) -> bytes:
    """The boxes with what is inside the first of a name replaced; appended where none has it."""
    parts = list(boxes(content))
    at = next((k for k, part in enumerate(parts) if part[0] == name), None)
    if at is None:
        return joined([*parts, (name, new(b""))])
    return joined([*parts[:at], (name, new(parts[at][1])), *parts[at + 1 :]])
