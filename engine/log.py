"""Logging, off unless it is asked for.

Modules log to ``logging.getLogger(__name__)``. ``RVC_LOG`` and ``--verbose`` print it on stderr;
the app writes it into a file too. Folders are left out, because a log is sent to other people.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.errors import OptionError, Text
from engine.machine import app_version
from engine.plain_text import plain, plain_lines, without_folders

LOG_VARIABLE = "RVC_LOG"
LOG_FILE = "urvc.log"
LEVELS = {"off": logging.CRITICAL + 1, "info": logging.INFO, "debug": logging.DEBUG}

_LOG = logging.getLogger(__name__)
_PROGRAMS = ("engine", "desktop")
_MAX_BYTES = 1 << 20
_KEPT_FILES = 3
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def level_asked_for(default: str, environment: Mapping[str, str] = os.environ) -> int:
    """The level of ``RVC_LOG``; unset and empty mean ``default``.

    Raises
    ------
    OptionError : the variable has another value
    """
    value = environment.get(LOG_VARIABLE, "").strip().lower() or default
    if value not in LEVELS:
        raise OptionError(
            Text(
                'Cannot use "{value}" in the environment variable {variable}',
                value=value,
                variable=LOG_VARIABLE,
            ),
            Text("it must be one of {levels}", levels=", ".join(LEVELS)),
            Text("correct or unset {variable}", variable=LOG_VARIABLE),
        )
    return LEVELS[value]


def start_app_log(folder: Path) -> None:
    """The app's log: a file, and on stderr, unlike a command's, from ``info`` on."""
    problem = None
    try:
        level = level_asked_for("info")
    except OptionError as error:
        level, problem = logging.INFO, error
    log_to_stderr(level)
    log_to_file(folder, level)
    _LOG.info("Ultimate RVC %s, Python %s", app_version(), platform.python_version())
    if problem is not None:
        _LOG.warning("%s", problem)


def log_to_stderr(level: int) -> None:
    """Print what is logged from this level on; a second call replaces the level of the first."""
    if level > logging.CRITICAL or sys.stderr is None:  # None where it was closed
        return
    handler = logging.StreamHandler(sys.stderr)
    # On a terminal the line replaces a progress bar, which is drawn again below it.
    start = "\r\033[K" if sys.stderr.isatty() else ""
    _add(handler, level, start + _LINE, "%H:%M:%S")


def log_to_file(folder: Path, level: int) -> None:
    """Write what is logged into `LOG_FILE`, of which three old ones are kept; never fails.

    The file has the level ``info`` at least.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            folder / LOG_FILE, maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
        )
    except OSError:
        return
    _add(handler, min(level, logging.INFO), _LINE, None)


def stop_logging() -> None:
    """Undo `log_to_stderr` and `log_to_file`."""
    for name in _PROGRAMS:
        logger = logging.getLogger(name)
        for handler in [each for each in logger.handlers if isinstance(each.formatter, _Plain)]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)


def _add(handler: logging.Handler, level: int, line: str, times: str | None) -> None:
    handler.setFormatter(_Plain(line, times))
    handler.setLevel(level)
    for name in _PROGRAMS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(min(level, logger.level or level))


class _Plain(logging.Formatter):
    """One line a record, and a traceback below it, free of folders and control characters."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        record.message = plain(without_folders(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - of the base class
        text = super().formatException(ei)  # type: ignore[arg-type]  # of the base class
        return plain_lines(without_folders(text))
