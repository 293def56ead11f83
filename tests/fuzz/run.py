"""Has damaged files read by processes with limits, and collects what went wrong."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

SECONDS_PER_FILE = 20
"""Usual are 10 ms; the machine may be busy."""

ENDINGS = (
    *(".pth", ".pth", ".pth", ".index", ".index", ".index", ".zip", ".zip", ".zip"),
    *(".csv", ".record"),
)
"""Kinds of the files that are damaged; a seed takes the one at its place.

``.record`` is a whole ``.pth`` of odd values, which must be usable once it is in the library.
"""

ROOT = Path(__file__).parents[2]


@dataclass
class Tally:
    """What became of the files.

    Attributes
    ----------
    grown_bytes : peak memory of the reading process, beyond what it takes before the first file
    """

    files: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    grown_bytes: int = 0
    failures: list[str] = field(default_factory=list)


def seeds(first: int, number: int, ending: str | None = None) -> Iterator[int]:
    """So many seeds from the first one on, of all kinds of files or of one."""
    fitting = (n for n in count(first) if ending in (None, ENDINGS[n % len(ENDINGS)]))
    return islice(fitting, number)


def fuzz(
    numbers: Iterable[int], most_failures: int = 20, reads: str = "tests.fuzz.reader"
) -> Tally:
    """Read the damaged file of every seed in a process with limits; a dead one is replaced.

    ``reads`` is the module that is such a process.
    """
    tally = Tally()
    reader = _Reader(reads)
    try:
        for seed in numbers:
            answer = reader.ask(seed)
            tally.files += 1
            if answer is None:
                tally.failures.append(f"seed {seed}: the process died, {reader.ending()}")
                reader = _Reader(reads)
            else:
                tally.refused += bool(answer["refused"])
                tally.slowest_s = max(tally.slowest_s, float(str(answer["seconds"])))
                tally.grown_bytes = max(tally.grown_bytes, int(str(answer["grown_bytes"])))
                if answer["failure"]:
                    tally.failures.append(f"seed {seed} {answer['ending']}: {answer['failure']}")
            if len(tally.failures) >= most_failures:
                break
    finally:
        reader.stop()
    return tally


class _Reader:
    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._line() != "ready":
            raise RuntimeError(f"the reading process does not start: {self.ending()}")

    def ask(self, seed: int) -> dict[str, object] | None:
        """What became of this seed's file; None if the process died or hung in it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seed}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        # A loop inside native code does not see the alarm; it is ended from here.
        guard = threading.Timer(3 * SECONDS_PER_FILE, self._process.kill)
        guard.start()
        line = self._line()
        guard.cancel()
        return json.loads(line) if line else None

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ending(self) -> str:
        """Its exit code and what it printed last."""
        self.stop()
        assert self._process.stderr is not None
        return f"code {self._process.returncode}: {self._process.stderr.read()[-500:]}"

    def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()
