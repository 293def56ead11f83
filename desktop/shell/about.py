"""What the app is, and what it is made of."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from desktop.problems import machine_lines
from desktop.settings.acknowledgements import AcknowledgementsDialog


def show_about(window: QWidget) -> None:
    """Show name and version, and the way to the licences."""
    box = QMessageBox(window)
    box.setWindowTitle(_tr("About Ultimate RVC"))
    box.setIconPixmap(window.windowIcon().pixmap(64))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(machine_lines())
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    more = box.addButton(_tr("Acknowledgements…"), QMessageBox.ButtonRole.ActionRole)
    more.clicked.connect(lambda: show_acknowledgements(window))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()


def show_acknowledgements(window: QWidget) -> None:
    """Show the licences of everything that the app is made of."""
    AcknowledgementsDialog(window).show()


def _tr(text: str) -> str:
    return QCoreApplication.translate("MainWindow", text)
