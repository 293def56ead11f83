"""The colours and letters of a Mac, for pictures of the app taken elsewhere."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

Role = QPalette.ColorRole
POINTS = 9.75
"""13 pixels, as on a Mac."""

LOOKS = {  # window, base, button, text, quiet text, selection
    "light": ("#ececec", "#ffffff", "#ffffff", "#262626", "#a8a8a8", "#0064e1"),
    "dark": ("#2b2b2d", "#1e1e20", "#48484b", "#e3e3e5", "#7a7a7e", "#0059d1"),
}
_ACCENT = "#007aff"


def wear(look: str) -> None:
    """Show the app in a look from now on."""
    window, base, button, text, quiet, selection = map(QColor, LOOKS[look])
    palette = QPalette(button, window)
    for role, colour in (
        (Role.Base, base), (Role.AlternateBase, window), (Role.Text, text),
        (Role.WindowText, text), (Role.ButtonText, text), (Role.ToolTipBase, base),
        (Role.ToolTipText, text), (Role.Highlight, selection),
        (Role.HighlightedText, QColor("white")), (Role.Accent, QColor(_ACCENT)),
        (Role.PlaceholderText, quiet),
    ):  # fmt: skip
        palette.setColor(role, colour)
    for role in (Role.Text, Role.WindowText, Role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, quiet)
    QApplication.setPalette(palette)
    font = QApplication.font()
    font.setPointSizeF(POINTS)
    QApplication.setFont(font)
