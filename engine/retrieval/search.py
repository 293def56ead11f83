"""Nearest rows of a retrieval index: the true ones, on any device, or those that faiss finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import IndexFileError
from engine.models.layout import product
from engine.optimization import Weighting
from engine.retrieval.blend import squared_distances, weighted_mean
from engine.retrieval.faiss_format import Rows
from engine.retrieval.index_file import RetrievalIndex

NEIGHBOURS = 8
# Ranked by matrix products, decided by differences: twice as many, so that rounding in the first
# cannot lose a true neighbour. Metal's topk takes no more than 16.
_CANDIDATES = 2 * NEIGHBOURS
_MAX_TILE_FRAMES = 512
_GROUP = 32
"""Neighbouring ranks of which only the lowest is looked at first."""
_ROWS_PER_PRODUCT = 4096
"""Rows that a processor multiplies at a time: 12 MB of them and their ranks stay in its cache."""


class Search(Protocol):
    """Replaces features of the source by features of the voice."""

    def blend(self, features: Tensor) -> Tensor:
        """Weighted mean of the rows nearest to each frame.

        Parameters
        ----------
        features : float32 [T, d]  50 frames/s, on any device

        Returns
        -------
        float32 [T, d]  on the same device, not yet mixed with `features`
        """


class ExactSearch:
    """The true 8 nearest rows, by tiled matrix products on the device of the rows.

    Nothing is read back to the host, so a queue of work on a GPU is not interrupted.

    Parameters
    ----------
    rows : float32 [N, d], N > 0; on the CPU shared, not copied
    device : where the rows stay and `blend` runs
    weighting : see `Weighting`
    tile_bytes : largest table that a `blend` may make beside rows, their norms, and its result
    dtype : float32, or float16 for half the memory; distances are float32 in any case
    """

    def __init__(
        self,
        rows: Rows,
        device: torch.device | str,
        weighting: Weighting = "inverse_square",
        tile_bytes: int = 64 << 20,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._rows = torch.from_numpy(rows).to(device, dtype)
        self._weighting = weighting
        count, width = rows.shape
        self._tile_frames, self._tile_rows = _tile_sizes(count, width, tile_bytes)
        norms = [
            torch.linalg.vector_norm(self._rows[start : start + self._tile_rows].float(), dim=1)
            for start in range(0, count, self._tile_rows)
        ]
        self._square_norms = torch.cat(norms).square_()

    def to(self, device: torch.device | str) -> None:
        """Move the rows; from now on `blend` runs there."""
        self._rows, self._square_norms = self._rows.to(device), self._square_norms.to(device)

    def blend(self, features: Tensor) -> Tensor:
        """See `Search.blend`; `features` must be on the device of the rows.

        Raises
        ------
        ValueError : features of another width
        """
        _check_width(features, self._rows.shape[1])
        retrieved = torch.empty_like(features)
        for start in range(0, len(features), self._tile_frames):
            frames = slice(start, start + self._tile_frames)
            retrieved[frames] = self._blend_tile(features[frames])
        return retrieved

    def _blend_tile(self, features: Tensor) -> Tensor:
        ids = self._candidates(features)
        neighbours = self._rows.index_select(0, ids.flatten()).view(*ids.shape, -1).float()
        scores = squared_distances(features, neighbours)
        nearest = scores.topk(min(NEIGHBOURS, ids.shape[1]), dim=1, largest=False).indices
        kept = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, nearest, value=True)
        return weighted_mean(neighbours, scores, kept, self._weighting)

    def _candidates(self, features: Tensor) -> Tensor:
        """Numbers of the nearest rows, int64 [T, 16 or N], from a running top-16 over tiles.

        Ranks by ‖b‖² - 2ab: ‖a‖² is the same for all rows of a frame.
        """
        ranks, ids = features.new_empty(len(features), 0), None
        opposite = -2 * features
        for start in range(0, len(self._rows), self._tile_rows):
            best_ranks, best_ids = _lowest(self._ranks(opposite, start))
            if ids is None:
                ranks, ids = best_ranks, best_ids
                continue
            ranks = torch.cat([ranks, best_ranks], 1)
            ids = torch.cat([ids, best_ids + start], 1)
            merged = ranks.topk(min(_CANDIDATES, ranks.shape[1]), dim=1, largest=False)
            ranks, ids = merged.values, ids.gather(1, merged.indices)
        if ids is None:
            raise ValueError("an index without rows cannot be searched")
        return ids

    def _ranks(self, opposite: Tensor, start: int) -> Tensor:
        """Ranks of a tile of rows, float32 [T, rows]."""
        stop = min(start + self._tile_rows, len(self._rows))
        step = _ROWS_PER_PRODUCT if opposite.device.type == "cpu" else self._tile_rows
        ranks = opposite.new_empty(len(opposite), stop - start)
        for low in range(start, stop, step):
            part = slice(low, min(low + step, stop))
            found = product(opposite, self._rows[part].float(), self._square_norms[part])
            if found.shape == ranks.shape:
                return found
            ranks[:, part.start - start : part.stop - start] = found
        return ranks


class FaissSearch:
    """The rows that faiss finds on the CPU with the file's own lists and ``nprobe``.

    Takes what `read_index` has accepted, because faiss' own reader believes sizes in a file.
    A frame whose lists are empty keeps its features. The rows that it compares are faiss' own:
    those of `index` may go, unless the file maps numbers to rows (faiss does not look those up).

    Raises
    ------
    IndexFileError : faiss refuses the file, or it changed since it was read
    """

    def __init__(self, index: RetrievalIndex, weighting: Weighting = "inverse_square") -> None:
        self._width = index.rows.shape[1]
        self._weighting = weighting
        self._searcher = _load_with_faiss(index)
        self._rows = torch.from_numpy(index.rows) if index.kind.startswith("IDMap") else None

    def blend(self, features: Tensor) -> Tensor:
        """See `Search.blend`.

        Raises
        ------
        ValueError : features of another width
        """
        _check_width(features, self._width)
        retrieved = torch.empty_like(features)
        for start in range(0, len(features), _MAX_TILE_FRAMES):
            frames = slice(start, start + _MAX_TILE_FRAMES)
            retrieved[frames] = self._blend_tile(features[frames].cpu()).to(features.device)
        return retrieved

    def _blend_tile(self, features: Tensor) -> Tensor:
        queries = np.ascontiguousarray(features.numpy(), dtype=np.float32)
        found, neighbours = self._found(queries)
        kept = found >= 0  # faiss fills up with -1 where its lists hold fewer
        scores = squared_distances(features, neighbours)
        mean = weighted_mean(neighbours, scores, kept, self._weighting)
        return torch.where(kept.any(1, keepdim=True), mean, features)

    def _found(self, queries: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Numbers of the nearest rows, int64 [T, 8] or -1, and those rows, [T, 8, d]."""
        with _one_thread():
            if self._rows is None:
                _, found, rows = self._searcher.search_and_reconstruct(queries, NEIGHBOURS)
                return torch.from_numpy(found), torch.from_numpy(np.nan_to_num(rows, copy=False))
            _, found = self._searcher.search(queries, NEIGHBOURS)
        ids = torch.from_numpy(found)
        return ids, self._rows[ids.clamp(min=0)]


def _lowest(ranks: Tensor) -> tuple[Tensor, Tensor]:
    """The 16 lowest of each row of [T, N] and their columns, each [T, 16] (or all there are).

    The 16 lowest lie in the 16 groups with the lowest minima, so few need sorting.
    """
    frames, rows = ranks.shape
    if rows % _GROUP or rows <= _CANDIDATES * _GROUP:
        lowest = ranks.topk(min(_CANDIDATES, rows), dim=1, largest=False)
        return lowest.values, lowest.indices
    grouped = ranks.view(frames, rows // _GROUP, _GROUP)
    groups = grouped.amin(2).topk(_CANDIDATES, dim=1, largest=False).indices
    members = grouped.gather(1, groups.unsqueeze(2).expand(-1, -1, _GROUP))
    lowest = members.flatten(1).topk(_CANDIDATES, dim=1, largest=False)
    place = lowest.indices
    group = groups.gather(1, torch.div(place, _GROUP, rounding_mode="floor"))
    return lowest.values, group * _GROUP + place % _GROUP


def _tile_sizes(count: int, width: int, tile_bytes: int) -> tuple[int, int]:
    """Frames and rows of a tile, from the two tables that are largest.

    Candidates and their differences: 2 x frames x 16 x width floats; ranks: frames x rows.
    """
    frames = tile_bytes // (2 * _CANDIDATES * width * 4)
    frames = max(1, min(frames, _MAX_TILE_FRAMES))
    rows = tile_bytes // (max(frames, width) * 4)  # also as float32, should they be stored shorter
    rows -= rows % _GROUP if rows > _GROUP else 0
    return frames, max(1, min(rows, count))


def _check_width(features: Tensor, width: int) -> None:
    if features.ndim != 2 or features.shape[1] != width:
        raise ValueError(f"features must be [T, {width}], not {tuple(features.shape)}")


def _load_with_faiss(index: RetrievalIndex) -> Any:
    """The object of faiss itself, read under a limit that the file's size sets."""
    import faiss  # brings an OpenMP of its own: only who asks for it gets it

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


def _refusal(index: RetrievalIndex, why: str) -> IndexFileError:
    return IndexFileError(
        f'Cannot use the index "{index.path.name}"', why, "use exact retrieval, or another index"
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep faiss' OpenMP quiet: two threaded OpenMP runtimes in a process crash on macOS.

    Put back afterwards, because torch may share the runtime.
    """
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
