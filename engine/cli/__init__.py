"""The command ``urvc``: convert files, keep voices and shared weights, examine the machine.

torch is imported only when there is work for it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from engine.cli.benchmark import add_benchmark
from engine.cli.convert import add_convert
from engine.cli.doctor import add_doctor
from engine.cli.models import add_models
from engine.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, silence_stdout, tell
from engine.cli.tune import add_tune
from engine.cli.voice import add_voice
from engine.cli.voices import add_voices
from engine.device import prepare_environment
from engine.errors import ConversionCancelled, OptionError, UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (0 done, 2 a sentence on stderr, 130 interrupted)."""
    prepare_environment()
    _print_anything()
    try:
        with _stopped_by_signals():
            options = _parser().parse_args(arguments)
            command: int = options.run(options)
            if not tell():
                command = EXIT_FAILED
    except UserError as error:
        print(f"urvc: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        silence_stdout()
        print(f"urvc: the system reports: {error.strerror or error}.", file=sys.stderr)
        return EXIT_FAILED
    except (KeyboardInterrupt, ConversionCancelled):
        print("urvc: stopped; nothing unfinished was written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return command


def _print_anything() -> None:
    """Names that the terminal's encoding lacks are printed escaped, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) stop as Ctrl-C does: unfinished files are removed.

    What the caller has told us to ignore (``nohup``) stays ignored.
    """

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    main_thread = threading.current_thread() is threading.main_thread()
    ours = (signal.SIGTERM, signal.SIGHUP) if main_thread else ()
    handled = [number for number in ours if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are sentences like all others."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(
            "Cannot understand this command", message, f'see "{self.prog} --help" for what it takes'
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="urvc", description="Change a voice: sing or speak a file again by an RVC voice."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_convert(commands.add_parser("convert", help="convert audio or video files"))
    add_voice(commands.add_parser("voice", help="show what a voice file is"))
    add_voices(commands.add_parser("voices", help="the installed voices: list, import, export …"))
    add_models(commands.add_parser("models", help="the shared networks: list, download, verify …"))
    add_benchmark(commands.add_parser("benchmark", help="measure what each speed-up gains here"))
    add_tune(commands.add_parser("tune", help="find and keep what is fastest on this machine"))
    add_doctor(commands.add_parser("doctor", help="examine this machine and say what is missing"))
    return parser
