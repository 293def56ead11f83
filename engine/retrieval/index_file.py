"""Retrieval index files (``added_*.index``): read without trusting them, and written.

The layout is that of faiss (`impl/index_write.cpp`): little-endian, a four-letter tag, then the
fields of that class. Only the kinds that hold whole rows are read: ``Flat``, ``IVF{n},Flat`` (also
in its two older spellings) and the id-map wrappers around them. Every size is compared with what
is left of the file before memory is allocated for it. The ids of the rows are labels that a search
does not need: rows keep the order of the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import IndexFileError, Message, NotAFileError, Text
from engine.files import open_file

Rows = npt.NDArray[np.float32]
_Integers = npt.NDArray[np.int64]

# Four times the largest usual index (300,000 rows of 768).
_MAX_FILE_BYTES = 4 << 30
_MAX_WIDTH = 65_536
# RVC trainers make 16·√rows lists: 8,764 for 300,000 rows.
_MAX_LISTS = 1 << 18
# Content features are of order 1; squared distances of anything up to this stay finite in float32.
_MAX_MAGNITUDE = 1e6
_CHUNK_BYTES = 8 << 20

_METRIC_INNER_PRODUCT, _METRIC_L2 = 0, 1
_FLAT = frozenset({b"IxF2", b"IxFI", b"IxFl"})
_IVF_FLAT = frozenset({b"IwFl", b"IvFL", b"IvFl"})
_ID_MAP = frozenset({b"IxMp", b"IxM2"})
_OTHER_KINDS = {
    "HNSW": "IHNf IHNp IHNs IHN2 IHNc IHfP",
    "NSG": "INSf INSp INSs",
    "NN-descent": "INNf",
    "pre-transformed (PCA, rotation)": "IxPT",
    "refined": "IxRF",
    "de-duplicated IVF": "IwFd",
    "product-quantized (PQ)": "IxPQ IxPo IxPq IPfs IvPQ IwPQ IvQR IwQR IwPf Ix2L",
    "scalar-quantized (SQ)": "IxSQ IvSQ IwSQ IwSq",
    "RaBitQ": "Ixrq Iwrq",
    "additive-quantized": "IxRQ IxRq IxLS IxPR IxPL IwLS IwRQ IwPL IwPR ILfs IRfs IPRf IPLf",
    "LSH": "IxHE IxHe IwSh",
    "binary": "IBxF IBwF IBFf IBHf IBMp IBM2 IBHh IBHm",
}
_OWNERS = {
    256: "it belongs to a v1 voice (256-wide features), the voice is {voice_width}",
    768: "it belongs to a v2 voice (768-wide features), the voice is {voice_width}",
}
_OTHER_OWNER = (
    "it belongs to another kind of voice ({width}-wide features), the voice is {voice_width}"
)

_GET_AGAIN = "download or export the index again"
_REBUILD = 'build an "IVF,Flat" index with the trainer of the voice'


@dataclass(frozen=True, eq=False)
class Lists:
    """How an index spreads its rows over inverted lists.

    Attributes
    ----------
    centres : float32 [L, d]  a query looks into the lists whose centres are nearest
    starts : int64 [L + 1]  list ``i`` holds the rows ``starts[i]`` to ``starts[i + 1]``
    nprobe : lists that a query looks into, 1..L, as the maker of the file chose
    """

    centres: Rows
    starts: npt.NDArray[np.int64]
    nprobe: int


@dataclass(frozen=True, eq=False)
class RetrievalIndex:
    """The rows of an index file.

    Attributes
    ----------
    rows : float32 [N, d]  content features of the voice, in the order of the file
    kind : in the words of faiss' index factory, e.g. ``IVF1024,Flat``
    path : the file they came from
    size_bytes : of the file
    lists : None where the file has none (``Flat``): a query is compared with all rows
    """

    rows: Rows
    kind: str
    path: Path
    size_bytes: int
    lists: Lists | None = None


RowSource = Callable[[int, int], Rows | None]
"""Gives the rows of an index, float32 [N, d], by their number and width, or None to read them."""


def read_index(
    path: Path, width: int | None = None, row_source: RowSource = lambda *_: None
) -> RetrievalIndex:
    """Read an index file; nothing in it is believed before it is checked.

    Needs the memory of the rows plus 8 MB. An index that measures by inner product is refused: its
    scores are not distances, so the weights of the rows would be wrong.

    Parameters
    ----------
    path : a file written by ``faiss.write_index``
    width : width of the voice's features, e.g. 768; None to accept any
    row_source : asked for the rows before they are read

    Raises
    ------
    IndexFileError : missing, damaged, empty, of another kind, or made for another voice
    """
    try:
        with open_file(path) as file:
            return _Reader(file, path, width, row_source).index()
    except NotAFileError as error:
        why = "it is a folder or a device, not a file"
        raise _refusal(path, why, "choose the .index file") from error
    except OSError as error:
        why = error.strerror or "it cannot be read"
        raise _refusal(path, why, "check that the file is there and readable") from error


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


@dataclass(frozen=True)
class _Header:
    """The fields every faiss index starts with."""

    width: int
    count: int
    trained: bool
    metric: int


class _Reader:
    """Reads one index file, and never more, or into more memory, than the file has left."""

    def __init__(
        self, file: BufferedReader, path: Path, width: int | None, row_source: RowSource
    ) -> None:
        self._file = file
        self._path = path
        self._width = width
        self._row_source = row_source
        self._known_rows: Rows | None = None
        self._size_bytes = os.fstat(file.fileno()).st_size
        self._left_bytes = self._size_bytes

    def index(self) -> RetrievalIndex:
        """The whole file."""
        if self._size_bytes < 4:
            raise self._refusal("it is empty")
        if self._size_bytes > _MAX_FILE_BYTES:
            size_gb = self._size_bytes / 1e9
            why = Text("it has {size_gb:.1f} GB, more than any voice's index", size_gb=size_gb)
            raise self._refusal(why, "choose the .index file")
        tag = self._tag()
        index = self._id_map() if tag in _ID_MAP else self._rows_and_lists(tag)
        if self._left_bytes and not self._only_zeros_follow():
            raise self._refusal(
                Text("{count} unknown bytes follow its end", count=self._left_bytes)
            )
        return index

    def _only_zeros_follow(self) -> bool:
        """Some programs and disks fill the last block of a file."""
        while piece := self._file.read(1 << 16):
            if piece.count(0) != len(piece):
                return False
        return True

    # --- kinds of index ---

    def _id_map(self) -> RetrievalIndex:
        """The wrapper that gives rows other ids."""
        outer = self._rows_header()
        inner = self._rows_and_lists(self._tag())
        (count,) = self._fields("Q")
        if count != outer.count or inner.rows.shape != (outer.count, outer.width):
            raise self._refusal("it is damaged: its number of ids contradicts its vectors")
        self._skip(count, 8)
        return replace(inner, kind=f"IDMap,{inner.kind}")

    def _rows_and_lists(self, tag: bytes) -> RetrievalIndex:
        if tag not in _FLAT | _IVF_FLAT:
            raise self._foreign_kind(tag)
        header = self._rows_header()
        if tag in _FLAT:
            self._check_floats(header)
            rows = self._allocate_rows(header)
            self._read_rows(rows)
            return RetrievalIndex(rows, "Flat", self._path, self._size_bytes)
        nlist, nprobe = self._fields("QQ")
        # faiss holds nprobe in a signed number: a huge one would turn negative there.
        if not (0 < nlist <= _MAX_LISTS and 0 < nprobe <= _MAX_LISTS):
            raise self._refusal("it is damaged: its number of lists makes no sense")
        centres = self._centres(header.width, nlist)
        if tag == b"IwFl":
            rows, sizes = self._inverted_lists(header, nlist)
        else:
            rows, sizes = self._legacy_lists(header, nlist, 4 if tag == b"IvFl" else 1)
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        lists = Lists(centres, starts, min(nprobe, nlist))
        return RetrievalIndex(rows, f"IVF{nlist},Flat", self._path, self._size_bytes, lists)

    def _foreign_kind(self, tag: bytes) -> IndexFileError:
        """Why a file with this tag cannot be used: another faiss kind, or not a faiss file."""
        for kind, tags in _OTHER_KINDS.items():
            if tag in tags.encode().split():
                why = Text("it is a {kind} index, which does not hold whole rows", kind=kind)
                return self._refusal(why, _REBUILD)
        if tag.startswith(b"PK"):
            return self._refusal(
                "it is a zip archive or a voice, not an index",
                "unpack it, or choose the .index file",
            )
        if tag == b"\x93NUM":
            return self._refusal("it is a numpy array, not an index", "choose the .index file")
        # Every index has zero bytes in its header; text has none.
        if b"\0" not in tag + self._file.read(min(60, self._left_bytes)):
            return self._refusal("it holds text or a web page, not an index")
        return self._refusal("it is not an index of a kind that RVC trainers write", _REBUILD)

    # --- parts of an index ---

    def _header(self) -> _Header:
        """The fields every index starts with; two unused integers are stepped over."""
        width, count, _, _, trained, metric = self._fields("iqqqBi")
        if not (0 < width <= _MAX_WIDTH and count >= 0 and trained in (0, 1)):
            raise self._refusal("it is damaged: its header makes no sense")
        if metric not in (_METRIC_INNER_PRODUCT, _METRIC_L2):
            raise self._refusal("it does not measure by squared distance (L2)", _REBUILD)
        return _Header(width, count, bool(trained), metric)

    def _rows_header(self) -> _Header:
        """The header of an index that holds, or wraps, the voice's rows."""
        header = self._header()
        if header.metric != _METRIC_L2:
            raise self._refusal(
                "it measures by inner product, not by squared distance (L2)", _REBUILD
            )
        if self._width is not None and self._width != header.width:
            raise self._refusal(
                Text(
                    _OWNERS.get(header.width, _OTHER_OWNER),
                    width=header.width,
                    voice_width=self._width,
                ),
                "choose the index that came with the voice",
            )
        if header.count == 0:
            raise self._refusal("it has lists but no vectors", _advice_on_sibling(self._path))
        if not header.trained:
            raise self._refusal("it was never trained", _REBUILD)
        return header

    def _centres(self, width: int, nlist: int) -> Rows:
        """The centre of each list, float32 [L, d]."""
        if self._tag() not in _FLAT:
            raise self._refusal("the centres of its lists are not stored as plain rows", _REBUILD)
        header = self._header()
        if (header.width, header.count) != (width, nlist):
            raise self._refusal("it is damaged: the centres of its lists contradict its header")
        if header.metric != _METRIC_L2:
            raise self._refusal("its lists are chosen by inner product, not by distance", _REBUILD)
        self._check_floats(header)
        self._claim(nlist, width * 4)
        centres = np.empty((nlist, width), np.float32)
        self._fill_checked(centres)
        return centres

    def _inverted_lists(self, header: _Header, nlist: int) -> tuple[Rows, _Integers]:
        """Lists as faiss has written them since 2018: all sizes, then rows and ids of each list.

        Rows float32 [N, d] list by list, and the sizes int64 [L].
        """
        self._skip_direct_map()
        if self._tag() != b"ilar":
            raise self._refusal("its vectors are stored in another file", _REBUILD)
        lists, row_bytes = self._fields("QQ")
        if lists != nlist or row_bytes != header.width * 4:
            raise self._refusal("it is damaged: its lists contradict its header")
        self._claim(header.count, row_bytes + 8)  # also keeps the sum below small
        sizes = self._list_sizes(nlist)
        if (sizes < 0).any() or (sizes > header.count).any() or int(sizes.sum()) != header.count:
            raise self._refusal("it is damaged: the sizes of its lists contradict its header")
        rows = self._allocate_rows(header, 8)
        start = 0
        for size in sizes[sizes > 0].tolist():
            self._read_rows(rows[start : start + size])
            self._skip(size, 8)
            start += size
        return rows, sizes

    def _list_sizes(self, nlist: int) -> _Integers:
        """int64 [L], stored for all lists or as pairs of number and size of those with rows."""
        layout = self._tag()
        (count,) = self._fields("Q")
        if layout == b"full" and count == nlist:
            return self._integers(count)
        unreadable = self._refusal("it is damaged: the sizes of its lists cannot be read")
        if layout != b"sprs" or count % 2 or count > 2 * nlist:
            raise unreadable
        numbers, stored = self._integers(count).reshape(-1, 2).T
        if (numbers < 0).any() or (numbers >= nlist).any():
            raise unreadable
        if len(np.unique(numbers)) != len(numbers):
            raise unreadable
        sizes = np.zeros(nlist, np.int64)
        sizes[numbers] = stored
        return sizes

    def _legacy_lists(self, header: _Header, nlist: int, item_bytes: int) -> tuple[Rows, _Integers]:
        """Lists as older faiss wrote them: the ids of all lists, then the rows of all lists.

        `item_bytes` is what one count of a row vector stands for: 1 in ``IvFL``, 4 in ``IvFl``.
        """
        sizes = np.zeros(nlist, np.int64)
        unread = header.count
        for number in range(nlist):
            (size,) = self._fields("Q")
            unread -= size
            if unread < 0:
                break
            self._skip(size, 8)
            sizes[number] = size
        if unread != 0:
            raise self._refusal("it is damaged: the sizes of its lists contradict its header")
        self._skip_direct_map()
        rows = self._allocate_rows(header)
        start = 0
        for size in sizes.tolist():
            (count,) = self._fields("Q")
            if count * item_bytes != size * header.width * 4:
                raise self._refusal("it is damaged: its lists hold more ids than vectors, or fewer")
            self._read_rows(rows[start : start + size])
            start += size
        return rows, sizes

    def _skip_direct_map(self) -> None:
        """The optional table from id to list, which a search does not need."""
        kind, count = self._fields("BQ")
        if kind > 2:
            raise self._refusal("it is damaged: its direct map is of an unknown kind")
        self._skip(count, 8)
        if kind == 2:  # a hash table: pairs of (id, place)
            (pairs,) = self._fields("Q")
            self._skip(pairs, 16)

    # --- rows ---

    def _check_floats(self, header: _Header) -> None:
        (floats,) = self._fields("Q")
        if floats != header.count * header.width:
            raise self._refusal("it is damaged: its number of values contradicts its header")

    def _allocate_rows(self, header: _Header, id_bytes: int = 0) -> Rows:
        """Room for all rows, float32 [N, d], or those that are known already."""
        self._claim(header.count, header.width * 4 + id_bytes)
        self._known_rows = self._row_source(header.count, header.width)
        if self._known_rows is None:
            return np.empty((header.count, header.width), np.float32)
        return self._known_rows

    def _read_rows(self, rows: Rows) -> None:
        if self._known_rows is None:
            self._fill_checked(rows)
        else:
            self._skip(1, rows.nbytes)

    def _fill_checked(self, rows: Rows) -> None:
        """Read rows, a few megabytes at a time, and refuse values that cannot be features."""
        step = max(1, _CHUNK_BYTES // (rows.shape[1] * 4))
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            self._fill(chunk)
            # A NaN makes both comparisons false.
            if not (chunk.max() <= _MAX_MAGNITUDE and chunk.min() >= -_MAX_MAGNITUDE):
                raise self._refusal("it is damaged: some of its values are NaN or huge")

    # --- bytes ---

    def _claim(self, count: int, item_bytes: int) -> int:
        """Bytes of `count` items, once it is known that the file has them."""
        if count < 0 or count * item_bytes > self._left_bytes:
            raise self._refusal("it is damaged or cut short")
        return count * item_bytes

    def _fields(self, layout: str) -> tuple[int, ...]:
        """Little-endian integers in `struct`'s notation."""
        data = np.empty(struct.calcsize("<" + layout), np.uint8)
        self._fill(data)
        return struct.unpack("<" + layout, data.data)

    def _tag(self) -> bytes:
        """The four letters that name the next part."""
        (number,) = self._fields("I")
        return number.to_bytes(4, "little")

    def _integers(self, count: int) -> _Integers:
        """The next `count` 64-bit integers; a size above 2^63 becomes negative."""
        self._claim(count, 8)
        values = np.empty(count, np.int64)
        self._fill(values)
        return values

    def _fill(self, target: npt.NDArray[np.generic]) -> None:
        """Read into a C-contiguous array."""
        self._left_bytes -= self._claim(1, target.nbytes)
        if not target.nbytes:  # an empty view cannot be cast
            return
        if self._file.readinto(target.reshape(-1).view(np.uint8).data) != target.nbytes:
            raise self._refusal("it changed while it was read")

    def _skip(self, count: int, item_bytes: int) -> None:
        size_bytes = self._claim(count, item_bytes)
        self._file.seek(size_bytes, 1)
        self._left_bytes -= size_bytes

    # --- errors ---

    def _refusal(self, why: Message, advice: Message = _GET_AGAIN) -> IndexFileError:
        return _refusal(self._path, why, advice)


def _refusal(path: Path, why: Message, advice: Message) -> IndexFileError:
    return IndexFileError(Text('Cannot use the index "{name}"', name=path.name), why, advice)


def _advice_on_sibling(path: Path) -> Message:
    """Trainers write ``trained_X.index`` first, then ``added_X.index`` with the vectors."""
    namesake = path.with_name(path.name.replace("trained_", "added_", 1))
    others = sorted(path.parent.glob("added_*.index"))
    if namesake != path and namesake.is_file():
        found = namesake
    elif len(others) == 1 and others[0].name != path.name:
        found = others[0]
    else:
        return "use its added_ sibling (added_….index), which holds the vectors"
    return Text('use "{name}", which is in the same folder', name=found.name)
