"""Index files for the tests: written by faiss itself, or by hand in layouts it no longer writes."""

from __future__ import annotations

import struct
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def make_rows(count: int, width: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)


def ivf_index(rows: Rows, nlist: int) -> faiss.IndexIVFFlat:
    """As RVC trainers make it; the centres are rows, so that no clustering has to run."""
    width = rows.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, nlist, faiss.METRIC_L2)
    index.quantizer.add(rows[:nlist])
    index.is_trained = True
    index.add(rows)
    return index


def index_bytes(index: faiss.Index) -> bytes:
    return bytes(faiss.serialize_index(index).tobytes())


def legacy_ivf_bytes(rows: Rows, nlist: int, tag: bytes) -> bytes:
    """IVFFlat as faiss wrote it before 2018 (`IvFL`: sizes in bytes, `IvFl`: in floats)."""
    count, width = rows.shape
    lists = [np.arange(number, count, nlist) for number in range(nlist)]
    unit = width * 4 if tag == b"IvFL" else width
    parts = [struct.pack("<4siqqqBiQQ", tag, width, count, 0, 0, 1, 1, nlist, 1)]
    centres = faiss.IndexFlatL2(width)
    centres.add(rows[:nlist])
    parts.append(index_bytes(centres))
    parts += [struct.pack("<Q", len(ids)) + ids.astype("<i8").tobytes() for ids in lists]
    parts.append(struct.pack("<BQ", 0, 0))
    parts += [struct.pack("<Q", len(ids) * unit) + rows[ids].tobytes() for ids in lists]
    return b"".join(parts)
