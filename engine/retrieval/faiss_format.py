"""faiss' binary layout, read with every size checked against the file before anything is allocated.

The layout is a fact of faiss (`impl/index_write.cpp`): little-endian, a four-letter tag, then the
fields of that class. Only the kinds that hold whole rows are read: ``Flat``, ``IVF{n},Flat`` (also
in its two older spellings) and the id-map wrappers round them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import IndexFileError
from engine.retrieval.bounded_reader import BoundedReader

Rows = npt.NDArray[np.float32]

_MAX_WIDTH = 65_536
# RVC trainers make 16·√rows lists: 8,764 for 300,000 rows.
_MAX_LISTS = 1 << 18
# Content features are of order 1; squared distances of anything up to this stay finite in float32.
_MAX_MAGNITUDE = 1e6
_CHUNK_BYTES = 8 << 20

_METRIC_INNER_PRODUCT, METRIC_L2 = 0, 1
FLAT = frozenset({b"IxF2", b"IxFI", b"IxFl"})
IVF_FLAT = frozenset({b"IwFl", b"IvFL", b"IvFl"})
ID_MAP = frozenset({b"IxMp", b"IxM2"})
_OTHER_KINDS = {
    "HNSW graph": "IHNf IHNp IHNs IHN2 IHNc IHfP",
    "NSG graph": "INSf INSp INSs",
    "NN-descent graph": "INNf",
    "pre-transformed (PCA, rotation)": "IxPT",
    "refined": "IxRF",
    "de-duplicated IVF": "IwFd",
    "product-quantized (PQ)": "IxPQ IxPo IxPq IPfs IvPQ IwPQ IvQR IwQR IwPf Ix2L",
    "scalar-quantized (SQ)": "IxSQ IvSQ IwSQ IwSq",
    "RaBitQ": "Ixrq Iwrq",
    "additive-quantized": "IxRQ IxRq IxLS IxPR IxPL IwLS IwRQ IwPL IwPR ILfs IRfs IPRf IPLf",
    "hashed (LSH)": "IxHE IxHe IwSh",
    "binary": "IBxF IBwF IBFf IBHf IBMp IBM2 IBHh IBHm",
}
REBUILD = 'build an "IVF,Flat" index with the trainer of the voice'


@dataclass(frozen=True)
class Header:
    """The fields every faiss index starts with."""

    width: int
    count: int
    trained: bool
    metric: int


@dataclass(frozen=True, eq=False)
class Stored:
    """What one faiss index holds: float32 rows ``[N, d]`` in id order, and how it searches them."""

    rows: Rows
    kind: str
    nlist: int
    nprobe: int


def read_header(reader: BoundedReader) -> Header:
    """The common header; two unused integers are stepped over.

    Raises
    ------
    IndexFileError : values that no index can have, or a metric other than L2 and inner product
    """
    width, count, _, _, trained, metric = reader.fields("iqqqBi", "header")
    if not (0 < width <= _MAX_WIDTH and count >= 0 and trained in (0, 1)):
        raise reader.refusal("it is damaged: its header makes no sense")
    if metric not in (_METRIC_INNER_PRODUCT, METRIC_L2):
        raise reader.refusal("it does not measure by squared distance (L2)", REBUILD)
    return Header(width, count, bool(trained), metric)


def read_flat(reader: BoundedReader, header: Header) -> Rows:
    """Rows stored one after the other (``Flat``).

    Raises
    ------
    IndexFileError : fewer rows in the file than stated, or values that are no features
    """
    (floats,) = reader.fields("Q", "vectors")
    if floats != header.count * header.width:
        raise reader.refusal("it is damaged: its number of values contradicts its header")
    reader.claim(floats, 4, "vectors")
    rows = np.empty((header.count, header.width), np.float32)
    for chunk in _chunks(rows):
        reader.fill(chunk, "vectors")
        _check_values(reader, chunk)
    return rows


def read_ivf(reader: BoundedReader, header: Header, tag: bytes) -> Stored:
    """Rows spread over inverted lists (``IVF{n},Flat``), put back in id order.

    Raises
    ------
    IndexFileError : any size, id or value that contradicts the rest of the file
    """
    nlist, nprobe = reader.fields("QQ", "lists")
    # faiss holds nprobe in a signed number: a huge one would turn negative there.
    if not (0 < nlist <= _MAX_LISTS and 0 < nprobe <= _MAX_LISTS):
        raise reader.refusal("it is damaged: its number of lists makes no sense")
    _read_quantizer(reader, header.width, nlist)
    if tag == b"IwFl":
        rows = _read_lists(reader, header, nlist)
    else:
        rows = _read_legacy_lists(reader, header, nlist, 4 if tag == b"IvFl" else 1)
    return Stored(rows, f"IVF{nlist},Flat", nlist, min(nprobe, nlist))


def read_id_map(reader: BoundedReader, header: Header, inner: Stored) -> Stored:
    """The wrapper that gives rows other ids; its rows come back in the order of those ids.

    Raises
    ------
    IndexFileError : ids that are not a rearrangement of 0 to N-1
    """
    (count,) = reader.fields("Q", "ids")
    if count != header.count or inner.rows.shape != (header.count, header.width):
        raise reader.refusal("it is damaged: its number of ids contradicts its vectors")
    ids = reader.integers(count, "ids")
    kind = f"IDMap,{inner.kind}"
    if np.array_equal(ids, np.arange(count)):
        return Stored(inner.rows, kind, inner.nlist, inner.nprobe)
    seen = np.zeros(count, bool)
    _mark_ids(reader, seen, ids)
    _check_all_seen(reader, seen)
    rows = np.empty_like(inner.rows)
    rows[ids] = inner.rows
    return Stored(rows, kind, inner.nlist, inner.nprobe)


def foreign_kind(reader: BoundedReader, tag: bytes) -> IndexFileError:
    """Why a file with this tag cannot be used: another faiss kind, or no faiss file at all."""
    for kind, tags in _OTHER_KINDS.items():
        if tag in tags.encode().split():
            return reader.refusal(f"it is a {kind} index, which does not hold whole rows", REBUILD)
    if tag.startswith(b"PK"):
        return reader.refusal(
            "it is a zip archive or a voice, not an index", "unpack it, or choose the .index file"
        )
    if tag == b"\x93NUM":
        return reader.refusal("it is a numpy array, not an index", "choose the .index file")
    # Every index has zero bytes in its header; text has none.
    if b"\0" not in tag + reader.peek(60):
        return reader.refusal("it holds text or a web page, not an index")
    return reader.refusal("it is not an index of a kind that RVC trainers write", REBUILD)


def _read_quantizer(reader: BoundedReader, width: int, nlist: int) -> None:
    """The centre of each list; only checked, an exact search has no use for it."""
    tag = reader.tag("list centres")
    if tag not in FLAT:
        raise reader.refusal("the centres of its lists are not stored as plain rows", REBUILD)
    header = read_header(reader)
    if (header.width, header.count) != (width, nlist):
        raise reader.refusal("it is damaged: the centres of its lists contradict its header")
    read_flat(reader, header)


def _skip_direct_map(reader: BoundedReader) -> None:
    """The optional table from id to list, which a search does not need."""
    kind, count = reader.fields("BQ", "direct map")
    if kind > 2:
        raise reader.refusal("it is damaged: its direct map is of no known kind")
    reader.skip(reader.claim(count, 8, "direct map"))
    if kind == 2:  # a hash table: pairs of (id, place)
        (pairs,) = reader.fields("Q", "direct map")
        reader.skip(reader.claim(pairs, 16, "direct map"))


def _read_lists(reader: BoundedReader, header: Header, nlist: int) -> Rows:
    """Lists as faiss has written them since 2018: all sizes, then codes and ids of each list."""
    _skip_direct_map(reader)
    tag = reader.tag("lists")
    if tag != b"ilar":
        raise reader.refusal("its vectors are stored in another file", REBUILD)
    lists, code_bytes = reader.fields("QQ", "lists")
    if lists != nlist or code_bytes != header.width * 4:
        raise reader.refusal("it is damaged: its lists contradict its header")
    reader.claim(header.count, code_bytes + 8, "vectors")  # also keeps the sum below small
    sizes = _read_list_sizes(reader, nlist)
    if (sizes < 0).any() or (sizes > header.count).any() or int(sizes.sum()) != header.count:
        raise reader.refusal("it is damaged: the sizes of its lists contradict its header")
    reader.claim(header.count, code_bytes + 8, "vectors")
    rows = np.empty((header.count, header.width), np.float32)
    seen = np.zeros(header.count, bool)
    for size in sizes[sizes > 0].tolist():
        # The ids lie behind the rows: fetch them first, so that rows go straight to their places.
        reader.skip(size * code_bytes)
        ids = reader.integers(size, "ids")
        reader.skip(-size * (code_bytes + 8))
        _mark_ids(reader, seen, ids)
        _scatter(reader, rows, ids)
        reader.skip(size * 8)
    _check_all_seen(reader, seen)
    return rows


def _read_list_sizes(reader: BoundedReader, nlist: int) -> npt.NDArray[np.int64]:
    layout = reader.tag("lists")
    (count,) = reader.fields("Q", "lists")
    if layout == b"full" and count == nlist:
        return reader.integers(count, "lists")
    if layout != b"sprs" or count % 2 or count > 2 * nlist:
        raise reader.refusal("it is damaged: the sizes of its lists cannot be read")
    pairs = reader.integers(count, "lists").reshape(-1, 2)
    numbers = pairs[:, 0]
    if (numbers < 0).any() or (numbers >= nlist).any() or len(np.unique(numbers)) != len(numbers):
        raise reader.refusal("it is damaged: the sizes of its lists cannot be read")
    sizes = np.zeros(nlist, np.int64)
    sizes[numbers] = pairs[:, 1]
    return sizes


def _read_legacy_lists(reader: BoundedReader, header: Header, nlist: int, item_bytes: int) -> Rows:
    """Lists as older faiss wrote them: the ids of all lists, then the rows of all lists.

    `item_bytes` is what one count of a row vector stands for: 1 in ``IvFL``, 4 in ``IvFl``.
    """
    ids_of_lists = []
    unread = header.count
    for _ in range(nlist):
        (size,) = reader.fields("Q", "ids")
        unread -= size
        if unread < 0:
            break
        ids_of_lists.append(reader.integers(size, "ids"))
    if unread != 0:
        raise reader.refusal("it is damaged: the sizes of its lists contradict its header")
    _skip_direct_map(reader)
    reader.claim(header.count, header.width * 4, "vectors")
    rows = np.empty((header.count, header.width), np.float32)
    seen = np.zeros(header.count, bool)
    for ids in ids_of_lists:
        (count,) = reader.fields("Q", "vectors")
        if count * item_bytes != len(ids) * header.width * 4:
            raise reader.refusal("it is damaged: its lists hold more ids than vectors, or fewer")
        _mark_ids(reader, seen, ids)
        _scatter(reader, rows, ids)
    _check_all_seen(reader, seen)
    return rows


def _chunks(rows: Rows) -> Iterator[Rows]:
    """Views of a few megabytes each."""
    step = max(1, _CHUNK_BYTES // (rows.shape[1] * 4))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _scatter(reader: BoundedReader, rows: Rows, ids: npt.NDArray[np.int64]) -> None:
    """Read ``len(ids)`` rows and put each at its id; `ids` are known to be within `rows`."""
    step = max(1, _CHUNK_BYTES // (rows.shape[1] * 4))
    chunk = np.empty((min(step, len(ids)), rows.shape[1]), np.float32)
    for start in range(0, len(ids), step):
        places = ids[start : start + step]
        part = chunk[: len(places)]
        reader.fill(part, "vectors")
        _check_values(reader, part)
        rows[places] = part


def _mark_ids(
    reader: BoundedReader, seen: npt.NDArray[np.bool_], ids: npt.NDArray[np.int64]
) -> None:
    if len(ids) and (ids.min() < 0 or ids.max() >= len(seen)):
        raise reader.refusal("it is damaged: it holds row numbers outside its range", REBUILD)
    seen[ids] = True


def _check_all_seen(reader: BoundedReader, seen: npt.NDArray[np.bool_]) -> None:
    """As many ids as rows were marked, so one that is missing means that another came twice."""
    if not seen.all():
        raise reader.refusal("it is damaged: it holds row numbers twice", REBUILD)


def _check_values(reader: BoundedReader, rows: Rows) -> None:
    # A NaN makes both comparisons false.
    if rows.size and not (rows.max() <= _MAX_MAGNITUDE and rows.min() >= -_MAX_MAGNITUDE):
        raise reader.refusal("it is damaged: it holds values that are not features (NaN or huge)")
