"""Colours and sizes derived from the system's palette, so that they follow it live."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QWidget

MARGIN = 16
GAP = 8
SMALL_RADIUS = 4.0
RADIUS = 8.0

_STAGES = {  # hue in degrees, saturation 0..255; spread so that neighbours differ
    "load": (220, 20),
    "decode": (200, 150),
    "filter": (178, 140),
    "pitch": (38, 190),
    "content": (268, 120),
    "retrieval": (330, 130),
    "synthesis": (212, 190),
    "write": (140, 120),
}


def is_dark(palette: QPalette) -> bool:
    """Whether text is lighter than what it stands on."""
    text = palette.color(QPalette.ColorRole.WindowText)
    return text.lightness() > palette.color(QPalette.ColorRole.Window).lightness()


def blend(front: QColor, back: QColor, share: float) -> QColor:
    """``share`` of the front over the back."""
    mixed = [
        round(a * share + b * (1 - share))
        for a, b in zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)  # type: ignore[index]
    ]
    return QColor(*mixed)


def secondary_text(palette: QPalette) -> QColor:
    """For what explains; 4.5 : 1 and more against base and window."""
    back = palette.color(QPalette.ColorRole.Base)
    return blend(palette.color(QPalette.ColorRole.Text), back, 0.68)


def hairline(palette: QPalette) -> QColor:
    """For lines between areas."""
    window = palette.color(QPalette.ColorRole.Window)
    return blend(palette.color(QPalette.ColorRole.WindowText), window, 0.14)


def track(palette: QPalette) -> QColor:
    """What a bar stands in."""
    base = palette.color(QPalette.ColorRole.Base)
    return blend(palette.color(QPalette.ColorRole.Text), base, 0.11)


def sidebar(palette: QPalette) -> QColor:
    """The panel at the side, set off a little from the window."""
    window = palette.color(QPalette.ColorRole.Window)
    return blend(palette.color(QPalette.ColorRole.WindowText), window, 0.03)


def accent(palette: QPalette) -> QColor:
    """The user's accent colour."""
    return palette.color(QPalette.ColorRole.Accent)


def good(palette: QPalette) -> QColor:
    """For what is finished."""
    return QColor("#30c463") if is_dark(palette) else QColor("#1b8a3f")


def bad(palette: QPalette) -> QColor:
    """For what failed."""
    return QColor("#ff6b63") if is_dark(palette) else QColor("#c4281c")


def caution(palette: QPalette) -> QColor:
    """For what wants attention."""
    return QColor("#ffb340") if is_dark(palette) else QColor("#a15c00")


def stage_colour(stage: str, palette: QPalette) -> QColor:
    """A colour for each stage of a conversion."""
    hue, saturation = _STAGES.get(stage, (0, 0))
    return QColor.fromHsv(hue, saturation, 230 if is_dark(palette) else 200)


def small_font(widget: QWidget) -> QFont:
    """The font of explanations."""
    font = QFont(widget.font())
    font.setPointSizeF(max(8.0, QApplication.font().pointSizeF() * 0.88))
    return font


def figures_font(font: QFont) -> QFont:
    """The same font with figures of one width, so that changing numbers do not dance."""
    fixed = QFont(font)
    fixed.setFeature(QFont.Tag.fromString("tnum"), 1)
    return fixed


def heading_font(widget: QWidget, factor: float = 1.0) -> QFont:
    """The font of headings."""
    font = QFont(widget.font())
    font.setPointSizeF(QApplication.font().pointSizeF() * factor)
    font.setWeight(QFont.Weight.DemiBold)
    return font


class SecondaryLabel(QLabel):
    """A label in the colour of explanations, whatever the theme becomes."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setFont(small_font(self))
        self._recolour()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            self._recolour()

    def _recolour(self) -> None:
        palette = self.palette()
        for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text):
            palette.setColor(role, secondary_text(QApplication.palette()))
        self.setPalette(palette)
