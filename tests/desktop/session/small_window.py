"""The window of a program beside the app, at the place that its first two arguments name."""

from __future__ import annotations

import sys
from collections.abc import Callable

from PySide6.QtWidgets import QApplication, QWidget

SIDE = 80


def run(make: Callable[[], QWidget]) -> None:
    """Show it, print that it is there, and stay."""
    application = QApplication([])
    window = make()
    window.setGeometry(int(sys.argv[1]), int(sys.argv[2]), SIDE, SIDE)
    window.show()
    application.processEvents()
    print("there", flush=True)
    application.exec()
