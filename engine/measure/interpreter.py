"""Run Python again, in a process of its own; in the app's bundle that is the bundle's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIMIT_S = 120.0
"""Loading PyTorch from a cold disk can take half a minute."""


def child_environment() -> dict[str, str]:
    """Of a process that imports this program, wherever it is started."""
    root, others = str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")
    path = root if not others else os.pathsep.join((root, others))
    return {**os.environ, "PYTHONPATH": path}


def run_python(arguments: list[str]) -> tuple[bool, list[str]]:
    """Run this Python; whether it went well, and what it said (never empty)."""
    try:
        done = subprocess.run(  # noqa: S603 - our own Python, no shell
            [sys.executable, "-P", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            env=child_environment() | {"PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, [f"no answer within {LIMIT_S:.0f} s"]
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode < 0:
        return False, [f"crashed (signal {-done.returncode})"]
    return done.returncode == 0, said or [f"ended with code {done.returncode}"]
