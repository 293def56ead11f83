"""The icons of `resources/icons`, sharp at any scale and in the colours of the current theme."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPen,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer

_FOLDER = Path(__file__).resolve().parents[1] / "resources" / "icons"
_MENU_BAR_POINTS = 18
_SCALES = (1, 2, 3)


def symbol(name: str, role: QPalette.ColorRole = QPalette.ColorRole.ButtonText) -> QIcon:
    """A symbol in a colour of the palette, as it is whenever it is painted (light or dark)."""
    return QIcon(_SymbolEngine(name, role))


def paint_symbol(painter: QPainter, name: str, place: QRectF, colour: QColor) -> None:
    """Draw a symbol in any colour."""
    _renderer(name, colour.name()).render(painter, place)


def app_icon() -> QIcon:
    """The app's own icon, e.g. for the Dock."""
    icon = QIcon()
    for points in (16, 32, 64, 128, 256, 512):
        icon.addPixmap(_rendered(_drawing("app"), QSize(points, points), 1.0))
    return icon


def menu_bar_icon(fraction: float | None = None) -> QIcon:
    """A template image: the system colours it.

    Parameters
    ----------
    fraction : 0..1 of the work that is done, shown as a ring; None shows the waveform
    """
    icon = QIcon()
    for scale in _SCALES:
        size = QSize(_MENU_BAR_POINTS, _MENU_BAR_POINTS)
        if fraction is None:
            icon.addPixmap(_rendered(_drawing("menu-bar"), size, scale))
        else:
            icon.addPixmap(_ring(min(1.0, max(0.0, fraction)), size, scale))
    icon.setIsMask(True)
    return icon


class _SymbolEngine(QIconEngine):
    """Draws an SVG in the palette's colour, so that it follows a change of theme."""

    def __init__(self, name: str, role: QPalette.ColorRole) -> None:
        super().__init__()
        self._name = name
        self._role = role

    def clone(self) -> QIconEngine:
        return _SymbolEngine(self._name, self._role)

    def paint(self, painter: QPainter, rect: QRectF, mode: QIcon.Mode, _state: QIcon.State) -> None:  # type: ignore[override]
        palette = QGuiApplication.palette()
        group = QPalette.ColorGroup.Active
        if mode == QIcon.Mode.Disabled:
            group = QPalette.ColorGroup.Disabled
        role = self._role
        if mode == QIcon.Mode.Selected:
            role = QPalette.ColorRole.HighlightedText
        _renderer(self._name, palette.color(group, role).name()).render(painter, QRectF(rect))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(  # noqa: N802 - Qt's name
        self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float
    ) -> QPixmap:
        pixmap = QPixmap(size * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRectF(pixmap.rect()), mode, state)
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        return pixmap


@cache
def _drawing(name: str) -> bytes:
    return (_FOLDER / f"{name}.svg").read_bytes()


@cache
def _renderer(name: str, colour: str) -> QSvgRenderer:
    drawing = _drawing(name).replace(b"currentColor", colour.encode())
    return QSvgRenderer(QByteArray(drawing))


def _rendered(drawing: bytes, size: QSize, scale: float) -> QPixmap:
    pixmap = QPixmap(size * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(drawing)).render(painter)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _ring(fraction: float, size: QSize, scale: float) -> QPixmap:
    pixmap = QPixmap(size * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    box = QRectF(QPointF(0, 0), size.toSizeF()).adjusted(2.5, 2.5, -2.5, -2.5)
    for colour, share in ((QColor(0, 0, 0, 70), 1.0), (QColor(0, 0, 0), fraction)):
        painter.setPen(QPen(colour, 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawArc(box, 90 * 16, round(-360 * 16 * share))
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap
