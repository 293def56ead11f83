"""``python -m tests.fuzz --count 10000``: damaged voices, indexes and archives, in processes."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.run import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    started = time.monotonic()
    tally = fuzz(range(given.first, given.first + given.count))
    print(
        f"{tally.files} files in {time.monotonic() - started:.0f} s: {tally.refused} refused, "
        f"{tally.files - tally.refused - len(tally.failures)} loaded, "
        f"{len(tally.failures)} failures; the slowest took {tally.slowest_s:.2f} s"
    )
    for failure in tally.failures:
        print(failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
