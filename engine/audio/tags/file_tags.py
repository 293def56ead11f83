"""The tags of a file: read from any kind, and put into a result."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from engine.audio import splice
from engine.audio.splice import Splice
from engine.audio.tags import id3
from engine.audio.tags.atoms import atom_splices, read_atoms
from engine.audio.tags.chunks import chunk_splices, read_chunks
from engine.audio.tags.tag import FIELDS, MOST_BYTES, Picture, Tags
from engine.audio.tags.vorbis import flac_splices, ogg_splices, read_flac, read_ogg
from engine.files import open_file
from engine.options import FileFormat

_DAMAGE = (ValueError, IndexError, OverflowError, struct.error, StopIteration, RecursionError)
"""What parsing a damaged tag may raise."""

_CHUNKED = (b"RIFF", b"RF64", b"FORM")
_OTHER_NAMES = {"TRACK": "TRACKNUMBER", "DISC": "DISCNUMBER", "ALBUM_ARTIST": "ALBUMARTIST"}


def read_tags(path: Path) -> Tags:
    """What a file says about its sound that stays true of another voice, and its pictures.

    A damaged tag, or a file that cannot be read, has none.
    """
    with suppress(OSError, *_DAMAGE), open_file(path) as file:
        found = _own_tags(file)
        if found is not None:
            return found
    return _foreign_tags(path)


def write_tags(descriptor: int, file_format: FileFormat, tags: Tags) -> None:
    """Put tags into a complete, open file without them; no sample changes.

    A file in which there is no place for them stays as it is.

    Raises
    ------
    OSError : the disk does not take every byte
    """
    if not tags:
        return
    with os.fdopen(os.dup(descriptor), "rb") as file:
        try:
            splices = _PLACES[file_format](file, tags)
        except _DAMAGE:
            return
    splice.apply(descriptor, splices)


def _at_the_start(_: BinaryIO, tags: Tags) -> list[Splice]:
    return [Splice(0, 0, id3.make(tags))]


_PLACES: dict[FileFormat, Callable[[BinaryIO, Tags], list[Splice]]] = {
    "wav": chunk_splices,
    "aiff": chunk_splices,
    "flac": flac_splices,
    "ogg": ogg_splices,
    "mp3": _at_the_start,
    "m4a": atom_splices,
}


def _own_tags(file: BinaryIO) -> Tags | None:
    """The tags of a file of a kind that we know; None for others."""
    head = file.read(12)
    if head[:4] in _CHUNKED:
        return read_chunks(file)
    if head[:4] == b"OggS":
        return read_ogg(file)
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat"):
        return read_atoms(file)
    n_tag = min(id3.tag_bytes(head), MOST_BYTES)
    file.seek(0)
    tag = id3.parse(file.read(n_tag)) if n_tag else Tags()
    file.seek(n_tag)
    following = file.read(4)
    if following == b"fLaC":
        return read_flac(file, n_tag).or_else(tag)
    if n_tag or (following[:1] == b"\xff" and following[1] & 0xE0 == 0xE0):
        file.seek(0, 2)
        file.seek(-min(id3.OLD_TAG_BYTES, file.tell()), 2)
        return tag.or_else(id3.parse_old(file.read()))
    return None


def _foreign_tags(path: Path) -> Tags:
    """Of the kinds that only FFmpeg knows."""
    if find_spec("av") is None:
        return Tags()
    from engine.audio.container_decoder import metadata

    known = {each.name for each in FIELDS}
    values, images = metadata(path)
    upper = {name.upper(): value for name, value in values.items()}
    named = [(_OTHER_NAMES.get(name, name), value) for name, value in upper.items()]
    return Tags.of([each for each in named if each[0] in known], map(Picture, images))
