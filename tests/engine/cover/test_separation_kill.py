"""A separation whose process is killed leaves no wrong stem in the cache, and no part of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.source import Sound
from engine.cover.options import CoverNetworks, CoverOptions
from engine.cover.stems import StemMaker, Stems
from engine.cover.work import Work
from engine.files import Digests
from engine.progress import PerformanceProfiler
from engine.separation.separator import Separator
from engine.separation.song import SONG_RATE_HZ, song_of_sound
from engine.separation.stems import separate_file
from tests.engine.cover.sums import Sums
from tests.engine.killed import kill_while_writing

KILLS = 12
FRAMES = 200_000
WRITER = """
import os, random, signal, sys, time
from pathlib import Path
from tests.engine.cover.test_separation_kill import KILLS, take_apart, unfinished, write_files

folder, dice = Path(sys.argv[1]), random.Random(11)
took_s, hits = 0.05, 0
for kill in range(KILLS):
    done, tell = os.pipe()
    child = os.fork()
    if not child:
        number = 1000 * kill
        while True:
            write_files(folder) if kill % 2 else take_apart(folder, number)
            number += 1
            os.write(tell, b".")
    os.close(tell)
    began_s = time.perf_counter()
    assert os.read(done, 1), "the process failed"
    took_s = time.perf_counter() - began_s
    time.sleep(dice.random() * took_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(done)
    hits += unfinished(folder)
print(hits)
"""


def prepare(folder: Path) -> None:
    """The network, and a source for `write_files`."""
    (folder / "vocals.network").write_text("0.7")
    soundfile.write(folder / "a.wav", samples_of(1), SONG_RATE_HZ, "FLOAT")


def samples_of(number: int) -> np.ndarray:
    """Of a song that no other one is like, float32 [n, 2]."""
    wave = np.sin(np.arange(2 * FRAMES, dtype=np.float32) / (20 + number / 1000))
    return 0.5 * wave.reshape(-1, 2)


def take_apart(folder: Path, number: int) -> Stems:
    """Separate a song into the cache, unless it was separated before."""
    Separator.open = Sums  # type: ignore[assignment, method-assign]
    networks = CoverNetworks(folder / "vocals.network")
    maker = StemMaker(networks, folder / "cache", 10**9, "cpu", lambda: None, Digests())
    whole = song_of_sound(Sound.of(samples_of(number), SONG_RATE_HZ), folder / "song")
    work = Work(PerformanceProfiler(), None, None)
    return maker.take_apart((number,), whole, CoverOptions(), work)


def write_files(folder: Path) -> None:
    """Separate the source into two files; earlier ones keep their names."""
    separate_file(folder / "a.wav", Sums(folder / "vocals.network"), output_dir=folder / "files")


def unfinished(folder: Path) -> bool:
    return any(path.suffix == ".part" for path in folder.rglob(".*"))


def made_of(folder: Path, number: int) -> bytes:
    vocals = take_apart(folder, number).vocals
    return vocals.read(0, len(vocals)).tobytes()


def test_kill_9_at_any_moment_leaves_only_whole_stems_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Separator, "open", Sums)  # and put back after this test
    prepare(tmp_path)
    (tmp_path / "files").mkdir()
    kill_while_writing(WRITER, tmp_path)
    stems = {path.read_bytes() for path in (tmp_path / "cache").glob("*.f32")}
    files = {path.name: path.read_bytes() for path in (tmp_path / "files").glob("[!.]*")}
    assert len(stems) >= KILLS // 2
    (tmp_path / "again").mkdir()
    prepare(tmp_path / "again")
    (tmp_path / "again" / "files").mkdir()
    write_files(tmp_path / "again")
    whole = {path.read_bytes() for path in (tmp_path / "again" / "files").iterdir()}
    assert len(files) >= KILLS // 2
    assert set(files.values()) == whole
    expected = set()
    for kill in range(0, KILLS, 2):
        number = 1000 * kill
        while made_of(tmp_path / "again", number) in stems:
            expected.add(made_of(tmp_path / "again", number))
            number += 1
    assert stems == expected
