"""Exit codes, and what the commands print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from engine.errors import OptionError
from engine.plain_text import plain, plain_lines

EXIT_OK = 0
EXIT_FAILED = 2


_lost = False


def tell(text: str) -> bool:
    """Print to stdout at once; False if that fails (a closed pipe, a full disk).

    Results that were written stay, and the next file is still converted.
    """
    try:
        print(plain_lines(text), flush=True)
    except OSError as error:
        global _lost
        _lost = True
        _discard(sys.stdout)
        say(f"urvc: cannot print here: {error.strerror or error}.")
        return False
    return True


def tell_json(value: object) -> bool:
    """Print a value as one line of ASCII, which any terminal and any program takes."""
    return tell(json.dumps(value))


def say(sentence: object, end: str = "\n") -> None:
    """Print one line to stderr; where nobody reads it any more, the work goes on."""
    _show(plain(str(sentence)) + end)


def lost_output() -> bool:
    """Whether something could not be printed since the last time this was asked."""
    global _lost
    lost, _lost = _lost, False
    return lost


def _show(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Discard what is still buffered, and all that follows: Python would try to print it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class ProgressBar:
    """One line on a terminal; prints nothing elsewhere."""

    WIDTH = 30

    def __init__(self, name: str) -> None:
        self._name = plain(name)
        self._terminal = sys.stderr.isatty()

    def show(self, fraction: float, doing: str) -> None:
        """Draw the fraction 0..1 that is done, and the current stage."""
        if not self._terminal:
            return
        full = round(fraction * self.WIDTH)
        bar = "█" * full + "·" * (self.WIDTH - full)
        _show(f"\r\033[K{bar} {fraction:4.0%}  {plain(doing)}  {self._name}")

    def clear(self) -> None:
        """Erase the line."""
        if self._terminal:
            _show("\r\033[K")


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Rows in columns, free of control characters.

    Parameters
    ----------
    numbers : align all columns but the first to the right
    """
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    align = ["<", *(">" if numbers else "<" for _ in widths[1:])]
    return "\n".join("  ".join(map("{:{}{}}".format, row, align, widths)).rstrip() for row in rows)


def shown(value: object) -> str:
    """A value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else str(value)


def confirmed(question: str) -> bool:
    """Ask on the terminal.

    Raises
    ------
    OptionError : there is no terminal; the message names ``--yes``
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise OptionError(
            f"Cannot ask: {question}", "there is no terminal for the answer", "add --yes to agree"
        )
    say(f"{question} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def asked_number(question: str) -> int | None:
    """Ask for a number on the terminal; None without a terminal or a number."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    say(question, end="")
    answer = sys.stdin.readline().strip()
    return int(answer) if answer.isascii() and answer.isdigit() and len(answer) < 10 else None
