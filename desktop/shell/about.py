"""The box that says what the app is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QMessageBox

from desktop.problems import machine_lines

if TYPE_CHECKING:
    from desktop.shell.main_window import MainWindow


def show_about(window: MainWindow) -> None:
    """Show name and version, and the way to the licences."""
    box = QMessageBox(window)
    box.setWindowTitle(_tr("About Ultimate RVC"))
    box.setIconPixmap(window.windowIcon().pixmap(64))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(machine_lines())
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    more = box.addButton(_tr("Acknowledgements…"), QMessageBox.ButtonRole.ActionRole)
    more.clicked.connect(window.show_acknowledgements)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()


def _tr(text: str) -> str:
    return QCoreApplication.translate("MainWindow", text)
