"""All commands, and how a failure is told."""

from __future__ import annotations

import argparse
import io
import logging
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from engine.cli.benchmark import add_benchmark
from engine.cli.convert import add_convert
from engine.cli.cover import add_cover
from engine.cli.doctor import add_doctor
from engine.cli.export import add_export
from engine.cli.models import add_models
from engine.cli.output import EXIT_FAILED, lost_output, say
from engine.cli.repeat import add_repeat
from engine.cli.separate import add_separate
from engine.cli.stop import EXIT_INTERRUPTED, STOPPED, Stop
from engine.cli.tune import add_tune
from engine.cli.voice import add_voice
from engine.cli.voices import add_voices
from engine.device import prepare_environment
from engine.errors import ConversionCancelled, OptionError, UserError
from engine.log import LEVELS, level_asked_for, log_to_stderr, stop_logging
from engine.machine import app_version
from engine.progress import CancelToken

_LOG = logging.getLogger(__name__)
_PYTHON = platform.python_version()
_NAME_LIKE_AN_OPTION = re.compile(r"-[^\s=]*\.\w+")


def run(arguments: Sequence[str] | None, stop: Stop) -> int:
    """Run a command; its exit code."""
    prepare_environment()
    _print_anything()
    stop.token = CancelToken()
    try:
        given = _parser().parse_args(_with_paths(sys.argv[1:] if arguments is None else arguments))
        given.cancel = stop.token
        level = LEVELS["debug" if given.verbose > 1 else "info"]
        log_to_stderr(level if given.verbose else level_asked_for("off"))
        _LOG.info("urvc %s, version %s, Python %s", given.command, app_version(), _PYTHON)
        code: int = given.run(given)
    except UserError as error:
        say(f"urvc: {error}")
        return EXIT_FAILED
    except OSError as error:
        say(f"urvc: the system reported an error: {error.strerror or error}.")
        return EXIT_FAILED
    except ConversionCancelled:
        say(STOPPED)
        return EXIT_INTERRUPTED
    finally:
        stop_logging()
    return EXIT_FAILED if lost_output() else code


def _print_anything() -> None:
    """Print characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _with_paths(arguments: Sequence[str]) -> Iterator[str]:
    """A file whose name looks like options (``-song.wav``) is given as ``./-song.wav``."""
    for each in arguments:
        is_file = _NAME_LIKE_AN_OPTION.fullmatch(each) and os.path.lexists(each)
        yield f"./{each}" if is_file else each


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
    add_cover(commands.add_parser("cover", help="sing whole songs in another voice"))
    add_repeat(commands.add_parser("repeat", help="make a result again from its recipe"))
    add_separate(commands.add_parser("separate", help="split songs into vocals and instruments"))
    add_voice(commands.add_parser("voice", help="describe a voice file"))
    add_voices(commands.add_parser("voices", help="installed voices: list, import, export …"))
    add_models(commands.add_parser("models", help="shared networks: list, download, verify …"))
    add_export(commands.add_parser("export", help="a voice's networks for other programs"))
    add_benchmark(commands.add_parser("benchmark", help="measure what each optimization gains"))
    add_tune(commands.add_parser("tune", help="find and keep the fastest settings here"))
    add_doctor(commands.add_parser("doctor", help="check this machine"))
    _add_verbose(parser)
    return parser


def _add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add ``--verbose`` to every command that has no further ones below it."""
    below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]  # noqa: SLF001 - argparse has no other way to walk them
    for action in below:
        for each in action.choices.values():
            _add_verbose(each)
    if not below:
        parser.add_argument(
            "-v",
            "--verbose",
            action="count",
            default=0,
            help="print on stderr what is done; twice prints more (or set RVC_LOG=info|debug)",
        )
