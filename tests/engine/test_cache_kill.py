"""A cache of stages stays right when its process is killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from engine.disk_cache import DiskCache
from engine.stage_cache import StageCache
from tests.engine.killed import kill_while_writing

ENDING = ".safetensors"
ENTRIES = 6
KILLS = 20
WRITER = """
import os, random, signal, sys, time
from pathlib import Path
from engine.stage_cache import StageCache
from tests.engine.test_cache_kill import ENTRIES, KILLS, entry, unfinished

folder, dice = Path(sys.argv[1]), random.Random(7)
entries = [entry(number) for number in range(ENTRIES)]
cut_off, keeping_s = 0, 0.01
for _ in range(KILLS):
    order = dice.sample(range(ENTRIES), ENTRIES)
    done, tell = os.pipe()
    child = os.fork()
    if not child:
        cache = StageCache(folder)
        while True:
            for number in order:
                cache.keep((number,), entries[number])
                os.write(tell, b".")
    whole, began_s = dice.randrange(3), time.perf_counter()
    for _ in range(whole):
        os.read(done, 1)
    if whole:
        keeping_s = (time.perf_counter() - began_s) / whole
    time.sleep(dice.random() * keeping_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(done)
    os.close(tell)
    cut_off += unfinished(folder)
print(cut_off)
"""


def entry(number: int) -> Tensor:
    """Features of 64 kB to 2 MB that no other entry has."""
    n = 2 ** (14 + number)
    return torch.from_numpy(np.arange(number, n + number, dtype=np.float32))


def unfinished(folder: Path) -> int:
    return sum(path.suffix == ".part" for path in folder.glob(".*"))


def test_kill_9_at_any_moment_leaves_no_wrong_entry(tmp_path: Path) -> None:
    kill_while_writing(WRITER, tmp_path)
    disk, again, found = DiskCache(tmp_path, ENDING, 10**9), StageCache(tmp_path), 0
    for number in range(ENTRIES):
        path = disk.find((number,))
        if path is not None:
            assert torch.equal(load(path.read_bytes())["result"], entry(number))
            found += 1
        read = again.find((number,))
        assert read is None or torch.equal(read, entry(number))
    assert found > ENTRIES // 2
    assert len([*tmp_path.glob(f"*{ENDING}")]) == found  # and none of an unknown name
