"""The number on the app's icon in the Dock."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication


def show_waiting(n_files: int) -> None:
    """How many files are still to be converted; 0 shows nothing. Without a Dock it does nothing."""
    app = QGuiApplication.instance()
    if isinstance(app, QGuiApplication):
        app.setBadgeNumber(n_files)
