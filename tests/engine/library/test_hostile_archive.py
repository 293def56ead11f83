"""Archives that want to do harm: one sentence, bounded time and memory, and nothing left behind."""

from __future__ import annotations

import io
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.errors import ArchiveError, UserError, VoiceFileError
from engine.library.archive import Limits, Unpacker
from engine.library.voice_library import VoiceLibrary
from tests.engine.loading import zoo
from tests.weights_maker import small_record

ROOT = Path(__file__).parents[3]


def refusal(library: VoiceLibrary, path: Path, data: bytes) -> str:
    """The sentence; the library, the disk and the source are as they were."""
    path.write_bytes(data)
    outside = sorted(path.parent.rglob("*"))
    started_s = time.thread_time()
    with pytest.raises(UserError) as caught:
        library.import_files([path])
    assert time.thread_time() - started_s < 10
    assert [voice.name for voice in library.voices()] == ["Starter"]
    left = set(path.parent.rglob("*")) - set(outside)
    assert left <= {library.root, library.root / ".staging", library.root / ".lock"}
    assert path.read_bytes() == data
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_entry(name: str, mode: int = 0o100644, content: bytes = b"x") -> bytes:
    file = io.BytesIO(zoo.packed({"aria.pth": zoo.voice()}))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zoo.entry(name, mode), content)
    return file.getvalue()


NAMES = {
    "../aria.pth": "leads out of the archive",
    "a/../../aria.pth": "leads out of the archive",
    "..\\..\\aria.pth": "leads out of the archive",
    "/etc/cron.d/aria.pth": "absolute path",
    "\\\\server\\share\\aria.pth": "absolute path",
    "C:\\Windows\\aria.pth": "absolute path",
    "c:aria.pth": "absolute path",
    "folder/CON": "name of a device",
    "nul.pth": "name of a device",
    "COM1.index": "name of a device",
    "__MACOSX/../../x": "leads out of the archive",
    "a/" * 40 + "aria.pth": "too deep",
    "x" * 2000 + ".pth": "cannot be the name of a file",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(
    library: VoiceLibrary, tmp_path: Path, name: str
) -> None:
    assert NAMES[name] in refusal(library, tmp_path / "evil.zip", with_entry(name))


@pytest.mark.parametrize(
    ("mode", "word"), [(0o120777, "a link"), (0o020666, "a device"), (0o010644, "a device")]
)
def test_links_and_devices_are_refused(
    library: VoiceLibrary, tmp_path: Path, mode: int, word: str
) -> None:
    data = with_entry("innocent.pth", mode, b"/etc/passwd")
    assert word in refusal(library, tmp_path / "evil.zip", data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["aria.pth", "ARIA.PTH", "./aria.pth"])
def test_a_file_that_is_there_twice_is_refused(
    library: VoiceLibrary, tmp_path: Path, name: str
) -> None:
    assert "twice" in refusal(library, tmp_path / "evil.zip", with_entry(name))


def test_a_locked_archive_asks_for_unpacking(library: VoiceLibrary, tmp_path: Path) -> None:
    data = bytearray(zoo.packed({"aria.pth": zoo.voice()}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "password" in refusal(library, tmp_path / "locked.zip", bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_cannot_be_bounded_are_refused(
    library: VoiceLibrary, tmp_path: Path, method: int
) -> None:
    data = zoo.packed({"aria.pth": zoo.voice()}, method)
    assert "unsupported compression" in refusal(library, tmp_path / "rare.zip", data)


def test_a_zip_bomb_is_stopped_while_it_unpacks(library: VoiceLibrary, tmp_path: Path) -> None:
    data = zoo.packed({"aria.pth": b"\0" * (200 * 2**20)})
    assert len(data) < 2**20
    assert "unpacks to more than" in refusal(library, tmp_path / "bomb.zip", data)


def test_a_zip_bomb_with_a_wrong_size_is_stopped(library: VoiceLibrary, tmp_path: Path) -> None:
    data = bytearray(zoo.packed({"aria.pth": b"\0" * (8 * 2**20)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(signature) + offset, 100)
    assert "damaged" in refusal(library, tmp_path / "liar.zip", bytes(data))


def test_a_bomb_of_many_small_files_is_stopped(tmp_path: Path) -> None:
    inner = zoo.packed({"a.png": b"\0" * 2**23})  # each alone is below the limits
    path = tmp_path / "parts.zip"
    path.write_bytes(zoo.packed({f"{number}.zip": inner for number in range(9)}))
    (tmp_path / "scratch").mkdir()
    files = Unpacker(tmp_path / "scratch").files_in(path)
    with pytest.raises(ArchiveError, match="more than 100 times its size"):
        [file.fetch() for file in files]
    unpacked_bytes = sum(each.stat().st_size for each in (tmp_path / "scratch").iterdir())
    assert unpacked_bytes < 50 * 2**20


def test_zip_bombs_in_unused_files_are_not_unpacked(library: VoiceLibrary, tmp_path: Path) -> None:
    path = tmp_path / "aria.zip"
    path.write_bytes(zoo.packed({"aria.pth": zoo.voice(), "a.txt": b"\0" * (80 * 2**20)}))
    assert library.import_files([path]).imported[0].outcome == "added"


def test_a_bomb_of_overlapping_files_is_stopped(library: VoiceLibrary, tmp_path: Path) -> None:
    """After Fifield's: a hundred entries of the directory share one body, each under its name."""
    whole = zoo.packed({"000.pth": zoo.voice()}, zipfile.ZIP_STORED)
    start = whole.rindex(b"PK\x01\x02")
    entry = whole[start : start + 46 + 7]
    names = [b"%03d.pth" % number for number in range(100)]
    directory = b"".join(entry[:46] + name for name in names)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 100, 100, len(directory), start, 0)
    sentence = refusal(library, tmp_path / "overlap.zip", whole[:start] + directory + end)
    assert "overlap" in sentence


def test_too_many_files_are_refused_without_listing_them_all(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    many = zoo.packed({f"{number}.txt": b"" for number in range(6000)})
    assert "more than 5000 files" in refusal(library, tmp_path / "many.zip", many)


def test_a_table_of_contents_that_fills_the_memory_is_not_read(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    name = b"x" * 60_000
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0
    )
    directory = (entry + name) * 200
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 200, 200, len(directory), 0, 0)
    assert "too long" in refusal(library, tmp_path / "long.zip", directory + end)


def test_nested_archives_are_limited(library: VoiceLibrary, tmp_path: Path) -> None:
    data = zoo.packed({"aria.pth": zoo.voice()})
    for _ in range(4):
        data = zoo.packed({"inner.zip": data})
    assert "nested too deep" in refusal(library, tmp_path / "dolls.zip", data)


def test_limits_hold_for_all_inner_archives_together(tmp_path: Path) -> None:
    inner = zoo.packed({"a.pth": os.urandom(2**19)})
    data = zoo.packed({f"{number}.zip": inner for number in range(8)})
    library = VoiceLibrary(tmp_path / "library", limits=Limits(unpacked_bytes=2**21))
    assert "2.1 MB" in refusal(library, tmp_path / "sum.zip", data)


# Made when asked for: every process of a test run reads this file.
OTHERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "voice.rar": (lambda: b"Rar!\x1a\x07\x01\0" + b"\0" * 99, "RAR archive.*unpack it first"),
    "voice.7z": (lambda: b"7z\xbc\xaf\x27\x1c" + b"\0" * 99, "7z archive.*unpack it first"),
    "rar.zip": (lambda: b"Rar!\x1a\x07\x01\0" + b"\0" * 99, "RAR archive"),
    "voice.tar.gz": (lambda: b"\x1f\x8b\x08" + b"\0" * 99, "gzip archive"),
    "page.zip": (lambda: b"<!DOCTYPE html><html>log in</html>", "web page"),
    "empty.zip": (lambda: b"", "it is empty"),
    "text.zip": (lambda: b"hello world" * 99, "damaged or cut short"),
    "nothing.zip": (lambda: zoo.packed({}), "it is empty"),
    "songs.zip": (lambda: zoo.packed({"a.mp3": b"ID3"}), 'only other files such as "a.mp3"'),
    "rar in.zip": (
        lambda: zoo.packed({"voice.rar": b"Rar!"}),
        '"voice.rar", which cannot be opened',
    ),
    "index.zip": (lambda: zoo.packed({"aria.index": zoo.index()}), "only an index.*with its .pth"),
    "trained.zip": (
        lambda: zoo.packed({"trained_x.index": zoo.index(0)}),
        "an index without vectors",
    ),
    "training.zip": (
        lambda: zoo.packed({"G_100.pth": zoo.training_checkpoint()}),
        "training checkpoint",
    ),
    "cut.zip": (lambda: zoo.packed({"aria.pth": zoo.voice()})[:-9], "damaged or cut short"),
    "half.zip": (lambda: zoo.packed({"aria.pth": zoo.voice()})[:9000], "damaged or cut short"),
    "page inside.zip": (
        lambda: zoo.packed({"aria.pth": b"<html>404</html>"}),
        '"aria.pth": it is a web',
    ),
    "a.txt": (lambda: b"hello", ".txt files are not voices"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_error_for_an_archive_without_a_voice_says_what_it_is(
    library: VoiceLibrary, tmp_path: Path, name: str
) -> None:
    make, why = OTHERS[name]
    sentence = refusal(library, tmp_path / name, make())
    assert re.search(why, sentence), sentence
    assert "00001" not in sentence


def test_a_damaged_file_inside_is_found_by_its_checksum(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    data = bytearray(zoo.packed({"aria.pth": zoo.voice()}, zipfile.ZIP_STORED))
    data[20_000] ^= 1
    assert "damaged" in refusal(library, tmp_path / "aria.zip", bytes(data))


class _Bomb:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch '{self.sentinel}'",)


@pytest.mark.parametrize("form", ["plain pickle", "torch zip", "torch old"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_does_not(
    library: VoiceLibrary, tmp_path: Path, form: str, zipped: bool
) -> None:
    sentinel = tmp_path / "it ran"
    record = {**small_record(), "info": _Bomb(sentinel)}
    file = io.BytesIO()
    if form == "plain pickle":
        pickle.dump(record["info"], file)
    else:
        torch.save(record, file, _use_new_zipfile_serialization=form == "torch zip")
    data = zoo.packed({"evil.pth": file.getvalue()}) if zipped else file.getvalue()
    sentence = refusal(library, tmp_path / ("evil.zip" if zipped else "evil.pth"), data)
    assert '"evil.pth"' in sentence
    assert not sentinel.exists()


def claims_a_tensor(count: int) -> bytes:
    """A voice whose one tensor says it has that many numbers."""
    real = {**small_record(), "weight": {"a": torch.zeros(10)}}
    file = io.BytesIO()
    torch.save(real, file)
    with zipfile.ZipFile(file) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    table = next(name for name in members if name.endswith("data.pkl"))
    ten = b"K\x0a"  # BININT1
    assert members[table].count(ten) >= 2
    members[table] = members[table].replace(ten, b"\x8a\x08" + struct.pack("<q", count))
    return zoo.packed(members, zipfile.ZIP_STORED)


def claims_rows(count: int) -> bytes:
    head = struct.pack("<4siqqqBi", b"IxF2", zoo.WIDTH, count, 1 << 20, 1 << 20, 1, 1)
    return head + struct.pack("<Q", count * zoo.WIDTH) + b"\0" * 64


_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from engine import voice_checkpoint  # and torch with it, before memory is limited
from engine.errors import UserError
from engine.library.voice_library import VoiceLibrary
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
unlimited = resource.getrlimit(resource.RLIMIT_AS)[1]
for path in map(Path, sys.argv[2:]):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 300 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, unlimited))
    try:
        report = VoiceLibrary(Path(sys.argv[1], path.name)).import_files([path])
        print("imported", [str(note) for each in report.imported for note in each.notes])
    except UserError as error:
        print("refused", error)
"""

BOASTERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "2gb.pth": (lambda: claims_a_tensor(2**29), "refused"),
    "2gb.zip": (lambda: zoo.packed({"a.pth": claims_a_tensor(2**29)}), "refused"),
    "huge.pth": (lambda: claims_a_tensor(2**62), "refused"),
    "rows.zip": (
        lambda: zoo.packed({"a.pth": zoo.voice(), "a.index": claims_rows(2**40)}),
        'imported [\'imported without its index. Cannot use the index "a.index"',
    ),
    "bomb.zip": (lambda: zoo.packed({"a.pth": b"\0" * (500 * 2**20)}), "refused"),
    "header.safetensors": (
        lambda: struct.pack("<Q", 2**40) + b'{"a":1}' + b"\0" * 99,
        "refused",
    ),
}


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce RLIMIT_AS")
def test_stated_sizes_do_not_allocate_memory(tmp_path: Path) -> None:
    for name, (make, _) in BOASTERS.items():
        (tmp_path / name).write_bytes(make())
    paths = [str(tmp_path / name) for name in BOASTERS]
    done = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_MEMORY, str(tmp_path / "libraries"), *paths],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for (name, (_, answer)), line in zip(BOASTERS.items(), lines, strict=True):
        assert line.startswith(answer), (name, line)


def test_a_disk_that_fills_up_leaves_nothing_behind(library: VoiceLibrary, tmp_path: Path) -> None:
    """The limit on file sizes stands in for the disk's end; it gives EFBIG instead of ENOSPC."""
    path = tmp_path / "aria.zip"
    path.write_bytes(zoo.packed({"aria.pth": zoo.voice()}))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, old[1]))
    try:
        with pytest.raises((ArchiveError, VoiceFileError), match=r"aria\.zip"):
            library.import_files([path])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list((library.root / ".staging").iterdir()) == []
    assert library.import_files([path]).imported[0].outcome == "added"
