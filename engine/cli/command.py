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
from importlib import import_module
from typing import NoReturn

from engine.cli.output import EXIT_FAILED, lost_output, say
from engine.cli.stop import EXIT_INTERRUPTED, STOPPED, Stop
from engine.device import prepare_environment
from engine.errors import ConversionCancelled, OptionError, UserError
from engine.log import LEVELS, level_asked_for, log_to_stderr, stop_logging
from engine.machine import app_version
from engine.progress import CancelToken

COMMANDS = {
    "convert": "convert audio or video files",
    "cover": "sing whole songs in another voice",
    "repeat": "make a result again from its recipe",
    "separate": "split songs into vocals and instruments",
    "voice": "describe a voice file",
    "voices": "installed voices: list, import, export …",
    "models": "shared networks: list, download, verify …",
    "export": "a voice's networks for other programs",
    "benchmark": "measure what each optimization gains",
    "tune": "find and keep the fastest settings here",
    "doctor": "check this machine",
}
"""What each does. The arguments of ``NAME`` are those of `add_NAME` in ``engine.cli.NAME``."""

_LOG = logging.getLogger(__name__)
_PYTHON = platform.python_version()
_NAME_LIKE_AN_OPTION = re.compile(r"-[^\s=]*\.\w+")


def run(arguments: Sequence[str] | None, stop: Stop) -> int:
    """Run a command; its exit code."""
    prepare_environment()
    _print_anything()
    stop.token = CancelToken()
    try:
        words = [*_with_paths(sys.argv[1:] if arguments is None else arguments)]
        given = _parser(words).parse_args(words)
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


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands; only the one that is asked for is imported and has arguments."""
    parser = _Parser(
        prog="urvc",
        description="Convert the voice in a recording to that of an RVC model.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((each for each in arguments if not each.startswith("-")), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == chosen:
            getattr(import_module(f"engine.cli.{name}"), f"add_{name}")(command)
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
