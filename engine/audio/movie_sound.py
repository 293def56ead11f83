"""Another sound for an MP4 or QuickTime file: one track is replaced, every other byte stays.

The new samples and the new ``moov`` go to the end of the file, so that the picture, the other
tracks, chapters, edit lists and the rotation stay as they are. The samples of the old sound are
overwritten with zeros: who was replaced cannot be heard in the result.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.audio.boxes import FileBox, box, boxes, boxes_of_file, inside, joined, replaced
from engine.audio.headers import handler
from engine.audio.tags.atoms import without_gapless
from engine.files import write_at

Offsets = NDArray[np.int64]

_MOST_MOVIE_BYTES = 1 << 28
_PIECE_BYTES = 1 << 20
_SELF_CONTAINED = 1
_PLAIN_RATE = b"\0\1\0\0"


class NotEditableError(Exception):
    """The file is of this family, but its tracks cannot be exchanged like this."""


@dataclass(frozen=True)
class NewSound:
    """An encoded sound for a movie.

    Attributes
    ----------
    file : M4A, with one track
    length_s : without the encoder's padding
    starts_s : when the movie plays its first sample
    """

    file: Path
    length_s: float
    starts_s: float


@dataclass(frozen=True)
class _Movie:
    """A file's outermost boxes and the content of its ``moov``."""

    boxes: list[FileBox]
    header: bytes

    @classmethod
    def read(cls, file: BinaryIO) -> _Movie:
        found = list(boxes_of_file(file))
        movie = next((each for each in found if each.name == b"moov"), None)
        if movie is None or movie.end - movie.content > _MOST_MOVIE_BYTES:
            raise NotEditableError
        if any(each.name == b"moof" for each in found):  # in fragments
            raise NotEditableError
        header = movie.read(file)
        if joined(boxes(header)) != header or inside(header, b"cmov") is not None:
            raise NotEditableError
        return cls(found, header)

    @property
    def box(self) -> FileBox:
        return next(each for each in self.boxes if each.name == b"moov")

    def sound_tracks(self) -> list[int]:
        """Which boxes inside ``moov`` are tracks of sound."""
        return [
            at
            for at, (name, content) in enumerate(boxes(self.header))
            if name == b"trak" and handler(content) == b"soun"
        ]


def empty_edit_s(header: bytes, track: bytes) -> float:
    """Seconds before a track begins, by its edit list."""
    edits = inside(track, b"edts", b"elst") or b""
    times = inside(header, b"mvhd") or b""
    try:
        wide = bool(edits[0])
        length, begin = struct.unpack_from(">qq" if wide else ">ii", edits, 8)
        scale_hz = struct.unpack_from(">I", times, 20 if times[0] else 12)[0]
        return float(length / scale_hz) if begin == -1 else 0.0
    except (struct.error, IndexError, ZeroDivisionError):
        return 0.0


def write(descriptor: int, source: BinaryIO, number: int, sound: NewSound) -> None:
    """Write a movie with another sound.

    Parameters
    ----------
    descriptor : of an open, empty file
    source : the movie
    number : of the sound track that is replaced, from 1

    Raises
    ------
    NotEditableError : the movie cannot be changed like this, e.g. because it is in fragments;
        nothing was written
    OSError : a file cannot be read, or the disk does not take every byte
    """
    with sound.file.open("rb") as coded:
        try:
            movie, made = _Movie.read(source), _Movie.read(coded)
            size = source.seek(0, 2)
            at_end = movie.box.end == size
            end = movie.box.start if at_end else size
            samples = next(each for each in made.boxes if each.name == b"mdat")
            header = _header(movie, made, number, sound, end + 8 - samples.content)
            silenced = _samples_of(list(boxes(movie.header)), movie.sound_tracks()[number - 1])
            n_bytes = samples.end - samples.content
            new_head = struct.pack(">I4s", 8 + n_bytes, b"mdat")
            changes = [] if at_end else [(movie.box.start + 4, b"free")]
            endless = (each for each in movie.boxes if each.to_the_end and each.end == end)
            changes += [(each.start, struct.pack(">I", end - each.start)) for each in endless]
        except (struct.error, LookupError, ValueError, StopIteration, ZeroDivisionError) as error:
            raise NotEditableError from error
        _copy(descriptor, source, 0, end)
        for start, stop in silenced:
            for at in range(start, min(stop, end), _PIECE_BYTES):
                write_at(descriptor, bytes(min(_PIECE_BYTES, stop - at, end - at)), at)
        for at, data in changes:
            write_at(descriptor, data, at)
        write_at(descriptor, new_head, end)
        os.lseek(descriptor, 0, os.SEEK_END)
        _copy(descriptor, coded, samples.content, samples.end)
        write_at(descriptor, box(b"moov", header), end + 8 + n_bytes)


def _copy(descriptor: int, source: BinaryIO, start: int, stop: int) -> None:
    source.seek(start)
    at = os.lseek(descriptor, 0, os.SEEK_CUR)
    while piece := source.read(min(_PIECE_BYTES, stop - source.tell())):
        write_at(descriptor, piece, at)
        at += len(piece)


def _header(movie: _Movie, made: _Movie, number: int, sound: NewSound, shift: int) -> bytes:
    """The ``moov`` with another sound, whose samples are moved by so many bytes."""
    parts = list(boxes(movie.header))
    at = movie.sound_tracks()[number - 1]
    old, new = parts[at][1], list(boxes(made.header))[made.sound_tracks()[0]][1]
    times = inside(movie.header, b"mvhd") or b""
    scale_hz = struct.unpack_from(">I", times, 20 if times[0] else 12)[0]
    length, start = (math.ceil(s * scale_hz) for s in (sound.length_s, sound.starts_s))
    edits = _edits(start, length, _priming(made, new))
    parts[at] = b"trak", _track(old, start + length, edits, _media(old, new, shift))
    header = replaced(joined(parts), b"mvhd", lambda each: _longest(each, start + length))
    return without_gapless(header)


def _track(old: bytes, length: int, edits: bytes, media: bytes) -> bytes:
    """The old track, which keeps its number, name and references, with other media."""
    made = []
    for name, content in boxes(old):
        if name == b"tkhd":
            at = 28 if content[0] else 20
            made += [(name, _with_duration(content, at, length)), (b"edts", edits)]
        elif name == b"mdia":
            made.append((name, media))
        elif name != b"edts":
            made.append((name, content))
    return joined(made)


def _edits(start: int, length: int, priming: int) -> bytes:
    """An edit list: nothing until the sound begins, then the sound without the padding."""
    rows = [struct.pack(">qq", start, -1) + _PLAIN_RATE] if start > 0 else []
    rows.append(struct.pack(">qq", length, priming) + _PLAIN_RATE)
    return box(b"elst", struct.pack(">II", 1 << 24, len(rows)) + b"".join(rows))


def _priming(movie: _Movie, track: bytes) -> int:
    """Samples before the sound that the encoder needs, as the edit list or iTunes' tag has it."""
    edits = inside(track, b"edts", b"elst")
    if edits is not None:
        wide = bool(edits[0])
        (begin,) = struct.unpack_from(">q" if wide else ">i", edits, 16 if wide else 12)
        return max(0, int(begin))
    at = movie.header.find(b"iTunSMPB")
    words = movie.header[at : at + 60].split()
    return int(words[2], 16) if at >= 0 and len(words) > 2 else 0


def _media(old: bytes, new: bytes, shift: int) -> bytes:
    """The new media, their samples moved, in the old language and with the old name."""
    was, media = inside(old, b"mdia") or b"", inside(new, b"mdia") or b""
    head, times = inside(was, b"mdhd") or b"", inside(media, b"mdhd") or b""
    at, was_at = (32 if each[0] else 20 for each in (times, head))
    times = times[:at] + head[was_at : was_at + 2] + times[at + 2 :]
    media = replaced(media, b"mdhd", lambda _: times)
    media = replaced(media, b"hdlr", lambda _: inside(was, b"hdlr") or b"")
    return replaced(
        media,
        b"minf",
        lambda minf: replaced(minf, b"stbl", lambda table: _moved(table, shift)),
    )


def _moved(table: bytes, shift: int) -> bytes:
    offsets = _chunk_offsets(table) + shift
    small = not len(offsets) or int(offsets.max()) < 1 << 32
    kind = ">u4" if small else ">u8"
    made = struct.pack(">II", 0, len(offsets)) + offsets.astype(kind).tobytes()
    kept = [each for each in boxes(table) if each[0] not in (b"stco", b"co64")]
    return joined([*kept, (b"stco" if small else b"co64", made)])


def _chunk_offsets(table: bytes) -> Offsets:
    for name, kind in ((b"stco", ">u4"), (b"co64", ">u8")):
        found = inside(table, name)
        if found is not None:
            count = struct.unpack_from(">I", found, 4)[0]
            return np.frombuffer(found, kind, count, 8).astype(np.int64)
    raise ValueError


def _longest(header: bytes, length: int) -> bytes:
    """A movie header that is at least so long."""
    at = 24 if header[0] else 16
    known = struct.unpack_from(">Q" if header[0] else ">I", header, at)[0]
    return header if known >= length else _with_duration(header, at, length)


def _with_duration(header: bytes, at: int, length: int) -> bytes:
    kind, most = (">Q", (1 << 64) - 1) if header[0] else (">I", (1 << 32) - 1)
    value = struct.pack(kind, min(length, most))
    return header[:at] + value + header[at + len(value) :]


def _samples_of(parts: list[tuple[bytes, bytes]], at: int) -> list[tuple[int, int]]:
    """Where the samples of a track are, except those that others use."""
    tables = {
        k: inside(content, b"mdia", b"minf", b"stbl") or b""
        for k, (name, content) in enumerate(parts)
        if name == b"trak"
    }
    references = inside(parts[at][1], b"mdia", b"minf", b"dinf", b"dref") or b""
    if not any(inner[3:4] == bytes([_SELF_CONTAINED]) for _, inner in boxes(references[8:])):
        return []  # they are in another file
    starts = _chunk_offsets(tables.pop(at))
    others = [np.zeros(0, np.int64), *(_chunk_offsets(each) for each in tables.values() if each)]
    taken = np.concatenate(others)
    ordered = np.append(np.unique(np.append(taken, starts)), np.iinfo(np.int64).max)
    following = ordered[np.searchsorted(ordered, starts, "right")]
    table = inside(parts[at][1], b"mdia", b"minf", b"stbl") or b""
    stops = np.minimum(starts + _chunk_bytes(table, len(starts)), following)
    own = ~np.isin(starts, taken)
    return list(zip(starts[own].tolist(), stops[own].tolist(), strict=True))


def _chunk_bytes(table: bytes, n_chunks: int) -> Offsets:
    """The size of each chunk of a sound track."""
    sizes = inside(table, b"stsz")
    rows = inside(table, b"stsc") or b""
    if sizes is None:
        raise ValueError
    n_rows = struct.unpack_from(">I", rows, 4)[0]
    runs = np.frombuffer(rows, ">u4", 3 * n_rows, 8).astype(np.int64).reshape(-1, 3)
    lengths = np.diff(np.append(runs[:, 0] - 1, n_chunks))
    counts = np.repeat(runs[:, 1], np.maximum(lengths, 0))[:n_chunks]
    each, n_samples = struct.unpack_from(">II", sizes, 4)
    if each:
        made: Offsets = counts * max(each, _frame_bytes(inside(table, b"stsd") or b""))
        return made
    known = np.frombuffer(sizes, ">u4", n_samples, 12).astype(np.int64)
    ends = np.append(0, np.cumsum(known))
    last = np.minimum(np.cumsum(counts), n_samples)
    in_table: Offsets = ends[last] - ends[np.maximum(last - counts, 0)]
    return in_table


def _frame_bytes(description: bytes) -> int:
    """Of sound that is not compressed: QuickTime may call a sample what is a byte of one."""
    entry = description[8:]
    channels, bits = struct.unpack_from(">HH", entry, 8 + 16)
    return int(channels) * -(-int(bits) // 8)
