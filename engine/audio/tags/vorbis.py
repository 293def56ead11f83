"""Vorbis comments in FLAC and Ogg files; see xiph.org/vorbis/doc/v-comment.html."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from engine.audio.splice import Splice
from engine.audio.tags.tag import FIELDS, MOST_BYTES, NUMBERS, Picture, Tags

_TOTALS = {"TRACKNUMBER": "TRACKTOTAL", "DISCNUMBER": "DISCTOTAL"}
_SYNONYMS = {"ALBUM ARTIST": "ALBUMARTIST", "UNSYNCEDLYRICS": "LYRICS", "YEAR": "DATE"}
_PICTURE = "METADATA_BLOCK_PICTURE"
_MOST_COMMENTS = 10_000

_FLAC = b"fLaC"
_COMMENT_BLOCK, _PICTURE_BLOCK = 4, 6

_PAGE_HEAD = 27
_MOST_SEGMENTS = 255
_CONTINUED = 1
_MOST_HEADER_PAGES = 5_000
_COMMENT_MARKS = {b"\x01vorbis": b"\x03vorbis", b"OpusHead": b"OpusTags"}
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def read_flac(file: BinaryIO, at: int = 0) -> Tags:
    """The tags of a FLAC file that begins at an offset."""
    found = Tags()
    pictures = []
    for kind, content in _flac_blocks(file, at):
        if kind == _COMMENT_BLOCK:
            found = _parse(content)
        elif kind == _PICTURE_BLOCK:
            pictures.append(_picture(content))
    return Tags.of([], pictures).or_else(found)


def flac_splices(file: BinaryIO, tags: Tags) -> list[Splice]:
    """What puts tags into a FLAC file that has none."""
    blocks = list(_flac_blocks(file, 0))
    end = file.tell()
    kept = [each for each in blocks if each[0] != _COMMENT_BLOCK]
    vendor = next((content for kind, content in blocks if kind == _COMMENT_BLOCK), b"\0" * 4)
    made = [kept[0], (_COMMENT_BLOCK, _comments(vendor, tags, with_pictures=False)), *kept[1:]]
    made += [(_PICTURE_BLOCK, _picture_block(each)) for each in tags.pictures]
    last = len(made) - 1
    heads = [bytes([kind | (0x80 if k == last else 0)]) for k, (kind, _) in enumerate(made)]
    parts = (h + len(c).to_bytes(3) + c for h, (_, c) in zip(heads, made, strict=True))
    return [Splice(len(_FLAC), end, b"".join(parts))]


def _flac_blocks(file: BinaryIO, at: int) -> Iterator[tuple[int, bytes]]:
    """Kinds and contents; the file is left at the first sound."""
    file.seek(at)
    if file.read(4) != _FLAC:
        raise ValueError
    read_bytes, last = 0, False
    while not last and read_bytes < MOST_BYTES:
        head = file.read(4)
        last, size = bool(head[0] & 0x80), int.from_bytes(head[1:])
        read_bytes += size
        content = file.read(size)
        if len(content) < size:
            raise ValueError
        yield head[0] & 0x7F, content


class _Page(NamedTuple):
    """A page of an Ogg file: where it is, its head with the lacing, and what follows."""

    start: int
    head: bytes
    body: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.head) + len(self.body)

    def renumbered(self, number: int) -> bytes:
        """Number and checksum with another number."""
        head = self.head[:18] + struct.pack("<II", number, 0) + self.head[26:]
        return struct.pack("<II", number, _checksum(head + self.body))


def read_ogg(file: BinaryIO) -> Tags:
    """The tags of an Ogg file with Vorbis or Opus."""
    packets, _ = _first_packets(file, 2)
    mark = next((m for start, m in _COMMENT_MARKS.items() if packets[0].startswith(start)), None)
    if mark is None or not packets[1].startswith(mark):
        return Tags()
    return _parse(packets[1][len(mark) :])


def ogg_splices(file: BinaryIO, tags: Tags) -> list[Splice]:
    """What puts tags into an Ogg Vorbis file that has none."""
    packets, pages = _first_packets(file, 3)
    mark = b"\x03vorbis"
    if not packets[1].startswith(mark):
        raise ValueError
    comments = mark + _comments(packets[1][len(mark) :], tags, with_pictures=True) + b"\x01"
    made = list(_pages([comments, packets[2]], pages[0].head[14:18]))
    changes = [Splice(pages[1].start, pages[-1].end, b"".join(made))]
    moved = len(made) - (len(pages) - 1)
    number = len(made) + 1
    for page in _ogg_pages(file, pages[-1].end) if moved else ():
        at = page.start + 18
        changes.append(Splice(at, at + 8, page.renumbered(number)))
        number += 1
    return changes


def _first_packets(file: BinaryIO, count: int) -> tuple[list[bytes], list[_Page]]:
    """The first packets of the first stream, and the pages that hold them and no others."""
    packets: list[bytes] = []
    pages: list[_Page] = []
    rest, size = b"", 0
    for page in _ogg_pages(file, 0):
        if pages and page.head[14:18] != pages[0].head[14:18]:
            continue
        pages.append(page)
        size += len(page.body)
        at = 0
        for segment in page.head[_PAGE_HEAD:]:
            rest += page.body[at : at + segment]
            at += segment
            if segment < 255:
                packets.append(rest)
                rest = b""
        if len(packets) >= count:
            return packets, pages
        if size > MOST_BYTES or len(pages) > _MOST_HEADER_PAGES:
            break
    raise ValueError


def _ogg_pages(file: BinaryIO, at: int) -> Iterator[_Page]:
    file.seek(at)
    while head := file.read(_PAGE_HEAD):
        if len(head) < _PAGE_HEAD or head[:4] != b"OggS":
            raise ValueError
        head += file.read(head[26])
        body = file.read(sum(head[_PAGE_HEAD:]))
        page = _Page(at, head, body)
        at = page.end
        yield page


def _pages(packets: list[bytes], serial: bytes) -> Iterator[bytes]:
    """Pages from number 1 on that hold these packets of a header and nothing else."""
    segments: list[bytes] = []
    for packet in packets:
        segments += [packet[at : at + 255] for at in range(0, len(packet) + 1, 255)]
    ends, total = set(), 0
    for packet in packets:
        total += len(packet) // 255 + 1
        ends.add(total - 1)
    for number, first in enumerate(range(0, len(segments), _MOST_SEGMENTS), start=1):
        part = segments[first : first + _MOST_SEGMENTS]
        continued = first > 0 and first - 1 not in ends
        ends_here = any(first <= end < first + len(part) for end in ends)
        position = struct.pack("<q", 0 if ends_here else -1)
        head = b"OggS\0" + bytes([_CONTINUED if continued else 0]) + position + serial
        head += struct.pack("<II", number, 0) + bytes([len(part), *map(len, part)])
        page = _Page(0, head, b"".join(part))
        yield head[:18] + page.renumbered(number) + head[26:] + page.body


def _checksum(data: bytes) -> int:
    """Ogg's: as zlib's but with the bits in the other order, and nothing inverted."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _parse(content: bytes) -> Tags:
    values: list[tuple[str, str]] = []
    pictures: list[Picture] = []
    totals: dict[str, str] = {}
    for name, value in _split(content):
        if name == _PICTURE:
            try:
                pictures.append(_picture(base64.b64decode(value)))
            except (binascii.Error, struct.error, ValueError):
                continue
        elif name in (*_TOTALS.values(), "TOTALTRACKS", "TOTALDISCS"):
            totals[{"TOTALTRACKS": "TRACKTOTAL", "TOTALDISCS": "DISCTOTAL"}.get(name, name)] = value
        else:
            values.append((_SYNONYMS.get(name, name), value))
    for at, (name, value) in enumerate(values):
        total = totals.get(_TOTALS.get(name, ""))
        if total and "/" not in value:
            values[at] = name, f"{value}/{total}"
    return Tags.of(values, pictures)


def _split(content: bytes) -> Iterator[tuple[str, str]]:
    at = 4 + int.from_bytes(content[:4], "little")
    count = int.from_bytes(content[at : at + 4], "little")
    at += 4
    for _ in range(min(count, _MOST_COMMENTS)):
        size = int.from_bytes(content[at : at + 4], "little")
        name, equals, value = content[at + 4 : at + 4 + size].partition(b"=")
        at += 4 + size
        if at > len(content):
            return
        if equals:
            yield name.decode("ascii", "replace").upper(), value.decode("utf-8", "replace")


def _comments(old: bytes, tags: Tags, *, with_pictures: bool) -> bytes:
    """A comment block with the vendor of an old one."""
    lines = []
    for row in FIELDS:
        for value in tags.texts.get(row.name, ()):
            if row.name not in NUMBERS:
                lines.append(f"{row.name}={value}")
                continue
            number, slash, total = value.partition("/")
            lines.append(f"{row.name}={number}")
            lines += [f"{_TOTALS[row.name]}={total}"] if slash else []
    encoded = [line.encode("utf-8", "replace") for line in lines]
    if with_pictures:
        blocks = (base64.b64encode(_picture_block(each)) for each in tags.pictures)
        encoded += [f"{_PICTURE}=".encode() + block for block in blocks]
    vendor = old[4 : 4 + int.from_bytes(old[:4], "little")]
    parts = [vendor, *encoded]
    sized = [struct.pack("<I", len(part)) + part for part in parts]
    return sized[0] + struct.pack("<I", len(encoded)) + b"".join(sized[1:])


def _picture(block: bytes) -> Picture:
    kind, n_mime = struct.unpack_from(">II", block)
    at = 8 + n_mime
    (n_text,) = struct.unpack_from(">I", block, at)
    description = block[at + 4 : at + 4 + n_text].decode("utf-8", "replace")
    at += 4 + n_text + 16
    (n_data,) = struct.unpack_from(">I", block, at)
    return Picture(block[at + 4 : at + 4 + n_data], kind & 0xFF, description)


def _picture_block(picture: Picture) -> bytes:
    """Its size in pixels is left open, which 0 means."""
    mime, text = picture.mime.encode(), picture.description.encode("utf-8", "replace")
    head = struct.pack(">II", picture.kind, len(mime)) + mime
    head += struct.pack(">I", len(text)) + text
    return head + struct.pack(">IIIII", 0, 0, 0, 0, len(picture.data)) + picture.data
