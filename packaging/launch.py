"""The bundle's first file, which py2app's program runs: the app, or what its options ask for."""

import sys


def main() -> int:
    """Start as ``python -m desktop`` would; the exit code."""
    # `sys.frozen`, py2app's mark, stays: its recipe for multiprocessing counts on it. Children are
    # Contents/MacOS/python, an ordinary interpreter, which finds the bundle by the PYTHONHOME that
    # py2app's program has set; the self-test starts one.
    from desktop.__main__ import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
