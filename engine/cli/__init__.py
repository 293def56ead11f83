"""The command ``urvc``: convert files, manage voices and networks, check the machine.

torch is imported only when it is needed, so that ``--help`` answers at once.
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
    """Run a command; exit code 0 is done, 2 failed (reason on stderr), 130 interrupted."""
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
        print(f"urvc: the system reported an error: {error.strerror or error}.", file=sys.stderr)
        return EXIT_FAILED
    except (KeyboardInterrupt, ConversionCancelled):
        print("urvc: stopped; nothing unfinished was written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return command


def _print_anything() -> None:
    """Print characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) stop as Ctrl-C does: unfinished files are removed.

    Signals that the caller ignores (``nohup``) stay ignored.
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
    """An argument parser that raises `OptionError`."""

    def error(self, message: str) -> NoReturn:
        raise OptionError("Cannot understand this command", message, f'see "{self.prog} --help"')


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="urvc",
        description="Convert the voice in a recording to that of an RVC model.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_convert(commands.add_parser("convert", help="convert audio or video files"))
    add_voice(commands.add_parser("voice", help="describe a voice file"))
    add_voices(commands.add_parser("voices", help="installed voices: list, import, export …"))
    add_models(commands.add_parser("models", help="shared networks: list, download, verify …"))
    add_benchmark(commands.add_parser("benchmark", help="measure what each optimization gains"))
    add_tune(commands.add_parser("tune", help="find and keep the fastest settings here"))
    add_doctor(commands.add_parser("doctor", help="check this machine"))
    return parser
