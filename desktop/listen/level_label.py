"""A level beside a lane."""

from __future__ import annotations

from PySide6.QtCore import Qt

from desktop.style import SecondaryLabel, figures_font

_WIDEST = "−60.0 dB"


class LevelLabel(SecondaryLabel):
    """Right-aligned and as wide as the widest level, so that changing figures stay in place."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(False)
        self.setFont(figures_font(self.font()))
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance(_WIDEST) + 2)


def level_text(level_db: float) -> str:
    """``−6.0 dB``, ``+1.5 dB``; 0 has no sign."""
    sign = "−" if level_db < 0 else "+" if level_db > 0 else ""
    return f"{sign}{abs(level_db):.1f} dB"
