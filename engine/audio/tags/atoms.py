"""Tags of MP4 files: atoms of iTunes' list (``moov.udta.meta.ilst``)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from engine.audio.boxes import box, boxes, inside, joined, movie_of_file, replaced
from engine.audio.splice import Splice
from engine.audio.tags.tag import FIELDS, MOST_BYTES, NUMBERS, Picture, Tags

_FIELDS = {each.mp4.encode("latin-1"): each.name for each in FIELDS if each.mp4}
_COVER = b"covr"
_GAPLESS = b"iTunSMPB"
_UTF8, _BINARY = 1, 0
_IMAGE_KINDS = {"image/jpeg": 13, "image/png": 14, "image/bmp": 27}
_HANDLER = bytes(8) + b"mdirappl" + bytes(9)


def read_atoms(file: BinaryIO) -> Tags:
    """The tags of an MP4 file."""
    movie = movie_of_file(file, MOST_BYTES)
    if movie is None:
        return Tags()
    meta = inside(movie.read(file), b"udta", b"meta") or b""
    values: list[tuple[str, str]] = []
    pictures: list[Picture] = []
    for name, atom in boxes(inside(meta[4:], b"ilst") or b""):
        for value in (inner[8:] for each, inner in boxes(atom) if each == b"data"):
            if name == _COVER:
                pictures.append(Picture(value))
            elif _FIELDS.get(name) in NUMBERS and len(value) >= 6:
                number, total = struct.unpack_from(">HH", value, 2)
                values.append((_FIELDS[name], f"{number}/{total}" if total else f"{number}"))
            elif name in _FIELDS:
                values.append((_FIELDS[name], value.decode("utf-8", "replace")))
    return Tags.of([each for each in values if each[1] != "0"], pictures)


def atom_splices(file: BinaryIO, tags: Tags) -> list[Splice]:
    """What puts tags into an MP4 file, in the place of those it has."""
    movie = movie_of_file(file, MOST_BYTES)
    if movie is None:
        return []
    content = replaced(
        movie.read(file),
        b"udta",
        lambda udta: replaced(udta, b"meta", lambda meta: _meta(meta, tags)),
    )
    size = file.seek(0, 2)
    if movie.end == size:
        return [Splice(movie.start, size, box(b"moov", content))]
    # At the end, so that no sample moves.
    named = Splice(movie.start + 4, movie.start + 8, b"free")
    return [named, Splice(size, size, box(b"moov", content))]


def without_gapless(movie: bytes) -> bytes:
    """The content of a ``moov`` without iTunes' note on the padding of a sound."""
    meta = inside(movie, b"udta", b"meta") or b""
    if _GAPLESS not in (inside(meta[4:], b"ilst") or b""):
        return movie

    def listed(atoms: bytes) -> bytes:
        return joined(each for each in boxes(atoms) if _GAPLESS not in each[1])

    def kept(meta: bytes) -> bytes:
        return meta[:4] + replaced(meta[4:], b"ilst", listed)

    return replaced(movie, b"udta", lambda udta: replaced(udta, b"meta", kept))


def _meta(old: bytes, tags: Tags) -> bytes:
    made = _atoms(tags)
    names = {name for name, _ in made}
    kept = [each for each in boxes(inside(old[4:], b"ilst") or b"") if each[0] not in names]
    return bytes(4) + joined([(b"hdlr", _HANDLER), (b"ilst", joined([*made, *kept]))])


def _atoms(tags: Tags) -> list[tuple[bytes, bytes]]:
    made = []
    for row in FIELDS:
        if not row.mp4 or row.name not in tags.texts:
            continue
        if row.name in NUMBERS:
            numbers = tags.number(row.name)
            value = struct.pack(">HHHH", 0, *numbers, 0)[: 8 if row.name == "TRACKNUMBER" else 6]
            made += [(row.mp4, _data(_BINARY, value))] if numbers[0] else []
        else:
            text = "; ".join(tags.texts[row.name])
            made.append((row.mp4, _data(_UTF8, text.encode("utf-8", "replace"))))
    covers = [each for each in tags.pictures if each.mime in _IMAGE_KINDS]
    images = b"".join(_data(_IMAGE_KINDS[each.mime], each.data) for each in covers)
    atoms = [(name.encode("latin-1"), content) for name, content in made]
    return [*atoms, (_COVER, images)] if images else atoms


def _data(kind: int, value: bytes) -> bytes:
    return box(b"data", struct.pack(">II", kind, 0) + value)
