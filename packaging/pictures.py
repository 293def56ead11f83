"""The app's icon, and the picture behind the disk image's window.

``python packaging/pictures.py FILE.png`` draws the latter.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from project import ROOT

SOURCE = ROOT / "resources" / "icons" / "app.svg"
PIXELS = {
    b"ic11": 32,  # 16 points, at two pixels a point
    b"ic12": 64,
    b"ic07": 128,
    b"ic13": 256,
    b"ic08": 256,
    b"ic14": 512,
    b"ic09": 512,
    b"ic10": 1024,
}
"""Tags and sizes; those under 128 points only for Retina screens, which every Mac with Apple
silicon has (the older tags for them take no PNG in all places)."""

_HEAD_BYTES = 8


def write_icns(path: Path) -> None:
    """Draw every size and write them."""
    pictures = {pixels: _drawn(pixels) for pixels in set(PIXELS.values())}
    parts = [_part(tag, pictures[pixels]) for tag, pixels in PIXELS.items()]
    path.write_bytes(_part(b"icns", b"".join(parts)))


def read_icns(path: Path) -> dict[bytes, bytes]:
    """The pictures by tag.

    Raises
    ------
    ValueError : if it is damaged
    """
    data = path.read_bytes()
    if data[:4] != b"icns" or int.from_bytes(data[4:8]) != len(data):
        raise ValueError(f"{path.name} is not an icon file")
    found, at = {}, _HEAD_BYTES
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8])
        if not _HEAD_BYTES < length <= len(data) - at:
            raise ValueError(f"{path.name} has a part of an impossible length")
        found[data[at : at + 4]] = data[at + _HEAD_BYTES : at + length]
        at += length
    return found


def _part(tag: bytes, content: bytes) -> bytes:
    return tag + (len(content) + _HEAD_BYTES).to_bytes(4) + content


def _drawn(pixels: int) -> bytes:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QIODevice
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    image = QImage(pixels, pixels, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(str(SOURCE)).render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # the stub says bytes
    return bytes(buffer.data().data())


WIDTH, HEIGHT = 640, 400
"""Points, as in `image_layout.applescript`; drawn at one pixel a point, as Finder expects."""

APP_AT, FOLDER_AT = (160, 190), (480, 190)
"""Centres of the two icons."""


def draw_background(path: Path) -> None:
    """Draw an arrow from the app to the folder on a light ground."""
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
    draw_background(Path(sys.argv[1]))
