from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.errors import IndexFileError
from engine.optimization import Retrieval, Weighting
from engine.retrieval.blend import mix
from engine.retrieval.faiss_search import FaissSearch
from engine.retrieval.index_file import Lists, RetrievalIndex, read_index
from engine.retrieval.search import ExactSearch, IvfSearch, Search, _lowest, open_search
from tests.engine.retrieval.faiss_files import GOLDEN, Rows, ivf_index, make_rows

INDEX_RATE = 0.75  # of the golden case; its retrieval_out is already mixed


def exact(
    rows: Rows,
    features: Rows,
    weighting: Weighting = "inverse_square",
    tile_bytes: int = 64 << 20,
) -> Rows:
    retrieved = ExactSearch(rows, "cpu", weighting, tile_bytes).blend(torch.from_numpy(features))
    return np.asarray(retrieved.numpy(), np.float32)


def by_definition(rows: Rows, features: Rows, power: int = 2) -> np.ndarray:
    """The formula of formats.md section 4 in float64, every distance by differences."""
    rows64, features64 = rows.astype(np.float64), features.astype(np.float64)
    scores = ((features64[:, None] - rows64[None]) ** 2).sum(-1)
    nearest = np.argsort(scores, axis=1)[:, :8]
    weights = np.take_along_axis(scores, nearest, 1) ** -power
    weights /= weights.sum(1, keepdims=True)
    return np.asarray((rows64[nearest] * weights[..., None]).sum(1))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "v2_40k.npz") as case:
        return {name: case[name] for name in case.files if name.startswith("retrieval")}


# --- parity ---


def test_exact_search_equals_the_reference(golden: dict[str, np.ndarray]) -> None:
    rows = read_index(GOLDEN / "v2_40k.index", 768).rows
    features = torch.from_numpy(golden["retrieval_in"])
    mixed = mix(ExactSearch(rows, "cpu").blend(features), features, INDEX_RATE)
    assert np.abs(mixed.numpy() - golden["retrieval_exact_out"]).max() <= 1e-4


@pytest.mark.parametrize("way", ["ivf", "faiss"])
def test_the_search_of_the_lists_equals_the_reference(
    golden: dict[str, np.ndarray], way: Retrieval
) -> None:
    search = open_search(read_index(GOLDEN / "v2_40k.index", 768), way, "cpu")
    features = torch.from_numpy(golden["retrieval_in"])
    mixed = mix(search.blend(features), features, INDEX_RATE)
    assert np.abs(mixed.numpy() - golden["retrieval_out"]).max() <= 1e-4


def test_one_list_of_six_is_not_the_whole_index(golden: dict[str, np.ndarray]) -> None:
    index = read_index(GOLDEN / "v2_40k.index")
    features = torch.from_numpy(golden["retrieval_in"])
    difference = FaissSearch(index).blend(features) - ExactSearch(index.rows, "cpu").blend(features)
    assert difference.abs().max() > 0.1


@pytest.mark.parametrize(("weighting", "power"), [("inverse_square", 2), ("inverse", 1)])
def test_both_searches_equal_the_definition(
    tmp_path: Path, weighting: Weighting, power: int
) -> None:
    rows, features = make_rows(500, 32), make_rows(40, 32, seed=1)
    expected = by_definition(rows, features, power)
    np.testing.assert_allclose(exact(rows, features, weighting=weighting), expected, atol=1e-5)
    index = ivf_index(rows, 10)
    index.nprobe = 10  # all lists: now faiss too finds the true neighbours
    faiss.write_index(index, str(tmp_path / "voice.index"))
    search = FaissSearch(read_index(tmp_path / "voice.index"), weighting)
    found = search.blend(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_neighbours_much_nearer_than_their_norm_are_weighted_right() -> None:
    # ‖a‖² is 25,000, so a product rounds by 0.005; the squared distances are from 0.1 to 10.
    centre = 10 * make_rows(1, 256)
    spread = np.linspace(0.02, 0.2, 40, dtype=np.float32)[:, None]
    rows = centre + spread * make_rows(40, 256, seed=1)
    expected = by_definition(rows, centre)
    np.testing.assert_allclose(exact(rows, centre), expected, atol=5e-6)


# --- the lists of the file, as faiss searches them ---


def saved(index: Any, path: Path) -> RetrievalIndex:
    faiss.write_index(index, str(path))
    return read_index(path)


def ways(index: RetrievalIndex) -> list[Search]:
    """Our two ways to search a file: by list, and by all rows with those of other lists hidden."""
    assert index.lists is not None
    return [
        IvfSearch(index.rows, index.lists, "cpu", tile_bytes=tile_bytes, by_list=by_list)
        for by_list in (True, False)
        for tile_bytes in (64 << 20, 60_000)
    ]


def clustered(count: int, width: int, seed: int = 0) -> Rows:
    """Rows in clusters of very different sizes, as features of speech are."""
    rng = np.random.default_rng(seed)
    middles = make_rows(40, width, seed)
    weights = rng.dirichlet(np.full(40, 0.3))
    rows = middles[rng.choice(40, count, p=weights)] + 0.4 * make_rows(count, width, seed + 1)
    return rows.astype(np.float32)


@pytest.mark.parametrize("nprobe", [1, 3, 20, 64])
@pytest.mark.parametrize("width", [256, 768])
def test_our_search_of_the_lists_finds_what_faiss_finds(
    tmp_path: Path, width: int, nprobe: int
) -> None:
    rows = clustered(1000, width)
    index = ivf_index(rows, 64)
    index.nprobe = nprobe
    index.remove_ids(np.arange(100, 200))
    file = saved(index, tmp_path / "voice.index")
    near = rows[75:125] + 0.05 * make_rows(50, width, 5)  # half of them of deleted rows
    features = torch.from_numpy(np.concatenate([clustered(50, width, 7), near, rows[85:115]]))
    expected = FaissSearch(file).blend(features)
    for search in [*ways(file), open_search(file, "ivf", "cpu")]:
        assert (search.blend(features) - expected).abs().max() <= 1e-6


def is_near_tie(file: RetrievalIndex, feature: Rows) -> bool:
    """Whether rounding decides in which lists a query looks, or which row is its eighth."""
    assert file.lists is not None
    query, centres = feature.astype(np.float64), file.lists.centres.astype(np.float64)
    distances = ((centres - query) ** 2).sum(1)
    order, nprobe = distances.argsort(), file.lists.nprobe
    gap = distances[order[nprobe]] - distances[order[nprobe - 1]]
    largest = (query**2).sum() + (centres**2).sum(1).max()  # of the terms of a product
    if gap <= 16 * np.finfo(np.float32).eps * largest:
        return True
    starts = file.lists.starts
    rows = np.concatenate([file.rows[starts[i] : starts[i + 1]] for i in order[:nprobe]])
    nearest = np.sort(((rows.astype(np.float64) - query) ** 2).sum(1))
    return len(nearest) > 8 and bool(nearest[8] - nearest[7] <= 1e-6 * nearest[8])


@pytest.mark.parametrize(("nprobe", "offset"), [(1, 0.0), (1, 40.0), (4, 40.0)])
def test_only_frames_with_a_near_tie_differ_from_faiss(
    tmp_path: Path, nprobe: int, offset: float
) -> None:
    # Far from the origin, products round by more than the centres differ in distance.
    rows = make_rows(2000, 64) + np.float32(offset)
    index = ivf_index(rows, 100)
    index.nprobe = nprobe
    file = saved(index, tmp_path / "voice.index")
    features = make_rows(1000, 64, seed=1) + np.float32(offset)
    expected = FaissSearch(file).blend(torch.from_numpy(features))
    assert file.lists is not None
    for by_list in (True, False):
        search = IvfSearch(file.rows, file.lists, "cpu", by_list=by_list)
        differences = (search.blend(torch.from_numpy(features)) - expected).abs().amax(1)
        differing = torch.nonzero(differences > 1e-5).flatten().tolist()
        assert len(differing) < 0.1 * len(features)
        assert all(is_near_tie(file, features[frame]) for frame in differing)


@pytest.mark.parametrize("nprobe", [1, 2, 5])
def test_short_and_empty_lists_give_what_faiss_gives(tmp_path: Path, nprobe: int) -> None:
    rows = make_rows(300, 16)
    index = ivf_index(rows, 100)
    index.reset()
    index.add(rows[100:140])  # many lists are empty, most others hold one row
    index.nprobe = nprobe
    file = saved(index, tmp_path / "voice.index")
    features = torch.from_numpy(make_rows(200, 16, seed=3))
    found = FaissSearch(file).blend(features)
    assert (nprobe > 1) or (found == features).all(1).any()
    for search in ways(file):
        assert (search.blend(features) - found).abs().max() <= 1e-6


def test_ties_are_broken_as_faiss_breaks_them(tmp_path: Path) -> None:
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T  # all equally far from 0
    rows = np.concatenate([signs, np.repeat(make_rows(3, 4), 10, axis=0)]).astype(np.float32)
    index = ivf_index(np.concatenate([np.full((2, 4), [[9.0], [0.1]], np.float32), rows]), 2)
    index.reset()
    index.add(rows)
    file = saved(index, tmp_path / "voice.index")
    features = torch.from_numpy(np.concatenate([np.zeros((1, 4), np.float32), rows[16::10]]))
    expected = FaissSearch(file).blend(features)
    for search in ways(file):
        assert (search.blend(features) - expected).abs().max() <= 1e-6


def test_equal_centres_are_told_apart_as_in_faiss(tmp_path: Path) -> None:
    rows = make_rows(60, 8)
    centres = np.repeat(rows[:5], 2, axis=0)
    index = ivf_index(np.concatenate([centres, rows]), 10)
    index.reset()
    index.add(rows)
    file = saved(index, tmp_path / "voice.index")
    features = torch.from_numpy(make_rows(50, 8, seed=4))
    expected = FaissSearch(file).blend(features)
    assert not (expected == features).all(1).any()
    for search in ways(file):
        assert (search.blend(features) - expected).abs().max() <= 1e-6


def test_a_flat_file_and_one_that_looks_into_all_lists_are_searched_exactly(
    tmp_path: Path,
) -> None:
    rows, features = make_rows(200, 16), torch.from_numpy(make_rows(30, 16, seed=1))
    flat = faiss.IndexFlatL2(16)
    flat.add(rows)
    everywhere = ivf_index(rows, 5)
    everywhere.nprobe = 5
    for index in (flat, everywhere):
        file = saved(index, tmp_path / "voice.index")
        search = open_search(file, "ivf", "cpu")
        assert type(search) is ExactSearch
        assert (search.blend(features) - FaissSearch(file).blend(features)).abs().max() <= 1e-6


def test_a_search_that_moves_finds_the_same(tmp_path: Path) -> None:
    file = saved(ivf_index(clustered(500, 16), 20), tmp_path / "voice.index")
    assert file.lists is not None
    search = IvfSearch(file.rows, file.lists, "cpu:0")
    features = torch.from_numpy(clustered(50, 16, 3))
    before = search.blend(features)
    search.to("cpu")
    assert torch.equal(search.blend(features), before)


# --- tiles ---


@pytest.mark.parametrize("tile_bytes", [1, 700, 5_000, 60_000, 1 << 20])
def test_the_result_does_not_depend_on_the_tiles(tile_bytes: int) -> None:
    rows, features = make_rows(333, 16), make_rows(57, 16, seed=1)
    whole = exact(rows, features)
    np.testing.assert_allclose(exact(rows, features, tile_bytes=tile_bytes), whole, atol=1e-6)


def test_a_frame_gets_the_same_row_whatever_stands_beside_it() -> None:
    rows, features = make_rows(300, 16), make_rows(20, 16, seed=1)
    whole = exact(rows, features)
    for frame in range(20):
        np.testing.assert_allclose(
            exact(rows, features[frame : frame + 1])[0], whole[frame], atol=1e-6
        )


class LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches every tensor that is made, and refuses any that cannot be on Metal."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor):
                assert tensor.dtype not in (torch.float64, torch.complex128)
                assert tensor.device.type == "meta"
                if not func.is_view:
                    self.bytes = max(self.bytes, tensor.nbytes)
        return result


def test_a_large_index_needs_no_large_table_and_never_asks_the_host() -> None:
    rows = np.lib.stride_tricks.as_strided(np.zeros(768, np.float32), (300_000, 768), (0, 4))
    # Tensors that exist in shape only: .item(), nonzero and the like raise on the meta device.
    search = ExactSearch(rows, "meta")
    features = torch.empty(3000, 768, device="meta")
    with LargestTensor() as watch:
        retrieved = search.blend(features)
    assert retrieved.shape == (3000, 768)
    assert watch.bytes <= 64 << 20


def test_the_lists_of_a_large_index_are_searched_without_asking_the_host() -> None:
    rows = np.lib.stride_tricks.as_strided(np.zeros(768, np.float32), (300_000, 768), (0, 4))
    starts = np.linspace(0, 300_000, 8765).astype(np.int64)
    search = IvfSearch(rows, Lists(rows[:8764], starts, 20), "meta")
    features = torch.empty(3000, 768, device="meta")
    with LargestTensor() as watch:
        retrieved = search.blend(features)
    assert retrieved.shape == (3000, 768)
    assert watch.bytes <= 64 << 20


# --- edges ---


@pytest.mark.parametrize("count", range(1, 10))
def test_fewer_rows_than_eight_are_all_used(count: int) -> None:
    rows, features = make_rows(count, 5), make_rows(6, 5, seed=1)
    np.testing.assert_allclose(exact(rows, features), by_definition(rows, features), atol=1e-5)


def test_an_exact_hit_gives_the_row_itself() -> None:
    rows = make_rows(50, 24)
    np.testing.assert_array_equal(exact(rows, rows), rows)
    np.testing.assert_array_equal(exact(rows, rows, weighting="inverse"), rows)


def test_an_exact_hit_among_duplicates_gives_the_row_itself() -> None:
    rows = np.repeat(make_rows(5, 24), 20, axis=0)
    np.testing.assert_array_equal(exact(rows, rows), rows)


def test_a_hit_so_close_that_its_weight_would_overflow_gives_the_row_itself() -> None:
    rows = make_rows(50, 4)
    rows[7] = 0
    features = np.full((1, 4), 1e-21, np.float32)  # (1/score)² is 1e83
    np.testing.assert_array_equal(exact(rows, features)[0], rows[7])


def test_no_frames_give_no_frames(tmp_path: Path) -> None:
    rows = make_rows(20, 4)
    assert exact(rows, rows[:0]).shape == (0, 4)
    faiss.write_index(ivf_index(rows, 2), str(tmp_path / "voice.index"))
    search = FaissSearch(read_index(tmp_path / "voice.index"))
    assert search.blend(torch.empty(0, 4)).shape == (0, 4)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[T, 4\], not \(3, 5\)"):
        exact(make_rows(20, 4), make_rows(3, 5))


def test_the_search_leaves_its_input_and_rows_alone() -> None:
    rows, features = make_rows(40, 8), make_rows(9, 8, seed=1)
    rows_before, features_before = rows.copy(), features.copy()
    search = ExactSearch(rows, "cpu")
    first = search.blend(torch.from_numpy(features))
    second = search.blend(torch.from_numpy(features))
    assert torch.equal(first, second)
    np.testing.assert_array_equal(rows, rows_before)
    np.testing.assert_array_equal(features, features_before)


# --- faiss ---


def test_a_list_with_fewer_than_eight_rows_uses_those(tmp_path: Path) -> None:
    rows = make_rows(12, 6)
    index = ivf_index(rows, 4)
    path = tmp_path / "voice.index"
    faiss.write_index(index, str(path))
    features = make_rows(30, 6, seed=1)
    _, ids = index.search(features, 8)
    assert (ids == -1).any(1).all()
    retrieved = FaissSearch(read_index(path)).blend(torch.from_numpy(features)).numpy()
    for frame in range(30):
        near = rows[ids[frame][ids[frame] >= 0]]
        expected = by_definition(near, features[frame : frame + 1])[0]
        np.testing.assert_allclose(retrieved[frame], expected, atol=1e-5)


def test_a_frame_whose_list_is_empty_keeps_its_features(tmp_path: Path) -> None:
    rows = make_rows(20, 6)
    index = ivf_index(rows, 2)
    index.reset()
    index.add(rows[:1])
    path = tmp_path / "voice.index"
    faiss.write_index(index, str(path))
    features = torch.from_numpy(rows[:2] + np.float32(0.01))
    retrieved = FaissSearch(read_index(path)).blend(features)
    np.testing.assert_array_equal(retrieved[0], rows[0])
    np.testing.assert_array_equal(retrieved[1], features[1])


def test_older_layouts_and_id_maps_search_the_same_rows(tmp_path: Path) -> None:
    rows, features = make_rows(40, 6), make_rows(9, 6, seed=1)
    ids = np.random.default_rng(2).permutation(40)
    index = faiss.IndexIDMap(faiss.IndexFlatL2(6))
    index.add_with_ids(rows, ids)
    path = tmp_path / "voice.index"
    faiss.write_index(index, str(path))
    retrieved = FaissSearch(read_index(path)).blend(torch.from_numpy(features))
    np.testing.assert_allclose(retrieved, by_definition(rows, features), atol=1e-5)


def test_a_file_that_changed_after_it_was_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "voice.index"
    faiss.write_index(ivf_index(make_rows(40, 6), 2), str(path))
    index = read_index(path)
    faiss.write_index(ivf_index(make_rows(41, 6), 2), str(path))
    with pytest.raises(IndexFileError, match="changed while it was read"):
        FaissSearch(index)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(IndexFileError, match="faiss cannot read it"):
        FaissSearch(index)


def test_faiss_leaves_its_process_wide_settings_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "voice.index"
    faiss.write_index(ivf_index(make_rows(40, 6), 2), str(path))
    before = faiss.omp_get_max_threads(), faiss.get_deserialization_vector_byte_limit()
    FaissSearch(read_index(path)).blend(torch.zeros(3, 6))
    assert before == (
        faiss.omp_get_max_threads(),
        faiss.get_deserialization_vector_byte_limit(),
    )


def test_faiss_is_loaded_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from engine.retrieval.index_file import read_index\n"
        "from engine.retrieval.search import open_search\n"
        "index = read_index(Path(sys.argv[1]))\n"
        "for way in ('ivf', 'exact'):\n"
        "    open_search(index, way, 'cpu').blend(torch.zeros(2, 768))\n"
        "assert 'faiss' not in sys.modules\n"
        "open_search(index, 'faiss', 'cpu')\n"
        "assert 'faiss' in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(GOLDEN / "v2_40k.index")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3], timeout=120)


# --- half precision, and the sorting of ranks ---


def test_rows_in_half_precision_give_nearly_the_same(golden: dict[str, np.ndarray]) -> None:
    rows = read_index(GOLDEN / "v2_40k.index", 768).rows
    features = torch.from_numpy(golden["retrieval_in"])
    whole = ExactSearch(rows, "cpu").blend(features)
    half = ExactSearch(rows, "cpu", dtype=torch.float16).blend(features)
    assert half.dtype == torch.float32
    error = (half - whole).square().sum() / whole.square().sum()
    assert 0 < error < 1e-5


def test_the_lowest_ranks_found_by_groups_are_those_found_by_sorting() -> None:
    ranks = torch.from_numpy(make_rows(7, 32 * 100))
    values, rows = _lowest(ranks)
    expected = ranks.topk(16, dim=1, largest=False)
    torch.testing.assert_close(values, expected.values, rtol=0, atol=0)
    assert torch.equal(ranks.gather(1, rows), values)
