"""torch and faiss each bring an OpenMP: only one of them may start threads in a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

TASKS = Path("/proc/self/task")

COUNT = """
import os, sys
import numpy as np, torch
from pathlib import Path
from engine.retrieval.index_file import read_index
from engine.retrieval.faiss_search import FaissSearch
from engine.paths import starter_dir

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(2)
torch.mm(torch.rand(900, 900), torch.rand(900, 900))
torch.rand(5000, 500).softmax(1)
index = read_index(starter_dir() / "starter.index")
search = FaissSearch(index)
before = threads()
features = torch.rand(900, index.rows.shape[1])
search.blend(features)
ours = threads()
import faiss
faiss.omp_set_num_threads(7)
search._searcher.search(features.numpy(), 8)
print(before, ours, threads())
"""


@pytest.mark.skipif(not TASKS.exists(), reason="only Linux tells its threads by file")
def test_a_search_with_faiss_starts_no_threads_beside_those_of_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", COUNT],
        env={"PYTHONPATH": str(ROOT), "PATH": "/nowhere"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    before, ours, unguarded = map(int, done.stdout.split())
    assert before == ours
    assert unguarded > ours, "left alone, faiss starts its own: this test sees it"
