"""What the commands print: exit codes and the progress line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from engine.errors import OptionError

EXIT_OK = 0
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def tell(text: str = "") -> bool:
    """Print to stdout at once; False where nobody can read it (a closed pipe, a full disk).

    What was converted stays; the next file is not kept waiting.
    """
    try:
        if text:
            print(text)
        sys.stdout.flush()
    except OSError as error:
        silence_stdout()
        print(f"urvc: cannot print here: {error.strerror or error}.", file=sys.stderr)
        return False
    return True


def silence_stdout() -> None:
    """Send what is still to be printed nowhere: Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(name: str) -> str:
    """A file's name without line breaks or other control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


class ProgressBar:
    """One line on a terminal, nothing at all elsewhere."""

    WIDTH = 30

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()

    def show(self, fraction: float, doing: str) -> None:
        """Draw how far it is, 0..1, and what is being done."""
        if not self._terminal:
            return
        full = round(fraction * self.WIDTH)
        bar = "█" * full + "·" * (self.WIDTH - full)
        print(
            f"\r\033[K{bar} {fraction:4.0%}  {doing}  {self._name}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        """Leave the line empty."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Rows in columns.

    Parameters
    ----------
    numbers : align all columns but the first to the right
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    align = ["<", *(">" if numbers else "<" for _ in widths[1:])]
    return "\n".join("  ".join(map("{:{}{}}".format, row, align, widths)).rstrip() for row in rows)


def shown(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else str(value)


def confirmed(question: str) -> bool:
    """Ask on the terminal; where nobody can answer, refuse and name ``--yes``.

    Raises
    ------
    OptionError : there is no terminal to ask on
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise OptionError(
            f"Cannot ask: {question}", "there is no terminal for the answer", "add --yes to agree"
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def asked_number(question: str) -> int | None:
    """Ask for a number on the terminal; None where nobody can answer, or answers otherwise."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    return int(answer) if answer.isascii() and answer.isdigit() and len(answer) < 10 else None
