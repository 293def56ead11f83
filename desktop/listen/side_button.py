"""The button of a lane: a toggle with a fixed size."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop.style import RADIUS, accent

_PADDING = 12
_WIDEST_TEXT = 104
"""A longer name is elided."""
_TINT = 0.22


class SideButton(QAbstractButton):
    """A toggle with a fixed size.

    Parameters
    ----------
    plays_by_space : leaves Space to the panel, where it plays; the arrow keys choose
    """

    def __init__(
        self, name: str, parent: QWidget | None = None, *, plays_by_space: bool = True
    ) -> None:
        super().__init__(parent)
        self._plays_by_space = plays_by_space
        self.setText(name)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_reached_by_tab(self, *, reached: bool) -> None:
        """Tab reaches only the checked one, arrow keys the other, as in any group.

        Qt does so only after one of the group has had the focus.
        """
        policy = Qt.FocusPolicy.StrongFocus if reached else Qt.FocusPolicy.ClickFocus
        self.setFocusPolicy(policy)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for the name in bold."""
        width = QFontMetrics(self._font(heard=True)).horizontalAdvance(self.text())
        return QSize(min(width, _WIDEST_TEXT) + 2 * _PADDING, 28)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Space is left to the panel."""
        if self._plays_by_space and event.key() == Qt.Key.Key_Space:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw a tinted background if checked, a frame if focused."""
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        height = min(28.0, ground.height())
        ground.setTop(ground.center().y() - height / 2)
        ground.setHeight(height)
        colour = accent(palette)
        if self.hasFocus():
            painter.setPen(colour)
            painter.drawRoundedRect(ground, RADIUS, RADIUS)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked():
            colour.setAlphaF(_TINT)
            painter.setBrush(colour)
            painter.drawRoundedRect(ground, RADIUS, RADIUS)
        group = QPalette.ColorGroup.Active if self.isEnabled() else QPalette.ColorGroup.Disabled
        painter.setPen(palette.color(group, QPalette.ColorRole.WindowText))
        painter.setFont(self._font(heard=self.isChecked()))
        room = self.rect().adjusted(_PADDING // 2, 0, -_PADDING // 2, 0)
        shown = painter.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, room.width()
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, shown)

    def _font(self, *, heard: bool) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold if heard else QFont.Weight.Normal)
        return font
