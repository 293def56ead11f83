"""Pictures of voices: kind and size are read from the header, without decoding."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Message, Refusal, Text
from engine.files import open_file

LARGEST_BYTES = 20 * 2**20
MOST_PIXELS = 50_000_000
"""A decoder needs four bytes for each: 200 MB."""

_HEAD_BYTES = 256 * 1024
"""In a JPEG, the size follows profiles and thumbnails."""

# Start-of-frame markers of JPEG; C4, C8 and CC are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


class PictureError(Refusal):
    """A file cannot be a voice's picture."""

    def __init__(self, why: Message) -> None:
        super().__init__(why, "choose a PNG, JPEG or WebP picture")


@dataclass(frozen=True)
class PictureHeader:
    """What a picture is; ``ending`` is ``.png``, ``.jpg`` or ``.webp``."""

    ending: str
    width: int
    height: int


def read_picture_header(path: Path) -> PictureHeader:
    """Kind and size of a picture.

    Raises
    ------
    PictureError : it is another kind of file, too large, or damaged
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_BYTES:
            raise PictureError(Text("it has more than {limit} MB", limit=LARGEST_BYTES // 2**20))
        head = file.read(_HEAD_BYTES)
    try:
        header = _header(head)
    except (struct.error, IndexError) as error:
        raise PictureError("it is damaged or cut short") from error
    pixels = header.width * header.height
    if not 0 < pixels <= MOST_PIXELS:
        raise PictureError(
            Text("it has {width} × {height} pixels", width=header.width, height=header.height)
        )
    return header


def _header(head: bytes) -> PictureHeader:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, width, height = struct.unpack_from(">4sII", head, 12)
        if kind != b"IHDR":
            raise PictureError("it is damaged")
        return PictureHeader(".png", width, height)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return PictureHeader(".webp", *_webp_size(head))
    raise PictureError("it isn't a PNG, JPEG or WebP picture")


def _jpeg(head: bytes) -> PictureHeader:
    place = 2
    while True:
        if head[place] != 0xFF:
            raise PictureError("it is damaged")
        marker = head[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, place + 5)
            return PictureHeader(".jpg", width, height)
        else:
            (length,) = struct.unpack_from(">H", head, place + 2)
            if length < 2:
                raise PictureError("it is damaged")
            place += 2 + length


def _webp_size(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = head[24:27], head[27:30]
        if len(height) != 3:
            raise PictureError("it is damaged or cut short")
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise PictureError("it is damaged")
