"""The rows of an installed voice's index in a ``.npy`` file beside it, mapped instead of read.

Opening 0.9 GB this way takes next to no memory and time, and the system may drop pages at will.
The file is a copy that can be made again from the index; a damaged or foreign one is replaced.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np

from engine.errors import Refusal
from engine.files import require_room
from engine.paths import VOICE_INDEX_FILE, VOICE_ROWS_FILE, VOICE_WEIGHTS_FILE
from engine.retrieval.index_file import RetrievalIndex, Rows, read_index

_LEFTOVER_AFTER_S = 3600.0


def open_index(path: Path, width: int | None = None) -> RetrievalIndex:
    """An index; its rows are mapped if it belongs to an installed voice, and read otherwise.

    The rows file is made where it is missing or does not fit. If that fails (a full or locked
    disk), the index is read as any other.

    Parameters
    ----------
    path : a file written by ``faiss.write_index``
    width : width of the voice's features; None to accept any

    Raises
    ------
    IndexFileError : as in `read_index`
    """
    if path.name != VOICE_INDEX_FILE or not path.with_name(VOICE_WEIGHTS_FILE).is_file():
        return read_index(path, width)
    index = read_index(path, width, partial(_mapped_rows, path))
    if isinstance(index.rows.base, np.memmap):
        return index
    keep_rows(index, path)
    rows = _mapped_rows(path, *index.rows.shape)
    return index if rows is None else replace(index, rows=rows)


def keep_rows(index: RetrievalIndex, path: Path) -> None:
    """Save the rows of an index beside it, if there is room; nothing depends on it.

    Parameters
    ----------
    index : as it was read
    path : where the index lies now
    """
    with suppress(OSError, Refusal):
        require_room(path.parent, index.rows.nbytes)
        _write_rows(index.rows, path)


def _write_rows(rows: Rows, source: Path) -> None:
    """Write the rows under their final name in one step, with the time of the index.

    That time says that the rows belong to this index and were not changed since.
    """
    path = source.with_name(VOICE_ROWS_FILE)
    modified_ns = source.stat().st_mtime_ns
    _remove_leftovers(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            np.save(file, np.ascontiguousarray(rows, "<f4"), allow_pickle=False)
            file.flush()
            os.utime(file.fileno(), ns=(modified_ns, modified_ns))
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _mapped_rows(source: Path, count: int, width: int) -> Rows | None:
    """The rows beside an index, float32 [N, d]; None if they are missing, damaged or not its own.

    The mapping is copy-on-write: the file never changes.
    """
    path = source.with_name(VOICE_ROWS_FILE)
    header = _npy_header(count, width)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            whole = status.st_size == len(header) + count * width * 4
            untouched = status.st_mtime_ns == source.stat().st_mtime_ns
            if not whole or not untouched or file.read(len(header)) != header:
                return None
            return np.asarray(np.memmap(file, "<f4", "c", len(header), (count, width)))
    except OSError:
        return None


def _npy_header(count: int, width: int) -> bytes:
    """What `numpy.save` writes before the rows."""
    header = BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(header, described)  # type: ignore[no-untyped-call, unused-ignore]
    return header.getvalue()


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left; parts that are younger may be in use."""
    with suppress(OSError):
        for part in path.parent.glob(f".{path.name}.*.part"):
            if part.stat().st_mtime < time.time() - _LEFTOVER_AFTER_S:
                part.unlink()
