"""Tags of WAV and AIFF files: a chunk with an ID3 tag, and the INFO list of a WAV file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from engine.audio.splice import Splice
from engine.audio.tags import id3
from engine.audio.tags.tag import FIELDS, MOST_BYTES, Tags

_MOST_CHUNKS = 1_000
_MOST_FILE_BYTES = (1 << 32) - 1
_INFO = {each.info: each.name for each in FIELDS if each.info}
_TEXTS = {b"NAME": "TITLE", b"AUTH": "ARTIST", b"(c) ": "COPYRIGHT", b"ANNO": "COMMENT"}
"""Chunks of AIFF files."""


def read_chunks(file: BinaryIO) -> Tags:
    """The tags of a WAV, RF64 or AIFF file; what its ID3 tag says goes first."""
    tag, others = Tags(), []
    for name, content in _chunks(file):
        if name in (b"ID3 ", b"id3 "):
            tag = id3.parse(content)
        elif name == b"LIST" and content[:4] == b"INFO":
            for key, text in _inner(content[4:]):
                others.append((_INFO.get(key.decode("latin-1"), ""), _text(text)))
        elif name in _TEXTS:
            others.append((_TEXTS[name], _text(content)))
    return tag.or_else(Tags.of(others))


def chunk_splices(file: BinaryIO, tags: Tags) -> list[Splice]:
    """What puts tags at the end of a WAV, RF64 or AIFF file that has none."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(28)
    order = "big" if head[:4] == b"FORM" else "little"
    added = b"\0" if size % 2 else b""
    if order == "little":
        inner = b""
        for row in FIELDS:
            if row.info and row.name in tags.texts:
                text = "; ".join(tags.texts[row.name]).encode("utf-8", "replace") + b"\0"
                inner += _chunk(row.info.encode(), text, "<")
        added += _chunk(b"LIST", b"INFO" + inner, "<") if inner else b""
        added += _chunk(b"id3 ", id3.make(tags), "<")
    else:
        added += _chunk(b"ID3 ", id3.make(tags), ">")
    total = size + len(added) - 8
    end = Splice(size, size, added)
    if head[:4] == b"RF64":  # its chunk ds64 has the size in 64 bits
        return [end, Splice(20, 28, total.to_bytes(8, "little"))]
    if total > _MOST_FILE_BYTES:
        return []
    return [end, Splice(4, 8, total.to_bytes(4, order))]  # type: ignore[arg-type]


def _chunk(name: bytes, content: bytes, order: str) -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The small chunks of a file."""
    file.seek(0)
    layout = ">4sI" if file.read(12)[:4] == b"FORM" else "<4sI"
    data_bytes = None
    at = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack(layout, head)
        if name == b"ds64":
            data_bytes = struct.unpack_from("<Q", file.read(16), 8)[0]
        elif name == b"data" and data_bytes is not None:
            size = data_bytes
        elif name not in (b"data", b"SSND") and size <= MOST_BYTES:
            yield name, file.read(size)
        at += 8 + size + size % 2


def _inner(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _text(content: bytes) -> str:
    text = content.split(b"\0")[0]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
