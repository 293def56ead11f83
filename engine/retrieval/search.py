"""Nearest rows of a retrieval index on any device: in the lists of the file, or among all rows.

The lists are those that the maker of the file chose (an inverted file, IVF: a query is compared
with the rows whose lists have the nearest centres), so a voice sounds as it does in faiss.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.models.layout import product
from engine.optimization import Retrieval, Weighting
from engine.retrieval.blend import NEIGHBOURS, check_width, squared_distances, weighted_mean
from engine.retrieval.index_file import Lists, RetrievalIndex, Rows

# Ranked by matrix products, decided by differences: twice as many, so that rounding in the first
# cannot lose a true neighbour. Metal's topk takes no more than 16.
_CANDIDATES = 2 * NEIGHBOURS
_MAX_TILE_FRAMES = 512
_CACHED_FRAMES = 64
"""Frames whose candidates (16 rows each, 3 MB) a processor weighs at a time."""
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

    Nothing is read back to the host, so a queue of work on a GPU is not interrupted. Among rows at
    exactly the same distance the first ones of the file win, as in faiss.

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
        if not len(rows):
            raise ValueError("an index without rows cannot be searched")
        self._rows = torch.from_numpy(rows).to(device, dtype)
        self._square_norms: Tensor | None = None
        self._weighting = weighting
        self._tile_frames, self._tile_rows = _tile_sizes(len(rows), rows.shape[1], tile_bytes)

    def to(self, device: torch.device | str) -> None:
        """Move the rows; from now on `blend` runs there."""
        self._rows = self._rows.to(device)
        if self._square_norms is not None:
            self._square_norms = self._square_norms.to(device)

    def blend(self, features: Tensor) -> Tensor:
        """See `Search.blend`; `features` must be on the device of the rows.

        Raises
        ------
        ValueError : features of another width
        """
        check_width(features, self._rows.shape[1])
        retrieved = torch.empty_like(features)
        for start in range(0, len(features), self._tile_frames):
            tile = slice(start, start + self._tile_frames)
            self._fill_means(retrieved[tile], features[tile], *self._candidates(features[tile]))
        return retrieved

    def _fill_means(self, target: Tensor, features: Tensor, ranks: Tensor, ids: Tensor) -> None:
        """`_mean` of all frames, [T, d]; on the CPU in tiles that stay in its cache."""
        on_cpu = features.device.type == "cpu"
        step = min(_CACHED_FRAMES, self._tile_frames) if on_cpu else self._tile_frames
        for start in range(0, len(features), step):
            tile = slice(start, start + step)
            target[tile] = self._mean(features[tile], ranks[tile], ids[tile])

    def _mean(self, features: Tensor, ranks: Tensor, ids: Tensor) -> Tensor:
        """Weighted mean of the nearest candidates, [T, d]; a frame without any keeps its features.

        Parameters
        ----------
        ranks : float32 [T, K]  infinite where there is no candidate
        ids : int64 [T, K]  numbers of the candidates
        """
        ids, order = ids.sort(dim=1)
        missing = ranks.gather(1, order).isinf()
        neighbours = self._rows.index_select(0, ids.flatten()).view(*ids.shape, -1).float()
        scores = squared_distances(features, neighbours).masked_fill(missing, torch.inf)
        scores, order = scores.sort(dim=1, stable=True)
        scores, order = scores[:, :NEIGHBOURS], order[:, :NEIGHBOURS]
        nearest = neighbours.gather(1, order.unsqueeze(-1).expand(-1, -1, neighbours.shape[2]))
        kept = scores < torch.inf
        mean = weighted_mean(nearest, scores, kept, self._weighting)
        return torch.where(kept.any(1, keepdim=True), mean, features)

    def _candidates(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Ranks and numbers of the nearest rows, each [T, 16 or N]."""
        return self._lowest_ranks(features, None, None)

    def _lowest_ranks(
        self, features: Tensor, hidden: Tensor | None, list_of_row: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """A running top-16 over tiles of rows.

        Ranks by ‖b‖² - 2ab: ‖a‖² is the same for all rows of a frame.

        Parameters
        ----------
        hidden : bool [T, L]  lists that a frame does not look into; None for none
        list_of_row : int64 [N]
        """
        opposite = -2 * features
        ranks, ids = features.new_empty(len(features), 0), None
        for start in range(0, len(self._rows), self._tile_rows):
            tile = self._ranks(opposite, start)
            if hidden is not None and list_of_row is not None:
                lists = list_of_row[start : start + self._tile_rows]
                tile.masked_fill_(hidden.index_select(1, lists), torch.inf)
            best_ranks, best_ids = _lowest(tile)
            best_ids = best_ids + start
            ranks = torch.cat([ranks, best_ranks], 1)
            ids = best_ids if ids is None else torch.cat([ids, best_ids], 1)
            if start:
                merged = ranks.topk(min(_CANDIDATES, ranks.shape[1]), dim=1, largest=False)
                ranks, ids = merged.values, ids.gather(1, merged.indices)
        assert ids is not None  # noqa: S101 - there are rows
        return ranks, ids

    def _ranks(self, opposite: Tensor, start: int) -> Tensor:
        """Ranks of a tile of rows, float32 [T, rows]."""
        norms = self._norms()
        stop = min(start + self._tile_rows, len(self._rows))
        step = _ROWS_PER_PRODUCT if opposite.device.type == "cpu" else self._tile_rows
        ranks = opposite.new_empty(len(opposite), stop - start)
        for low in range(start, stop, step):
            part = slice(low, min(low + step, stop))
            found = product(opposite, self._rows[part].float(), norms[part])
            if found.shape == ranks.shape:
                return found
            ranks[:, part.start - start : part.stop - start] = found
        return ranks

    def _norms(self) -> Tensor:
        """Squared length of each row, float32 [N]; made once, when it is first needed."""
        if self._square_norms is None:
            norms = [
                torch.linalg.vector_norm(self._rows[start : start + self._tile_rows].float(), dim=1)
                for start in range(0, len(self._rows), self._tile_rows)
            ]
            self._square_norms = torch.cat(norms).square_()
        return self._square_norms


class IvfSearch(ExactSearch):
    """The 8 nearest rows among those of the nearest lists: what faiss finds in the same file.

    On the CPU list after list is compared with the frames that look into it, so only these rows
    are read. On a GPU, where each list would cost a question to the host, all rows are compared
    and those of other lists are left out; both ways find the same rows.

    Where the distances of two centres, or of the 8th and 9th row, are equal to within the rounding
    of float32, faiss (or another device) may choose the other one. The features of such a frame
    differ; those of all others are equal to 1e-6.

    Parameters
    ----------
    rows, device, weighting, tile_bytes, dtype : as for `ExactSearch`
    lists : of the file
    by_list : whether to go list by list; None decides by the device
    """

    def __init__(
        self,
        rows: Rows,
        lists: Lists,
        device: torch.device | str,
        weighting: Weighting = "inverse_square",
        tile_bytes: int = 64 << 20,
        dtype: torch.dtype = torch.float32,
        *,
        by_list: bool | None = None,
    ) -> None:
        super().__init__(rows, device, weighting, tile_bytes, dtype)
        self._starts = lists.starts.tolist()
        self._nprobe = lists.nprobe
        self._by_list = by_list
        self._centres = torch.from_numpy(lists.centres)
        self._centre_norms = self._centres.square().sum(1)
        sizes = torch.from_numpy(lists.starts).diff()
        self._list_of_row = torch.arange(len(sizes)).repeat_interleave(sizes)
        self._list_norms: dict[int, Tensor] = {}
        self.to(device)

    def to(self, device: torch.device | str) -> None:
        """Move the rows and lists; from now on `blend` runs there."""
        super().to(device)
        self._centres = self._centres.to(device)
        self._centre_norms = self._centre_norms.to(device)
        self._list_of_row = self._list_of_row.to(device)
        self._list_norms.clear()

    def blend(self, features: Tensor) -> Tensor:
        """See `Search.blend`; `features` must be on the device of the rows.

        Raises
        ------
        ValueError : features of another width
        """
        by_list = features.device.type == "cpu" if self._by_list is None else self._by_list
        if not by_list:
            return super().blend(features)
        check_width(features, self._rows.shape[1])
        retrieved = torch.empty_like(features)
        self._fill_means(retrieved, features, *self._candidates_by_list(features))
        return retrieved

    def _nearest_lists(self, features: Tensor) -> Tensor:
        """Numbers of the lists that each frame looks into, int64 [T, nprobe]."""
        distances = torch.addmm(self._centre_norms, features, self._centres.T, alpha=-2)
        if self._nprobe == 1:  # the first of equal ones, as in faiss
            return distances.argmin(1, keepdim=True)
        if self._nprobe <= _CANDIDATES:
            return distances.topk(self._nprobe, dim=1, largest=False).indices
        return distances.argsort(dim=1)[:, : self._nprobe]

    def _candidates(self, features: Tensor) -> tuple[Tensor, Tensor]:
        near = self._nearest_lists(features)
        hidden = torch.ones_like(self._centre_norms, dtype=torch.bool).repeat(len(features), 1)
        hidden.scatter_(1, near, value=False)
        return self._lowest_ranks(features, hidden, self._list_of_row)

    def _candidates_by_list(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As `_candidates`, each [T, 16]."""
        ranks = features.new_full((len(features), _CANDIDATES), torch.inf)
        ids = torch.zeros_like(ranks, dtype=torch.int64)
        tiles = torch.split(features, self._tile_frames)
        near = torch.cat([self._nearest_lists(tile) for tile in tiles]).flatten()
        visits = near.argsort(stable=True)
        numbers, counts = torch.unique_consecutive(near[visits], return_counts=True)
        visitors = visits.div(self._nprobe, rounding_mode="floor")
        frames_of_lists = torch.split(visitors, counts.tolist())
        opposite = -2 * features
        for number, frames in zip(numbers.tolist(), frames_of_lists, strict=True):
            start, stop = self._starts[number], self._starts[number + 1]
            for low in range(start, stop, self._tile_rows):
                high = min(low + self._tile_rows, stop)
                for some in torch.split(frames, self._tile_frames):
                    self._merge(ranks, ids, opposite, some, low, high)
        return ranks, ids

    def _merge(
        self, ranks: Tensor, ids: Tensor, opposite: Tensor, frames: Tensor, low: int, high: int
    ) -> None:
        """Let the rows ``[low, high)`` compete for the candidates of some frames."""
        rows = self._rows[low:high].float()
        norms = self._list_norms.get(low)
        if norms is None:
            norms = self._list_norms[low] = rows.square().sum(1)
        found = torch.addmm(norms, opposite[frames], rows.T)
        values = torch.cat([ranks[frames], found], 1)
        best = values.topk(_CANDIDATES, dim=1, largest=False)
        numbers = torch.arange(low, high).expand(len(frames), -1)
        ids[frames] = torch.cat([ids[frames], numbers], 1).gather(1, best.indices)
        ranks[frames] = best.values


def open_search(
    index: RetrievalIndex,
    retrieval: Retrieval,
    device: torch.device | str,
    weighting: Weighting = "inverse_square",
    dtype: torch.dtype = torch.float32,
) -> Search:
    """The search that the user asked for.

    Parameters
    ----------
    device, dtype : of the rows, except for faiss

    Raises
    ------
    IndexFileError : faiss refuses the file
    """
    if retrieval == "faiss":
        from engine.retrieval.faiss_search import FaissSearch

        return FaissSearch(index, weighting)
    lists = index.lists
    if retrieval == "exact" or lists is None or lists.nprobe >= len(lists.centres):
        return ExactSearch(index.rows, device, weighting, dtype=dtype)
    return IvfSearch(index.rows, lists, device, weighting, dtype=dtype)


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
