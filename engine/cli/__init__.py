"""The command ``urvc``: convert files, manage voices and networks, check the machine.

What a command needs is imported after signals are handled, and torch only when it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from engine.cli.stop import EXIT_INTERRUPTED, STOPPED, Stop, open_missing_streams
from engine.lean_torch import import_torch_lean


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; exit code 0 is done, 2 failed (reason on stderr), 130 interrupted."""
    open_missing_streams()
    with Stop() as stop:
        return _run(arguments, stop)


def program(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command as this whole process.

    It ends without Python's own clearing up, in which a late signal would change the exit code.
    """
    open_missing_streams()  # before any other file takes their numbers
    import_torch_lean()
    with Stop() as stop:
        try:
            code = _run(arguments, stop)
        except SystemExit as wanted:  # --help
            code = wanted.code if isinstance(wanted.code, int) else 1
        except BaseException:  # noqa: BLE001 - a mistake of ours, told as Python does
            sys.excepthook(*sys.exc_info())
            code = 1
        stop.finish()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _run(arguments: Sequence[str] | None, stop: Stop) -> int:
    try:
        stop.begin()
        from engine.cli.command import run

        code = run(arguments, stop)
    except BaseException:
        if not stop.asked:
            raise
    stop.finish()
    if not stop.asked:
        return code
    with suppress(OSError, ValueError):
        print(STOPPED, file=sys.stderr, flush=True)
    return EXIT_INTERRUPTED
