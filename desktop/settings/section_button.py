"""The button that opens and closes a section of a panel."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QStyle, QStyleOptionToolButton, QStylePainter, QToolButton

from desktop.settings.store import Settings


class SectionButton(QToolButton):
    """Checked while the section is open, which is remembered.

    Parameters
    ----------
    key : under which the settings remember it
    opened : whether it is open at first
    """

    def __init__(self, title: str, settings: Settings, key: str, *, opened: bool = False) -> None:
        super().__init__()
        self._settings, self._key = settings, key
        self.setText(title)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        kept = settings.memory(key)
        self.setChecked(opened if kept is None else bool(kept))
        self._show_arrow()
        self.toggled.connect(self._on_toggled)

    @Slot()
    def _on_toggled(self) -> None:
        self._show_arrow()
        self._settings.remember(self._key, self.isChecked())

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """An arrow tells whether it is open; a pressed look would say it twice."""
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        option.state = option.state & ~QStyle.StateFlag.State_On
        QStylePainter(self).drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)

    def _show_arrow(self) -> None:
        arrow = Qt.ArrowType.DownArrow if self.isChecked() else Qt.ArrowType.RightArrow
        self.setArrowType(arrow)
