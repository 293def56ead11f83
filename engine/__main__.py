"""``python -m engine`` is ``urvc``."""

from engine.cli import program

program()
