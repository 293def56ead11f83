"""The app's icon in the Dock: how many files wait, and how far the running one is."""

from __future__ import annotations

import sys
from functools import cache

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QImage, QPainter, QPixmap

from desktop.icons import app_icon

_PIXELS = 512
_BAR = QRectF(132, 378, 248, 36)  # inside the icon's rounded square, below the waveform
_GROUND = QColor(0, 0, 0, 130)
_DONE = QColor(255, 255, 255)


def show_waiting(n_files: int) -> None:
    """How many files are still to be converted; 0 shows nothing. Without a Dock it does nothing."""
    app = QGuiApplication.instance()
    if isinstance(app, QGuiApplication):
        app.setBadgeNumber(n_files)


def show_progress(percent: int | None) -> None:
    """Draw a bar on the icon, None takes it off; only in the Dock, not on a window elsewhere."""
    app = QGuiApplication.instance()
    if sys.platform == "darwin" and isinstance(app, QGuiApplication):
        app.setWindowIcon(app_icon() if percent is None else progress_icon(percent))


def progress_icon(percent: int) -> QIcon:
    """The app's icon with a bar that is filled so far.

    Parameters
    ----------
    percent : 0..100
    """
    image = QImage(_icon())
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    radius = _BAR.height() / 2
    painter.setBrush(_GROUND)
    painter.drawRoundedRect(_BAR, radius, radius)
    inside = _BAR.adjusted(6, 6, -6, -6)
    inside.setWidth(max(inside.height(), inside.width() * min(100, max(0, percent)) / 100))
    painter.setBrush(_DONE)
    painter.drawRoundedRect(inside, radius - 6, radius - 6)
    painter.end()
    return QIcon(QPixmap.fromImage(image))


@cache
def _icon() -> QImage:
    return app_icon().pixmap(_PIXELS, _PIXELS).toImage().scaled(_PIXELS, _PIXELS)
