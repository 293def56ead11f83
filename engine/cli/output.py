"""What the commands print: exit codes and the progress line."""

from __future__ import annotations

import sys

EXIT_OK = 0
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


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


def shown(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else str(value)
