from __future__ import annotations

import os
import random
import struct
import tracemalloc
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

from engine.errors import IndexFileError
from engine.retrieval.faiss_search import FaissSearch
from engine.retrieval.index_file import RetrievalIndex, read_index, write_flat_index
from engine.retrieval.search import open_search
from engine.voice_checkpoint import load_voice
from tests.engine.retrieval.faiss_files import (
    GOLDEN,
    index_bytes,
    ivf_index,
    legacy_ivf_bytes,
    make_rows,
)


def write(tmp_path: Path, data: bytes, name: str = "voice.index") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refusal(path: Path, width: int | None = None) -> str:
    with pytest.raises(IndexFileError) as caught:
        read_index(path, width)
    assert path.name in str(caught.value)
    return str(caught.value)


def in_id_order(index: RetrievalIndex) -> np.ndarray:
    """The rows in the order of faiss' ids, which the file itself holds."""
    oracle = faiss.read_index(str(index.path))
    lists = oracle.invlists
    sizes = [lists.list_size(number) for number in range(lists.nlist)]
    ids = [faiss.rev_swig_ptr(lists.get_ids(n), size) for n, size in enumerate(sizes) if size]
    ordered = np.empty_like(index.rows)
    ordered[np.concatenate(ids)] = index.rows
    return ordered


def by_value(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]


def mapped(inner: Any, kind: Any, ids: np.ndarray, rows: np.ndarray) -> Any:
    wrapper = kind(inner)
    wrapper.add_with_ids(rows, ids)
    return wrapper


# --- what is read equals what faiss holds ---


@pytest.mark.parametrize("name", ["v2_40k", "v1_32k_down7", "v2_32k_nof0"])
def test_golden_rows_equal_those_of_faiss(name: str) -> None:
    path = GOLDEN / f"{name}.index"
    oracle = faiss.read_index(str(path))
    index = read_index(path, oracle.d)
    np.testing.assert_array_equal(in_id_order(index), oracle.reconstruct_n(0, oracle.ntotal))
    assert index.kind == "IVF6,Flat"
    assert index.lists is not None
    assert index.lists.nprobe == 1
    np.testing.assert_array_equal(index.lists.centres, oracle.quantizer.reconstruct_n(0, 6))
    assert index.size_bytes == path.stat().st_size
    assert index.rows.dtype == np.float32


@pytest.mark.parametrize("nlist", [1, 4, 64])
def test_each_list_holds_the_rows_that_faiss_has_in_it(tmp_path: Path, nlist: int) -> None:
    rows = make_rows(257, 12)
    index = ivf_index(rows, nlist)
    index.nprobe = 3
    read = read_index(write(tmp_path, index_bytes(index)))
    assert read.lists is not None
    assert read.lists.nprobe == min(3, nlist)
    for number, (start, stop) in enumerate(pairwise(read.lists.starts)):
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), index.invlists.list_size(number))
        np.testing.assert_array_equal(read.rows[start:stop], rows[ids])


def test_an_index_from_which_rows_were_deleted_is_read(tmp_path: Path) -> None:
    rows = make_rows(257, 12)
    index = ivf_index(rows, 8)
    index.remove_ids(np.array([0, 7, 100, 256]))
    read = read_index(write(tmp_path, index_bytes(index)))
    left = np.delete(rows, [0, 7, 100, 256], axis=0)
    np.testing.assert_array_equal(by_value(read.rows), by_value(left))


def test_lists_that_are_mostly_empty_are_stored_sparsely_and_read(tmp_path: Path) -> None:
    rows = make_rows(3, 4)
    index = ivf_index(make_rows(40, 4, seed=1), 40)
    index.reset()
    index.add(rows)
    data = index_bytes(index)
    assert b"sprs" in data
    read = read_index(write(tmp_path, data))
    np.testing.assert_array_equal(by_value(read.rows), by_value(rows))


def test_rows_larger_than_one_chunk_come_back_whole(tmp_path: Path) -> None:
    rows = make_rows(12_000, 256)  # 12 MB against chunks of 8
    for index in (ivf_index(rows, 1), faiss.IndexFlatL2(256)):
        if not index.ntotal:
            index.add(rows)
        path = tmp_path / "large.index"
        faiss.write_index(index, str(path))
        np.testing.assert_array_equal(by_value(read_index(path).rows), by_value(rows))


def test_flat_is_read(tmp_path: Path) -> None:
    rows = make_rows(9, 7)
    index = faiss.IndexFlatL2(7)
    index.add(rows)
    read = read_index(write(tmp_path, index_bytes(index)), 7)
    np.testing.assert_array_equal(read.rows, rows)
    assert (read.kind, read.lists) == ("Flat", None)


@pytest.mark.parametrize("wrapper", [faiss.IndexIDMap, faiss.IndexIDMap2])
@pytest.mark.parametrize("flat", [True, False])
def test_id_maps_are_looked_through(tmp_path: Path, wrapper: type, flat: bool) -> None:
    rows = make_rows(30, 6)
    for ids in (np.arange(30), np.random.default_rng(1).permutation(30)):
        inner: Any = faiss.IndexFlatL2(6)
        if not flat:
            inner = ivf_index(rows, 3)
            inner.reset()
        index = mapped(inner, wrapper, ids, rows)
        read = read_index(write(tmp_path, index_bytes(index)))
        np.testing.assert_array_equal(by_value(read.rows), by_value(rows))
        assert read.kind == ("IDMap,Flat" if flat else "IDMap,IVF3,Flat")


@pytest.mark.parametrize("tag", [b"IvFL", b"IvFl"])
def test_the_older_layouts_are_read_as_faiss_reads_them(tmp_path: Path, tag: bytes) -> None:
    rows = make_rows(23, 5)
    path = write(tmp_path, legacy_ivf_bytes(rows, 4, tag))
    oracle = faiss.read_index(str(path))
    np.testing.assert_array_equal(oracle.reconstruct_n(0, 23), rows)
    np.testing.assert_array_equal(by_value(read_index(path).rows), by_value(rows))


@pytest.mark.parametrize("kind", [1, 2])  # faiss' DirectMap: an array, a hash table
def test_a_direct_map_is_stepped_over(tmp_path: Path, kind: int) -> None:
    rows = make_rows(50, 4)
    index = ivf_index(rows, 5)
    index.set_direct_map_type(kind)
    read = read_index(write(tmp_path, index_bytes(index)))
    np.testing.assert_array_equal(in_id_order(read), rows)


def test_a_written_index_is_the_file_faiss_would_write(tmp_path: Path) -> None:
    rows = make_rows(11, 8)
    oracle = faiss.IndexFlatL2(8)
    oracle.add(rows)
    path = tmp_path / "written.index"
    write_flat_index(rows, path)
    assert path.read_bytes() == index_bytes(oracle)
    assert [file.name for file in tmp_path.iterdir()] == ["written.index"]
    with pytest.raises(ValueError, match="N > 0"):
        write_flat_index(rows[:0], path)


def test_the_starter_index_belongs_to_the_starter_voice() -> None:
    path = Path(__file__).parents[3] / "resources" / "starter" / "starter.index"
    index = read_index(path, load_voice(path.with_name("voice.pth")).sizes.feature_channels)
    oracle = faiss.read_index(str(path))
    assert index.rows.shape == (oracle.ntotal, oracle.d)
    np.testing.assert_array_equal(index.rows, oracle.reconstruct_n(0, oracle.ntotal))


# --- what is refused, and with which words ---


def test_an_index_for_another_width_names_both_voices() -> None:
    message = refusal(GOLDEN / "v1_32k_down7.index", 768)
    assert "it belongs to a v1 voice (256-wide features), the voice is 768" in message
    assert "a v2 voice (768-wide features), the voice is 256" in refusal(
        GOLDEN / "v2_40k.index", 256
    )


def test_a_trained_index_without_vectors_points_to_its_sibling(tmp_path: Path) -> None:
    index = ivf_index(make_rows(8, 4), 4)
    index.reset()
    path = write(tmp_path, index_bytes(index), "trained_IVF4_Flat_aria.index")
    assert "lists but no vectors; use its added_ sibling" in refusal(path)
    (tmp_path / "added_other.index").touch()
    assert 'use "added_other.index"' in refusal(path)
    (tmp_path / "added_IVF4_Flat_aria.index").touch()
    assert 'use "added_IVF4_Flat_aria.index"' in refusal(path)


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ("HNSW8,Flat", "HNSW"),
        ("IVF4_HNSW8,Flat", "centres of its lists"),
        ("PQ2x2", "PQ"),
        ("IVF4,PQ2x2", "PQ"),
        ("SQ8", "SQ"),
        ("IVF4,SQ8", "SQ"),
        ("PCA4,Flat", "pre-transformed"),
        ("Flat,RFlat", "refined"),
        ("LSH", "LSH"),
        ("IVF4,FlatDedup", "de-duplicated"),
        ("RaBitQ", "RaBitQ"),
    ],
)
def test_other_kinds_of_index_are_refused_by_name(tmp_path: Path, recipe: str, named: str) -> None:
    rows = make_rows(200, 8)
    index = faiss.index_factory(8, recipe)
    index.train(rows)
    index.add(rows)
    message = refusal(write(tmp_path, index_bytes(index)))
    assert named in message
    assert 'build an "IVF,Flat" index' in message


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L1])
@pytest.mark.parametrize("recipe", ["Flat", "IVF2,Flat"])
def test_another_metric_is_refused(tmp_path: Path, metric: int, recipe: str) -> None:
    rows = make_rows(100, 4)
    index = faiss.index_factory(4, recipe, metric)
    index.train(rows)
    index.add(rows)
    assert "squared distance (L2)" in refusal(write(tmp_path, index_bytes(index)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e7, -1e30])
def test_values_that_cannot_be_features_are_refused(tmp_path: Path, value: float) -> None:
    rows = make_rows(20, 4)
    flat = faiss.IndexFlatL2(4)
    flat.add(rows)
    for data in (index_bytes(flat), index_bytes(ivf_index(rows, 2))):
        spoilt = data.replace(rows[13, 2].tobytes(), np.float32(value).tobytes())
        assert spoilt != data
        assert "NaN or huge" in refusal(write(tmp_path, spoilt))


def test_an_index_from_which_faiss_dropped_rows_is_refused(tmp_path: Path) -> None:
    rows = make_rows(20, 4)
    index = ivf_index(rows, 2)
    index.add(np.full((1, 4), np.nan, np.float32))  # counted, but put into no list
    assert "sizes of its lists" in refusal(write(tmp_path, index_bytes(index)))


def test_ids_are_labels_that_nothing_depends_on(tmp_path: Path) -> None:
    rows = make_rows(6, 4)
    for ids in ([0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 6], [0, 1, 2, 3, 4, 1 << 62]):
        lists = ivf_index(rows, 2)
        lists.reset()
        lists.add_with_ids(rows, np.array(ids))
        wrapped = mapped(faiss.IndexFlatL2(4), faiss.IndexIDMap, np.array(ids), rows)
        for index in (lists, wrapped):
            read = read_index(write(tmp_path, index_bytes(index)))
            np.testing.assert_array_equal(by_value(read.rows), by_value(rows))
            found = FaissSearch(read).blend(torch.from_numpy(rows))
            assert torch.equal(open_search(read, "ivf", "cpu").blend(torch.from_numpy(rows)), found)


def test_a_map_within_a_map_is_refused(tmp_path: Path) -> None:
    data = index_bytes(
        mapped(faiss.IndexFlatL2(4), faiss.IndexIDMap, np.arange(3), make_rows(3, 4))
    )
    header = data[: 4 + 33]
    assert "not an index of a kind" in refusal(write(tmp_path, header + data))


def test_every_truncation_of_a_small_index_is_refused(tmp_path: Path) -> None:
    rows = make_rows(5, 3)
    for data in (
        index_bytes(ivf_index(rows, 2)),
        legacy_ivf_bytes(rows, 2, b"IvFL"),
        index_bytes(mapped(faiss.IndexFlatL2(3), faiss.IndexIDMap2, np.arange(5), rows)),
    ):
        for length in range(len(data)):
            refusal(write(tmp_path, data[:length]))


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    data = index_bytes(ivf_index(make_rows(5, 3), 2))
    assert "7 unknown bytes follow its end" in refusal(write(tmp_path, data + b"garbage"))


def test_zeros_after_the_end_are_not_looked_at(tmp_path: Path) -> None:
    rows = make_rows(5, 3)
    data = index_bytes(ivf_index(rows, 2))
    whole = read_index(write(tmp_path, data)).rows
    for count in (1, 4096, 100_000):
        filled = read_index(write(tmp_path, data + bytes(count)))
        assert np.array_equal(filled.rows, whole)
    assert "100001 unknown bytes" in refusal(write(tmp_path, data + bytes(100_000) + b"x"))


def test_foreign_files_are_told_apart(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "voice.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    np.save(tmp_path / "rows.npy", make_rows(2, 2))
    assert "zip archive or a voice" in refusal(tmp_path / "voice.zip")
    assert "numpy array" in refusal(tmp_path / "rows.npy")
    html = b"<!doctype html><title>404</title>"
    assert "text or a web page" in refusal(write(tmp_path, html))
    assert "text or a web page" in refusal(write(tmp_path, "日本語の説明".encode()))
    assert "text or a web page" in refusal(write(tmp_path, b"IxF3"))
    assert "not an index" in refusal(write(tmp_path, bytes(range(200, 256)) + bytes(9)))
    assert "it is empty" in refusal(write(tmp_path, b""))


def test_folders_and_pipes_are_refused_at_once(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "gone.index")
    assert "folder or a device" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.index")
    assert "folder or a device" in refusal(tmp_path / "pipe.index")


def test_a_file_of_absurd_size_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path, b"IxF2")
    os.truncate(path, 5 << 30)  # sparse: takes no room
    assert "5.4 GB" in refusal(path)


def test_sizes_that_promise_more_than_the_file_take_no_memory(tmp_path: Path) -> None:
    huge = (1 << 62) // 64
    header = struct.pack("<iqqqBi", 64, huge, 0, 0, 1, 1)
    flat = b"IxF2" + header + struct.pack("<Q", huge * 64)
    centres = index_bytes(ivf_index(make_rows(4, 64), 2))[4 + 33 + 16 :][: 45 + 2 * 64 * 4]
    lists = b"IwFl" + header + struct.pack("<QQ", 2, 1) + centres + struct.pack("<BQ", 0, 0)
    lists += b"ilar" + struct.pack("<QQ", 2, 256) + b"full" + struct.pack("<QQQ", 2, huge, 0)
    mapping = b"IwFl" + header + struct.pack("<QQ", 2, 1) + centres + struct.pack("<BQ", 1, huge)
    tracemalloc.start()
    for data in (flat, lists, mapping):
        assert "cut short" in refusal(write(tmp_path, data))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 << 20


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three faults of the kinds that broken or hostile files have."""
    mutated = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(mutated) or 1)
        match rng.randrange(5):
            case 0:
                mutated[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                number = rng.choice([0, 1, 7, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
                mutated[place : place + 8] = number.to_bytes(8, "little")
            case 2:
                del mutated[place : place + rng.randint(1, 16)]
            case 3:
                mutated[place:place] = rng.randbytes(rng.randint(1, 16))
            case _:
                del mutated[place:]
    return bytes(mutated)


def test_a_number_of_probes_that_faiss_takes_for_negative_is_refused(tmp_path: Path) -> None:
    data = index_bytes(ivf_index(make_rows(5, 3), 2))
    probes = data.replace(struct.pack("<QQ", 2, 1), struct.pack("<QQ", 2, 1 << 63), 1)
    assert "number of lists" in refusal(write(tmp_path, probes))


def test_three_thousand_mutated_files_are_refused_or_can_be_searched_in_bounded_memory(
    tmp_path: Path,
) -> None:
    rng = random.Random(2)
    rows = make_rows(6, 3)
    sources = [
        index_bytes(ivf_index(rows, 2)),
        legacy_ivf_bytes(rows, 2, b"IvFL"),
        legacy_ivf_bytes(rows, 2, b"IvFl"),
        index_bytes(mapped(faiss.IndexFlatL2(3), faiss.IndexIDMap2, np.arange(6), rows)),
    ]
    outcomes = {"read": 0, "refused": 0}
    messages: list[str] = []
    whole = read_index(write(tmp_path, sources[0]))
    both = (open_search(whole, "ivf", "cpu"), FaissSearch(whole))
    torch.testing.assert_close(*(each.blend(torch.zeros(2, 3)) for each in both))  # all is imported
    tracemalloc.start()
    for turn in range(3000):
        path = write(tmp_path, mutate(sources[turn % len(sources)], rng))
        try:
            index = read_index(path)
        except IndexFileError as error:
            outcomes["refused"] += 1
            messages.append(str(error))
        else:
            outcomes["read"] += 1
            assert np.isfinite(index.rows).all()
            assert 0 < index.rows.nbytes <= path.stat().st_size
            features = torch.zeros(2, index.rows.shape[1])
            found = open_search(index, "ivf", "cpu").blend(features)
            assert found.isfinite().all()
            torch.testing.assert_close(FaissSearch(index).blend(features), found, atol=1e-6, rtol=0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 << 20
    assert all(message.startswith('Cannot use the index "voice.index": ') for message in messages)
    assert outcomes["refused"] > 1000
    assert outcomes["read"] > 50
