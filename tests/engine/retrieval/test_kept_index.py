"""The index of an installed voice is mapped; rows that are not right are made again."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import faiss
import numpy as np
import pytest

from engine.errors import IndexFileError
from engine.library.export import export_voice
from engine.library.installed_voice import InstalledVoice
from engine.library.voice_library import VoiceLibrary
from engine.retrieval.index_file import read_index
from engine.retrieval.kept_index import open_index
from engine.retrieval.row_file import map_row_file
from tests.engine.loading import zoo
from tests.engine.retrieval.faiss_files import make_rows

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


def test_an_imported_voice_opens_mapped(aria: InstalledVoice) -> None:
    opened = open_index(index_of(aria), zoo.WIDTH)
    assert is_mapped(opened.rows)
    np.testing.assert_array_equal(opened.rows, read_index(index_of(aria)).rows)


@pytest.mark.parametrize("harm", ["missing", "cut short", "changed"])
def test_rows_that_are_not_right_are_made_again(aria: InstalledVoice, harm: str) -> None:
    rows = aria.folder / "voice.rows"
    if harm == "missing":  # as in a library of an older version
        rows.unlink()
    elif harm == "cut short":
        os.truncate(rows, 17_000)
    else:
        with rows.open("r+b") as file:
            file.seek(16_400)
            file.write(b"\0\1\2\3")
    expected = read_index(index_of(aria)).rows
    np.testing.assert_array_equal(open_index(index_of(aria), zoo.WIDTH).rows, expected)
    np.testing.assert_array_equal(map_row_file(rows, index_of(aria)).rows, expected)


def test_another_index_brings_its_own_rows(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    (tmp_path / "new.index").write_bytes(zoo.index(60, seed=3))
    (aria.folder / ".voice.index.part").write_bytes(b"of a process that was killed")
    library.set_index(aria.id, tmp_path / "new.index")
    mapped = map_row_file(aria.folder / "voice.rows", index_of(aria))
    np.testing.assert_array_equal(mapped.rows, make_rows(60, zoo.WIDTH, 3))


def test_an_index_that_comes_later_opens_mapped_too(library: VoiceLibrary, tmp_path: Path) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (bare,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert bare.voice.index is None
    (tmp_path / "aria.index").write_bytes(zoo.index())
    (completed,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert completed.outcome == "completed"
    mapped = map_row_file(completed.voice.folder / "voice.rows", index_of(completed.voice))
    np.testing.assert_array_equal(mapped.rows, make_rows(40, zoo.WIDTH))


def test_where_nothing_can_be_written_the_index_is_read(
    aria: InstalledVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    (aria.folder / "voice.rows").unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.retrieval.kept_index.write_row_file", full)
    assert len(open_index(index_of(aria), zoo.WIDTH).rows) == 40


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
from engine.retrieval.kept_index import open_index

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
def test_opening_a_large_index_takes_next_to_no_memory(tmp_path: Path) -> None:
    values = make_rows(60_000, 256)  # 61 MB
    for name, rows in (("large", values), ("small", values[:100])):
        folder = tmp_path / name
        folder.mkdir()
        flat = faiss.IndexFlatL2(256)
        flat.add(rows)
        faiss.write_index(flat, str(folder / "voice.index"))
        (folder / "voice.safetensors").write_bytes(b"")
        open_index(folder / "voice.index")
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "large" / "voice.index")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    grown_kb, rows_kb, last = told.split()
    assert int(rows_kb) == 60_000
    assert int(grown_kb) < 2_000
    assert float(last) == pytest.approx(float(values[-1, 0]))


def test_an_import_does_not_fail_for_want_of_room_for_the_rows(
    library: VoiceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.retrieval.kept_index.write_row_file", full)
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (tmp_path / "aria.index").write_bytes(zoo.index())
    (imported,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert imported.notes == ()
    assert {each.name for each in imported.voice.folder.iterdir()} == {
        "card.json",
        "voice.safetensors",
        "voice.index",
    }
