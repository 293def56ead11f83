"""The index of a voice, opened the quickest way that is safe."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from engine.errors import IndexFileError, Refusal
from engine.files import require_room
from engine.paths import VOICE_INDEX_FILE, VOICE_ROWS_FILE, VOICE_WEIGHTS_FILE
from engine.retrieval.index_file import RetrievalIndex, read_index
from engine.retrieval.row_file import map_row_file, write_row_file


def open_index(path: Path, width: int | None = None) -> RetrievalIndex:
    """An index: mapped where it is a voice's in the library, read anywhere else.

    The library's rows are made from the index where they are missing (voices of older versions),
    damaged, or of another index. Where they cannot be kept (a full or locked disk), the index is
    read as any other.

    Parameters
    ----------
    path : a file written by ``faiss.write_index``
    width : width of the voice's features; None to accept any

    Raises
    ------
    IndexFileError : as in `engine.retrieval.index_file.read_index`
    """
    rows = path.with_name(VOICE_ROWS_FILE)
    if path.name != VOICE_INDEX_FILE or not path.with_name(VOICE_WEIGHTS_FILE).is_file():
        return read_index(path, width)
    with suppress(IndexFileError):
        return map_row_file(rows, path, width)
    index = read_index(path, width)
    keep_rows(index, path)
    try:
        return map_row_file(rows, path, width)
    except IndexFileError:
        return index


def keep_rows(index: RetrievalIndex, path: Path) -> None:
    """Lay the rows of an index down beside it, if there is room; nothing depends on it.

    Parameters
    ----------
    index : as it was read
    path : where the index lies now
    """
    with suppress(OSError, Refusal):
        require_room(path.parent, index.rows.nbytes)
        write_row_file(index, path.with_name(VOICE_ROWS_FILE), path)
