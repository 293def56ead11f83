"""Search by faiss itself, for whoever asks for it; the only module that imports faiss.

It brings an OpenMP runtime of its own, so nothing else imports this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
import torch
from torch import Tensor

from engine.errors import IndexFileError, Message, Text
from engine.optimization import Weighting
from engine.retrieval.blend import NEIGHBOURS, check_width, squared_distances, weighted_mean
from engine.retrieval.index_file import RetrievalIndex

_TILE_FRAMES = 512


class FaissSearch:
    """The rows that faiss finds on the CPU with the file's own lists and ``nprobe``.

    Takes what `read_index` has accepted, because faiss' own reader believes sizes in a file.
    A frame whose lists are empty keeps its features. The rows that it compares are faiss' own
    copy, so those of `index` may be dropped.

    Raises
    ------
    IndexFileError : faiss refuses the file, or it changed since it was read
    """

    def __init__(self, index: RetrievalIndex, weighting: Weighting = "inverse_square") -> None:
        self._width = index.rows.shape[1]
        self._weighting = weighting
        self._whole = _load_with_faiss(index)
        # An id map cannot look up the rows of its ids; what it wraps can, and belongs to it.
        mapped = isinstance(self._whole, faiss.IndexIDMap)
        self._searcher = faiss.downcast_index(self._whole.index) if mapped else self._whole

    def blend(self, features: Tensor) -> Tensor:
        """See `Search.blend`.

        Raises
        ------
        ValueError : features of another width
        """
        check_width(features, self._width)
        retrieved = torch.empty_like(features)
        for start in range(0, len(features), _TILE_FRAMES):
            frames = slice(start, start + _TILE_FRAMES)
            retrieved[frames] = self._blend_tile(features[frames].cpu()).to(features.device)
        return retrieved

    def _blend_tile(self, features: Tensor) -> Tensor:
        queries = np.ascontiguousarray(features.numpy(), dtype=np.float32)
        with _one_thread():
            _, _, rows = self._searcher.search_and_reconstruct(queries, NEIGHBOURS)
        # Where its lists hold fewer rows, faiss fills up with NaN.
        kept = torch.from_numpy(~np.isnan(rows[:, :, 0]))
        neighbours = torch.from_numpy(np.nan_to_num(rows, copy=False))
        scores = squared_distances(features, neighbours)
        mean = weighted_mean(neighbours, scores, kept, self._weighting)
        return torch.where(kept.any(1, keepdim=True), mean, features)


def _load_with_faiss(index: RetrievalIndex) -> Any:
    """The object of faiss itself, read under a limit that the file's size sets."""
    limit_bytes = faiss.get_deserialization_vector_byte_limit()
    faiss.set_deserialization_vector_byte_limit(2 * index.size_bytes + (1 << 20))
    try:
        searcher = faiss.read_index(os.fspath(index.path))
    except RuntimeError as error:
        raise _refusal(index, "faiss cannot read it") from error
    finally:
        faiss.set_deserialization_vector_byte_limit(limit_bytes)
    if (searcher.ntotal, searcher.d) != index.rows.shape:
        raise _refusal(index, "it changed while it was read")
    return searcher


def _refusal(index: RetrievalIndex, why: Message) -> IndexFileError:
    return IndexFileError(
        Text('Cannot use the index "{name}"', name=index.path.name),
        why,
        "choose another way of retrieval, or another index",
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep faiss' OpenMP quiet: two threaded OpenMP runtimes in a process crash on macOS.

    Put back afterwards, because torch may share the runtime.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
