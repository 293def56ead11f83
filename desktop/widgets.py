"""Small widgets and questions that several windows use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFileDialog, QMessageBox, QSizePolicy, QWidget

from desktop import style


class ElidedLabel(style.PlainLabel):
    """Elides a long text in its middle; the tool tip shows all of it."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_text(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self.setText(text)
            self.setToolTip(style.plain_tip(text))
            self.setAccessibleName(self.text())

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the elided text."""
        painter = QPainter(self)
        middle = Qt.TextElideMode.ElideMiddle
        shown = self.fontMetrics().elidedText(self.text(), middle, self.width())
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)


Ask = Callable[[QWidget, str, str, str], bool]
"""A question: parent, text, explanation, the button that means yes."""

ChooseFiles = Callable[[QWidget | None, str, str], list[Path]]
"""Which files: parent, title, kinds as Qt writes them."""


def ask_user(parent: QWidget, text: str, explanation: str, yes: str) -> bool:
    """Ask in a sheet over the window."""
    box = QMessageBox(QMessageBox.Icon.Warning, "", text, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(explanation)
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.exec()
    return box.clickedButton() is agree


def choose_files(parent: QWidget | None, title: str, kinds: str) -> list[Path]:
    """Ask for files."""
    names, _ = QFileDialog.getOpenFileNames(parent, title, "", kinds)
    return [Path(name) for name in names]
