"""The bundle's first file, which py2app's program runs: the app, or what its options ask for."""

import multiprocessing
import sys


def main() -> int:
    """Start as ``python -m desktop`` would; the exit code."""
    # py2app's mark makes multiprocessing start Contents/MacOS/python with an option that only a
    # main program understands. Without it a child is an ordinary interpreter, which finds the
    # bundle by the PYTHONHOME that py2app's program has set.
    if hasattr(sys, "frozen"):
        del sys.frozen
    multiprocessing.freeze_support()
    from desktop.__main__ import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
