"""``python packaging/background.py FILE.png``: the picture behind the disk image's window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

WIDTH, HEIGHT = 640, 400
"""Points, as in `image_layout.applescript`; drawn at one pixel a point, as Finder expects."""

APP_AT, FOLDER_AT = (160, 190), (480, 190)
"""Middles of the two icons."""


def draw(path: Path) -> None:
    """A quiet ground and an arrow from the app to the folder."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QPointF, Qt
    from PySide6.QtGui import QColor, QImage, QPainter, QPen

    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    image.fill(QColor("#f2f2f5"))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor("#8a8aa0"), 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    middle = (APP_AT[0] + FOLDER_AT[0]) / 2
    tip = QPointF(middle + 42, APP_AT[1])
    painter.drawLine(QPointF(middle - 42, APP_AT[1]), tip)
    for up in (-16, 16):
        painter.drawLine(tip, QPointF(tip.x() - 18, tip.y() + up))
    painter.end()
    image.save(str(path), "PNG")  # type: ignore[call-overload]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
