"""The rows of an installed voice's index are mapped; a copy that does not fit is made again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from engine.errors import IndexFileError
from engine.library.export import export_voice
from engine.library.installed_voice import InstalledVoice
from engine.library.voice_library import VoiceLibrary
from engine.retrieval.index_cache import open_index
from engine.retrieval.index_file import read_index
from engine.retrieval.search import open_search
from tests.engine.loading import zoo
from tests.engine.retrieval.faiss_files import index_bytes, ivf_index, make_rows

ROOT = Path(__file__).parents[3]


@pytest.fixture
def aria(library: VoiceLibrary, tmp_path: Path) -> InstalledVoice:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (tmp_path / "aria.index").write_bytes(zoo.index())
    return library.import_files([tmp_path / "aria.pth"]).imported[0].voice


def index_of(voice: InstalledVoice) -> Path:
    assert voice.index is not None
    return voice.index


def is_mapped(array: object) -> bool:
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_is_mapped_equals_what_is_read_and_is_searched_as_well(aria: InstalledVoice) -> None:
    read, mapped = read_index(index_of(aria)), open_index(index_of(aria), zoo.WIDTH)
    assert is_mapped(mapped.rows)
    np.testing.assert_array_equal(mapped.rows, read.rows)
    assert (mapped.kind, mapped.path, mapped.size_bytes) == (read.kind, read.path, read.size_bytes)
    features = torch.from_numpy(make_rows(20, zoo.WIDTH, seed=9))
    found = [open_search(index, "ivf", "cpu").blend(features) for index in (read, mapped)]
    assert torch.equal(*found)


def test_writing_to_mapped_rows_leaves_the_file_as_it_is(aria: InstalledVoice) -> None:
    before = (aria.folder / "voice.rows").read_bytes()
    open_index(index_of(aria)).rows[:] = 0
    assert (aria.folder / "voice.rows").read_bytes() == before


def missing(rows: Path) -> None:
    rows.unlink()


def cut_short(rows: Path) -> None:
    os.truncate(rows, rows.stat().st_size - 4)


def too_long(rows: Path) -> None:
    with rows.open("ab") as file:
        file.write(b"\0\0\0\0")


def changed(rows: Path) -> None:
    with rows.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\1\2\3\4")


def empty(rows: Path) -> None:
    rows.write_bytes(b"")


def foreign(rows: Path) -> None:
    rows.write_bytes(b"<html>" * 9000)


def of_an_older_version(rows: Path) -> None:
    rows.write_bytes(b"URVCROWS" + bytes(20_000))


def of_objects(rows: Path) -> None:
    rows.unlink()
    with rows.open("wb") as file:
        np.save(file, np.array([{}, "x"], dtype=object), allow_pickle=True)


def of_another_index(rows: Path) -> None:
    rows.unlink()
    with rows.open("wb") as file:
        np.save(file, make_rows(41, zoo.WIDTH))


HARMS = [missing, cut_short, too_long, changed, empty, foreign, of_an_older_version, of_objects]


@pytest.mark.parametrize("keeps_time", [False, True])
@pytest.mark.parametrize("harm", [*HARMS, of_another_index])
def test_rows_that_do_not_fit_are_made_again(
    aria: InstalledVoice, harm: Callable[[Path], None], keeps_time: bool
) -> None:
    rows, index = aria.folder / "voice.rows", index_of(aria)
    harm(rows)
    if keeps_time and harm is not missing and harm is not changed:
        modified_ns = index.stat().st_mtime_ns
        os.utime(rows, ns=(modified_ns, modified_ns))
    expected = read_index(index).rows
    opened = open_index(index, zoo.WIDTH)
    np.testing.assert_array_equal(opened.rows, expected)
    assert is_mapped(opened.rows)
    np.testing.assert_array_equal(np.load(rows, allow_pickle=False), expected)


def test_damage_to_the_header_is_found_or_changes_nothing(aria: InstalledVoice) -> None:
    rows, index = aria.folder / "voice.rows", index_of(aria)
    expected, whole = read_index(index).rows, rows.read_bytes()
    modified_ns = index.stat().st_mtime_ns
    chance = random.Random(1)
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(128)] ^= 1 << chance.randrange(8)
        rows.write_bytes(data)
        os.utime(rows, ns=(modified_ns, modified_ns))
        np.testing.assert_array_equal(open_index(index).rows, expected)


def test_another_index_brings_its_own_rows(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    (tmp_path / "new.index").write_bytes(zoo.index(60, seed=3))
    (aria.folder / ".voice.index.part").write_bytes(b"of a process that was killed")
    library.set_index(aria.id, tmp_path / "new.index")
    expected = read_index(tmp_path / "new.index").rows
    np.testing.assert_array_equal(np.load(aria.folder / "voice.rows"), expected)
    np.testing.assert_array_equal(open_index(index_of(aria)).rows, expected)


def test_an_index_that_comes_later_opens_mapped_too(library: VoiceLibrary, tmp_path: Path) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (bare,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert bare.voice.index is None
    (tmp_path / "aria.index").write_bytes(zoo.index())
    (completed,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert completed.outcome == "completed"
    assert is_mapped(open_index(index_of(completed.voice)).rows)


def test_where_nothing_can_be_written_the_index_is_read(
    aria: InstalledVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    (aria.folder / "voice.rows").unlink()
    monkeypatch.setattr(np, "save", full)
    assert len(open_index(index_of(aria), zoo.WIDTH).rows) == 40
    names = {each.name for each in aria.folder.iterdir()}
    assert "voice.rows" not in names
    assert not any(name.endswith(".part") for name in names)


def test_what_a_killed_process_left_is_removed_by_the_next(aria: InstalledVoice) -> None:
    rows = aria.folder / "voice.rows"
    old, young = (rows.with_name(f".voice.rows.{name}.part") for name in ("aa", "bb"))
    old.write_bytes(b"1")
    os.utime(old, (1, 1))
    young.write_bytes(b"1")
    rows.unlink()
    open_index(index_of(aria))
    assert young.exists()
    assert not old.exists()


def test_an_index_elsewhere_is_read_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "voice.index"
    path.write_bytes(zoo.index())
    assert not is_mapped(open_index(path, zoo.WIDTH).rows)
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_width_is_told_as_for_any_index(aria: InstalledVoice) -> None:
    with pytest.raises(IndexFileError, match=r"12-wide features.*the voice is 768"):
        open_index(index_of(aria), 768)


def test_the_exported_index_is_the_original_and_faiss_reads_it(
    aria: InstalledVoice, tmp_path: Path
) -> None:
    archive = export_voice(aria, tmp_path / "out.zip")
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == ["aria.index", "aria.pth"]
        assert opened.read("aria.index") == zoo.index()
        opened.extract("aria.index", tmp_path)
    assert faiss.read_index(str(tmp_path / "aria.index")).ntotal == 40


_OPEN = """
import sys
from pathlib import Path
from engine.retrieval.index_cache import open_index

def own_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssFile")))

path = Path(sys.argv[1])
open_index(path.parent.parent / "small" / "voice.index")
before = own_kb()
index = open_index(path)
after = own_kb()
print(after - before, index.rows.nbytes // 1024, float(index.rows[-1, 0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("nlist", [0, 64])
def test_opening_a_large_index_takes_next_to_no_memory(tmp_path: Path, nlist: int) -> None:
    values = make_rows(60_000, 256)  # 61 MB
    for name, rows in (("large", values), ("small", values[:100])):
        folder = tmp_path / name
        folder.mkdir()
        flat = faiss.IndexFlatL2(256)
        flat.add(rows)
        data = index_bytes(ivf_index(rows, nlist) if nlist else flat)
        (folder / "voice.index").write_bytes(data)
        (folder / "voice.safetensors").write_bytes(b"")
        last = float(open_index(folder / "voice.index").rows[-1, 0])
        if name == "large":
            expected = last
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "large" / "voice.index")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    grown_kb, rows_kb, found = told.split()
    assert int(rows_kb) == 60_000
    assert int(grown_kb) < 2_000
    assert float(found) == expected


def test_an_import_does_not_fail_for_want_of_room_for_the_rows(
    library: VoiceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "save", full)
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (tmp_path / "aria.index").write_bytes(zoo.index())
    (imported,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert imported.notes == ()
    assert {each.name for each in imported.voice.folder.iterdir()} == {
        "card.json",
        "voice.safetensors",
        "voice.index",
    }
