"""The rows file: what is mapped equals what was read, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from engine.errors import IndexFileError
from engine.retrieval import row_file
from engine.retrieval.index_file import RetrievalIndex, read_index
from engine.retrieval.row_file import map_row_file, write_row_file
from engine.retrieval.search import ExactSearch, FaissSearch
from tests.engine.retrieval.faiss_files import index_bytes, ivf_index, make_rows

ROWS_AT = 16_384


@pytest.fixture
def index(tmp_path: Path) -> RetrievalIndex:
    path = tmp_path / "voice.index"
    path.write_bytes(index_bytes(ivf_index(make_rows(257, 12), 7)))
    return read_index(path)


@pytest.fixture
def rows(index: RetrievalIndex) -> Path:
    path = index.path.with_name("voice.rows")
    write_row_file(index, path)
    return path


def refusal(rows: Path, width: int | None = None) -> str:
    with pytest.raises(IndexFileError) as caught:
        map_row_file(rows, rows.with_name("voice.index"), width)
    assert rows.name in str(caught.value)
    return str(caught.value)


def test_what_is_mapped_equals_what_was_read(index: RetrievalIndex, rows: Path) -> None:
    mapped = map_row_file(rows, index.path, 12)
    np.testing.assert_array_equal(mapped.rows, index.rows)
    for name in ("kind", "path", "nlist", "nprobe", "size_bytes"):
        assert getattr(mapped, name) == getattr(index, name)
    assert mapped.rows.dtype == np.float32
    assert mapped.rows.flags.c_contiguous
    assert mapped.rows.ctypes.data % ROWS_AT == 0 or os.sysconf("SC_PAGESIZE") < ROWS_AT


def test_mapped_rows_are_searched_as_read_ones(index: RetrievalIndex, rows: Path) -> None:
    mapped = map_row_file(rows, index.path)
    features = torch.from_numpy(make_rows(20, 12, seed=9))
    for search in (lambda each: ExactSearch(each.rows, "cpu"), FaissSearch):
        assert torch.equal(search(mapped).blend(features), search(index).blend(features))


def test_the_exact_search_does_not_copy_mapped_rows(index: RetrievalIndex, rows: Path) -> None:
    mapped = map_row_file(rows, index.path)
    assert ExactSearch(mapped.rows, "cpu")._rows.data_ptr() == mapped.rows.ctypes.data


def test_writing_to_mapped_rows_leaves_the_file_as_it_is(index: RetrievalIndex, rows: Path) -> None:
    before = rows.read_bytes()
    map_row_file(rows, index.path).rows[:] = 0
    assert rows.read_bytes() == before


def test_a_reordering_id_map_is_stored_in_the_order_of_its_ids(tmp_path: Path) -> None:
    values = make_rows(30, 6)
    inner = faiss.IndexIDMap(faiss.IndexFlatL2(6))
    inner.add_with_ids(values, np.arange(30)[::-1].copy())
    path = tmp_path / "voice.index"
    path.write_bytes(index_bytes(inner))
    write_row_file(read_index(path), tmp_path / "voice.rows")
    mapped = map_row_file(tmp_path / "voice.rows", path)
    np.testing.assert_array_equal(mapped.rows, values[::-1])
    assert mapped.kind == "IDMap,Flat"


def cut(rows: Path) -> None:
    os.truncate(rows, rows.stat().st_size - 4)


def lengthened(rows: Path) -> None:
    with rows.open("ab") as file:
        file.write(b"\0\0\0\0")


def changed(rows: Path) -> None:
    with rows.open("r+b") as file:
        file.seek(ROWS_AT + 100)
        file.write(b"\1\2\3\4")


def emptied(rows: Path) -> None:
    rows.write_bytes(b"")


def replaced(rows: Path) -> None:
    rows.write_bytes(b"<html>" * 9000)


def other_index(rows: Path) -> None:
    rows.with_name("voice.index").write_bytes(index_bytes(ivf_index(make_rows(258, 12), 7)))


def touched_index(rows: Path) -> None:
    os.utime(rows.with_name("voice.index"), (1, 1))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (cut, "cut short"),
        (lengthened, "too long"),
        (changed, "changed after it was written"),
        (emptied, "no rows of an index"),
        (replaced, "no rows of an index"),
        (other_index, "made from another index"),
        (touched_index, "made from another index"),
        (Path.unlink, "No such file"),
    ],
)
def test_a_harmed_file_is_refused(
    index: RetrievalIndex, rows: Path, harm: Callable[[Path], None], why: str
) -> None:
    harm(rows)
    assert why in refusal(rows)


def test_rows_of_another_width_are_refused(index: RetrievalIndex, rows: Path) -> None:
    assert "12 wide, the voice takes 768" in refusal(rows, 768)


def test_a_copy_with_another_time_is_taken_by_its_digest(index: RetrievalIndex, rows: Path) -> None:
    shutil.copy(rows, rows.with_name("copy"))
    rows.with_name("copy").replace(rows)
    np.testing.assert_array_equal(map_row_file(rows, index.path).rows, index.rows)


def signed(fields: bytes) -> bytes:
    return fields + hashlib.sha256(fields).digest()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (8, struct.pack("<I", 2)),  # format
        (12, struct.pack("<I", 0)),  # width
        (12, struct.pack("<I", 1 << 20)),
        (16, struct.pack("<Q", 0)),  # count
        (16, struct.pack("<Q", 1 << 40)),
        (16, struct.pack("<Q", (1 << 64) - 1)),
        (16, struct.pack("<Q", (1 << 39) + 257)),
        (24, struct.pack("<I", 1 << 31)),  # lists
        (32, b"\xff" * 32),  # kind
    ],
)
def test_a_hostile_header_is_refused_though_its_digest_fits(
    index: RetrievalIndex, rows: Path, place: int, value: bytes
) -> None:
    data = bytearray(rows.read_bytes())
    size = row_file._FIELDS.size
    data[place : place + len(value)] = value
    data[: size + 32] = signed(bytes(data[:size]))
    rows.write_bytes(data)
    refusal(rows)


def test_no_damage_to_the_header_goes_unnoticed(index: RetrievalIndex, rows: Path) -> None:
    whole = rows.read_bytes()
    chance = random.Random(1)
    header_bytes = row_file._FIELDS.size + 32
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(header_bytes)] ^= 1 << chance.randrange(8)
        rows.write_bytes(data)
        refusal(rows)


def test_what_a_killed_process_has_left_is_removed_by_the_next(
    index: RetrievalIndex, rows: Path
) -> None:
    old, young = (rows.with_name(f".voice.rows.{name}.part") for name in ("aa", "bb"))
    old.write_bytes(b"1")
    os.utime(old, (1, 1))
    young.write_bytes(b"1")
    write_row_file(index, rows)
    assert young.exists()
    assert not old.exists()


def test_a_failed_write_leaves_the_older_file(
    index: RetrievalIndex, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.retrieval.row_file.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_row_file(index, rows)
    assert rows.read_bytes() == before
    assert sorted(each.name for each in rows.parent.iterdir()) == ["voice.index", "voice.rows"]
