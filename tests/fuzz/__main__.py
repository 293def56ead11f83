"""``python -m tests.fuzz --count 10000 --ending .pth``: damaged voices, indexes and archives.

With ``--sounds`` damaged sounds.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.run import ENDINGS, fuzz, seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--ending", choices=ENDINGS, help="only files of this kind")
    parser.add_argument("--sounds", action="store_true", help="sounds instead of voices")
    given = parser.parse_args()
    started = time.monotonic()
    if given.sounds:
        tally = fuzz(range(given.first, given.first + given.count), reads="tests.fuzz.sound_reader")
    else:
        tally = fuzz(seeds(given.first, given.count, given.ending))
    print(
        f"{tally.files} files in {time.monotonic() - started:.0f} s: {tally.refused} refused, "
        f"{tally.files - tally.refused - len(tally.failures)} loaded, "
        f"{len(tally.failures)} failures; the slowest took {tally.slowest_s:.2f} s; "
        f"memory grew by {tally.grown_bytes / 2**20:.0f} MB"
    )
    for failure in tally.failures:
        print(failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
