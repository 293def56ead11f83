"""Runs a script that kills its own children while they write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def kill_while_writing(script: str, folder: Path) -> None:
    """Run it with the folder as argument; it prints how many kills left an unfinished file."""
    done = subprocess.run(
        [sys.executable, "-c", script, folder], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0, "no kill hit a process while it wrote"
