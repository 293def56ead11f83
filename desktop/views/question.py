"""A question that the app must not decide alone."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

Ask = Callable[[QWidget, str, str, str], bool]
"""A question: parent, text, explanation, the button that means yes."""


def ask_user(parent: QWidget, text: str, explanation: str, yes: str) -> bool:
    """Ask in a sheet over the window."""
    box = QMessageBox(QMessageBox.Icon.Warning, "", text, parent=parent)
    box.setInformativeText(explanation)
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    return box.clickedButton() is agree
