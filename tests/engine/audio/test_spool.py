"""Samples beyond the memory limit go to the disk and come back unchanged."""

from __future__ import annotations

import errno
import os
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from engine.audio import spool as spool_module
from engine.audio.spool import Spool
from engine.errors import OutputFileError


@pytest.fixture(params=[1 << 30, 1000], ids=["in memory", "on disk"])
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(spool_module, "_MEMORY_BYTES", request.param)
    return int(request.param)


def noise(n: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, channels)).astype(np.float32)


@pytest.mark.usefixtures("limit")
def test_appended_samples_are_read_from_any_position() -> None:
    sound, spool = noise(200_000), Spool(2)
    for start in range(0, len(sound), 7_001):
        spool.append(sound[start : start + 7_001])
    spool.append(sound[:0])
    assert len(spool) == len(sound)
    np.testing.assert_array_equal(spool.read(123, 150_456), sound[123:150_456])
    np.testing.assert_array_equal(np.concatenate(list(spool.blocks())), sound)
    assert spool.read(5, 5).shape == (0, 2)


@pytest.mark.usefixtures("limit")
def test_gaps_and_everything_beyond_the_end_are_zero() -> None:
    sound, spool = noise(1_000), Spool(2)
    spool.write(5_000, sound)
    spool.write(100, sound[:50])
    expected = np.zeros((7_000, 2), np.float32)
    expected[5_000:6_000] = sound
    expected[100:150] = sound[:50]
    np.testing.assert_array_equal(spool.read(0, 7_000), expected)
    spool.resize(5_500)
    spool.resize(7_000)
    expected[5_500:] = 0
    np.testing.assert_array_equal(spool.read(0, 7_000), expected)
    assert len(spool) == 7_000


def test_a_gap_needs_no_memory() -> None:
    spool = Spool(1)
    tracemalloc.start()
    spool.write(60_000_000, noise(1_000, 1))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(spool) == 60_001_000
    assert peak_bytes < 1 << 20


def test_no_file_is_visible_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(spool_module, "_MEMORY_BYTES", 10)
    spool = Spool(1)
    spool.append(noise(100_000, 1))
    assert list(tmp_path.iterdir()) == []


def test_the_lack_of_any_folder_for_temporary_files_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_usable() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none_usable)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(spool_module, "_MEMORY_BYTES", 10)
    with pytest.raises(OutputFileError, match="No usable temporary directory"):
        Spool(1).append(noise(1_000, 1))


@pytest.mark.parametrize(
    ("code", "why"), [(errno.ENOSPC, "its disk is full"), (errno.EIO, "the disk reports")]
)
def test_a_disk_error_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, code: int, why: str
) -> None:
    monkeypatch.setattr(spool_module, "_MEMORY_BYTES", 10)
    spool = Spool(1)

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(spool._file, "write", refuse)
    with pytest.raises(OutputFileError, match="Cannot keep temporary sound") as caught:
        spool.append(noise(1_000, 1))
    assert why in caught.value.why
