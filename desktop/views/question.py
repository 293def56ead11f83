"""What only the user can answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

Ask = Callable[[QWidget, str, str, str], bool]
"""A question: parent, text, explanation, the button that means yes."""

ChooseFiles = Callable[[QWidget, str, str], list[Path]]
"""Which files: parent, title, kinds as Qt writes them."""


def ask_user(parent: QWidget, text: str, explanation: str, yes: str) -> bool:
    """Ask in a sheet over the window."""
    box = QMessageBox(QMessageBox.Icon.Warning, "", text, parent=parent)
    box.setInformativeText(explanation)
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    return box.clickedButton() is agree


def choose_files(parent: QWidget, title: str, kinds: str) -> list[Path]:
    """Ask for files."""
    names, _ = QFileDialog.getOpenFileNames(parent, title, "", kinds)
    return [Path(name) for name in names]
