"""Small widgets and questions that several windows use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from desktop import style


class NoticeBar(QWidget):
    """Shows the latest notice until it is answered or dismissed."""

    def __init__(self) -> None:
        super().__init__()
        self._warning = False
        self._label = style.PlainLabel()
        self._label.setWordWrap(True)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._buttons = QHBoxLayout()
        row = QHBoxLayout(self)
        row.setContentsMargins(style.MARGIN, 8, style.MARGIN, 8)
        row.setSpacing(12)
        row.addWidget(self._label, 1)
        row.addLayout(self._buttons)
        self.hide()

    @property
    def text(self) -> str:
        """The shown text; "" while hidden."""
        return "" if self.isHidden() else self._label.text()

    def buttons(self) -> list[QPushButton]:
        """The buttons of the answers."""
        return self.findChildren(QPushButton)

    def tell(
        self,
        text: str,
        answers: Sequence[tuple[str, Callable[[], None]]] = (),
        *,
        warning: bool = False,
    ) -> None:
        """Show a notice; without answers it can be dismissed."""
        self._warning = warning
        self._label.setText(text)
        self.setAccessibleName(text)
        for button in self.buttons():
            self._buttons.removeWidget(button)
            button.setParent(None)
            button.deleteLater()
        for title, act in answers or ((self.tr("Dismiss"), lambda: None),):
            self._add(title, act)
        self.show()
        self.update()

    def _add(self, title: str, act: Callable[[], None]) -> None:
        button = QPushButton(title, self)
        button.setAutoDefault(False)

        def answered() -> None:
            self.hide()
            act()

        button.clicked.connect(lambda _=False: answered())
        self._buttons.addWidget(button)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Tinted background with a line below."""
        palette = self.palette()
        colour = style.caution(palette) if self._warning else style.accent(palette)
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.blend(colour, style.sidebar(palette), 0.14))
        line = self.rect().adjusted(0, self.height() - 1, 0, 0)
        painter.fillRect(line, style.hairline(palette))


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
            self.setAccessibleName(text)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the elided text."""
        painter = QPainter(self)
        middle = Qt.TextElideMode.ElideMiddle
        shown = self.fontMetrics().elidedText(self._text, middle, self.width())
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
