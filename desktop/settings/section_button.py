"""The button that opens and closes a section of a panel."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QToolButton

from desktop.settings.store import Settings


class SectionButton(QToolButton):
    """Checked while the section is open, which is remembered.

    Parameters
    ----------
    key : under which the settings remember it
    """

    def __init__(self, title: str, settings: Settings, key: str) -> None:
        super().__init__()
        self._settings, self._key = settings, key
        self.setText(title)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setChecked(bool(settings.memory(key)))
        self._show_arrow()
        self.toggled.connect(self._on_toggled)

    @Slot()
    def _on_toggled(self) -> None:
        self._show_arrow()
        self._settings.remember(self._key, self.isChecked())

    def _show_arrow(self) -> None:
        arrow = Qt.ArrowType.DownArrow if self.isChecked() else Qt.ArrowType.RightArrow
        self.setArrowType(arrow)
