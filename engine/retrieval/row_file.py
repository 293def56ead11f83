"""The rows of an index in a file of their own, laid out so that they can be mapped and not read.

Trainers' indexes hold their rows in the order of inverted lists, between other things and at odd
addresses. This file holds them in id order behind one header, at a multiple of every page size in
use, so that opening 0.9 GB takes next to no memory and time, and the system may drop pages at will.
It is made from an index that `read_index` has accepted, lies beside it and can be made again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import IndexFileError
from engine.retrieval.index_file import RetrievalIndex

_MAGIC = b"URVCROWS"
_FORMAT = 1
_FIELDS = struct.Struct("<8sIIQII32sQqq32s")
_DIGEST_BYTES = 32
_ROWS_AT = 16_384
"""Pages have 4 KiB on Intel and 16 KiB on Apple silicon."""

_TIME_STEP_NS = 2_000_000_000
"""Every file system keeps times of whole even seconds; exFAT no finer ones."""

_LEFTOVER_AFTER_S = 3600.0
_MOST_WIDTH = 65_536
_MOST_LISTS = 1 << 18


@dataclass(frozen=True)
class _Header:
    """What the rows are, and which file they were made from.

    Attributes
    ----------
    source_bytes, source_ns : length and time of the index when the rows were taken from it
    written_ns : the time that the finished file bears, unless somebody has touched it
    sha256 : of the rows
    """

    width: int
    count: int
    nlist: int
    nprobe: int
    kind: str
    source_bytes: int
    source_ns: int
    written_ns: int
    sha256: bytes

    @property
    def rows_bytes(self) -> int:
        return self.count * self.width * 4

    def packed(self) -> bytes:
        """The header with its own digest behind it."""
        fields = _FIELDS.pack(
            _MAGIC,
            _FORMAT,
            self.width,
            self.count,
            self.nlist,
            self.nprobe,
            self.kind.encode("ascii"),
            self.source_bytes,
            self.source_ns,
            self.written_ns,
            self.sha256,
        )
        return fields + hashlib.sha256(fields).digest()


def write_row_file(index: RetrievalIndex, path: Path, source: Path | None = None) -> None:
    """Write the rows of an index in one step.

    Parameters
    ----------
    index : as `read_index` gave it
    source : the index beside which the rows will lie; None is ``index.path``

    Raises
    ------
    OSError : the file cannot be written; an older one is then as it was
    """
    status = (source or index.path).stat()
    rows = np.ascontiguousarray(index.rows, "<f4")
    count, width = rows.shape
    values = rows.reshape(-1).view(np.uint8).data
    written_ns = time.time_ns() // _TIME_STEP_NS * _TIME_STEP_NS
    header = _Header(
        width=width,
        count=count,
        nlist=index.nlist,
        nprobe=index.nprobe,
        kind=index.kind,
        source_bytes=status.st_size,
        source_ns=status.st_mtime_ns,
        written_ns=written_ns,
        sha256=hashlib.sha256(values).digest(),
    )
    _remove_leftovers(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            file.write(header.packed().ljust(_ROWS_AT, b"\0"))
            file.write(values)
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, ns=(written_ns, written_ns))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def map_row_file(path: Path, source: Path, width: int | None = None) -> RetrievalIndex:
    """The index whose rows lie in a file; they are mapped, nothing is copied.

    The whole file is compared with its digest only where its time says that somebody has touched
    it: so a whole one is open in no time, and no other is taken for one.

    Parameters
    ----------
    source : the index from which the rows were taken
    width : of the voice's features; None to accept any

    Returns
    -------
    Rows on pages that are copied when somebody writes to them; nobody does.

    Raises
    ------
    IndexFileError : missing, cut short, changed, of another index, or of another width
    """
    try:
        origin = source.stat()
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            header = _read_header(file.read(_FIELDS.size + _DIGEST_BYTES), path)
            if status.st_size != _ROWS_AT + header.rows_bytes:
                raise _refusal(path, "it is cut short or too long")
            if (origin.st_size, origin.st_mtime_ns) != (header.source_bytes, header.source_ns):
                raise _refusal(path, "it was made from another index")
            if width not in (None, header.width):
                raise _refusal(path, f"its rows are {header.width} wide, the voice takes {width}")
            if status.st_mtime_ns != header.written_ns:
                file.seek(_ROWS_AT)
                if hashlib.file_digest(file, "sha256").digest() != header.sha256:
                    raise _refusal(path, "it was changed after it was written")
            rows = np.memmap(file, "<f4", "c", _ROWS_AT, (header.count, header.width))
    except OSError as error:
        raise _refusal(path, error.strerror or "it cannot be read") from error
    return RetrievalIndex(
        np.asarray(rows), header.kind, source, header.nlist, header.nprobe, header.source_bytes
    )


def _remove_leftovers(path: Path) -> None:
    """What a process that was killed while it wrote has left; younger ones may be in use."""
    with suppress(OSError):
        for part in path.parent.glob(f".{path.name}.*.part"):
            if part.stat().st_mtime < time.time() - _LEFTOVER_AFTER_S:
                part.unlink()


def _read_header(data: bytes, path: Path) -> _Header:
    fields, digest = data[: _FIELDS.size], data[_FIELDS.size :]
    if len(data) < _FIELDS.size + _DIGEST_BYTES or not fields.startswith(_MAGIC):
        raise _refusal(path, "it holds no rows of an index")
    if hashlib.sha256(fields).digest() != digest:
        raise _refusal(path, "its header is damaged")
    _, version, width, count, nlist, nprobe, kind, *rest = _FIELDS.unpack(fields)
    sizes = 0 < width <= _MOST_WIDTH and 0 < count < 1 << 40
    lists = nlist <= _MOST_LISTS and nprobe <= _MOST_LISTS
    name = kind.rstrip(b"\0")
    if version != _FORMAT or not sizes or not lists or not name.isascii():
        raise _refusal(path, "its header makes no sense")
    return _Header(width, count, nlist, nprobe, name.decode("ascii"), *rest)


def _refusal(path: Path, why: str) -> IndexFileError:
    return IndexFileError(
        f'Cannot use the rows in "{path.name}"', why, "give the voice its index again"
    )
