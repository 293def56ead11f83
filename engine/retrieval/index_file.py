"""Retrieval index files (``added_*.index``): read without trusting them, and written."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import IndexFileError
from engine.retrieval import faiss_format
from engine.retrieval.bounded_reader import BoundedReader
from engine.retrieval.faiss_format import Header, Rows, Stored

# Four times the largest usual index (300,000 rows of 768).
_MAX_FILE_BYTES = 4 << 30
_VERSION_OF_WIDTH = {256: "v1", 768: "v2"}


@dataclass(frozen=True, eq=False)
class RetrievalIndex:
    """The rows of an index file.

    Attributes
    ----------
    rows : float32 [N, d]  content features of the voice, in id order (faiss' ``reconstruct_n``)
    kind : in the words of faiss' index factory, e.g. ``IVF1024,Flat``
    path : the file they came from
    nlist : inverted lists, 0 if the file has none
    nprobe : lists that faiss looks into for one query, 0 if the file has none
    size_bytes : of the file
    """

    rows: Rows
    kind: str
    path: Path
    nlist: int
    nprobe: int
    size_bytes: int


def read_index(path: Path, width: int | None = None) -> RetrievalIndex:
    """Read an index file; nothing in it is believed before it is checked against its size.

    Needs the memory of the rows plus 8 MB (twice the rows for an id map that reorders them).
    An index that measures by inner product is refused: its scores are no distances, so faiss'
    search of it and an exact one would weight rows by different things.

    Parameters
    ----------
    path : a file written by ``faiss.write_index``
    width : width of the voice's features, e.g. 768; None to accept any

    Raises
    ------
    IndexFileError : missing, damaged, empty, of another kind, or made for another voice
    """
    try:
        _check_regular(path)  # before opening: a pipe would wait for a writer
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            reader = BoundedReader(file, size_bytes, path.name)
            _check_size(reader, size_bytes)
            stored = _read_stored(reader, path, width)
    except OSError as error:
        why = error.strerror or "it cannot be read"
        raise IndexFileError(
            f'Cannot use the index "{path.name}"', why, "check that the file is there and readable"
        ) from error
    if reader.remaining_bytes:
        raise reader.refusal(f"{reader.remaining_bytes} unknown bytes follow its end")
    return RetrievalIndex(stored.rows, stored.kind, path, stored.nlist, stored.nprobe, size_bytes)


def write_flat_index(rows: Rows, path: Path) -> None:
    """Write float32 rows ``[N, d]`` as the file that faiss' ``IndexFlatL2`` would be.

    Raises
    ------
    ValueError : no rows, or not two-dimensional
    OSError : the file cannot be written
    """
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"rows must be [N, d] with N > 0, not {rows.shape}")
    count, width = rows.shape
    unused = 1 << 20  # faiss writes this number into its two retired fields
    header = struct.pack("<4siqqqBiQ", b"IxF2", width, count, unused, unused, 1, 1, count * width)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(rows, "<f4").data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _check_regular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise IndexFileError(
            f'Cannot use the index "{path.name}"',
            "it is a folder or a device, not a file",
            "choose the .index file",
        )


def _check_size(reader: BoundedReader, size_bytes: int) -> None:
    if size_bytes < 4:
        raise reader.refusal("it is empty")
    if size_bytes > _MAX_FILE_BYTES:
        size_gb = size_bytes / 1e9
        raise reader.refusal(
            f"it has {size_gb:.1f} GB, more than any voice's index", "choose the .index file"
        )


def _read_stored(reader: BoundedReader, path: Path, width: int | None) -> Stored:
    tag = reader.tag("header")
    if tag in faiss_format.ID_MAP:
        header = faiss_format.read_header(reader)
        _check_header(reader, header, path, width)
        inner = _read_rows(reader, reader.tag("header"), path, width)
        return faiss_format.read_id_map(reader, header, inner)
    return _read_rows(reader, tag, path, width)


def _read_rows(reader: BoundedReader, tag: bytes, path: Path, width: int | None) -> Stored:
    if tag not in faiss_format.FLAT | faiss_format.IVF_FLAT:
        raise faiss_format.foreign_kind(reader, tag)
    header = faiss_format.read_header(reader)
    _check_header(reader, header, path, width)
    if tag in faiss_format.FLAT:
        return Stored(faiss_format.read_flat(reader, header), "Flat", 0, 0)
    return faiss_format.read_ivf(reader, header, tag)


def _check_header(reader: BoundedReader, header: Header, path: Path, width: int | None) -> None:
    if header.metric != faiss_format.METRIC_L2:
        raise reader.refusal(
            "it measures by inner product, not by squared distance (L2)", faiss_format.REBUILD
        )
    if width is not None and header.width != width:
        version = _VERSION_OF_WIDTH.get(header.width)
        owner = f"a {version} voice" if version else "another kind of voice"
        raise reader.refusal(
            f"it belongs to {owner} ({header.width}-wide features), the voice is {width}",
            "choose the index that came with the voice",
        )
    if header.count == 0:
        raise reader.refusal("it has lists but no vectors", _advice_on_sibling(path))
    if not header.trained:
        raise reader.refusal("it was never trained", faiss_format.REBUILD)


def _advice_on_sibling(path: Path) -> str:
    """Trainers write ``trained_X.index`` first, then ``added_X.index`` with the vectors."""
    namesake = path.with_name(path.name.replace("trained_", "added_", 1))
    if namesake != path and namesake.is_file():
        return f'use "{namesake.name}", which lies beside it'
    others = sorted(path.parent.glob("added_*.index"))
    if len(others) == 1 and others[0].name != path.name:
        return f'use "{others[0].name}", which lies beside it'
    return "use its added_ sibling (added_….index), which holds the vectors"
