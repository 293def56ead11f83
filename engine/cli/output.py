"""Exit codes, and what the commands print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from engine.errors import OptionError

EXIT_OK = 0
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def tell(text: str = "") -> bool:
    """Print to stdout at once; False if that fails (a closed pipe, a full disk).

    Results that were written stay, and the next file is still converted.
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
    """Discard what is still buffered: Python would try to print it again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(name: str) -> str:
    """A file's name without line breaks or other control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


class ProgressBar:
    """One line on a terminal; prints nothing elsewhere."""

    WIDTH = 30

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()

    def show(self, fraction: float, doing: str) -> None:
        """Draw the fraction 0..1 that is done, and the current stage."""
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
        """Erase the line."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Rows in columns, free of control characters.

    Parameters
    ----------
    numbers : align all columns but the first to the right
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
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
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def asked_number(question: str) -> int | None:
    """Ask for a number on the terminal; None without a terminal or a number."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    return int(answer) if answer.isascii() and answer.isdigit() and len(answer) < 10 else None
