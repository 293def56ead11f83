"""Notices above the queue: stacked, the most important first, until answered or read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QEnterEvent,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop import style

MOST_SHOWN = 3
"""Further notices wait until one of these is gone."""

READ_MS = 6_000
READ_MS_PER_CHARACTER = 60

Answers = Sequence[tuple[str, Callable[[], None]]]
Again = Callable[[Any], None]
"""Shows the notice again in the window that it is given, in the language of that window."""


class _Notice(QWidget):
    """One notice; importance 0: information, 1: warning, 2: question, 3: question in a warning."""

    gone = Signal()

    def __init__(
        self, text: str, answers: Answers, *, warning: bool, again: Again | None, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.text = text
        self.again = again
        self.warning = warning
        self.importance = 2 * bool(answers) + warning
        self._label = style.PlainLabel(text)
        self._label.setWordWrap(True)
        wraps = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        wraps.setHeightForWidth(True)
        self._label.setSizePolicy(wraps)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(style.MARGIN, 8, style.MARGIN, 8)
        self._row.setSpacing(12)
        self._row.addWidget(self._label, 1)
        self.buttons: list[QPushButton] = []
        for title, act in answers or ((self.tr("Dismiss"), lambda: None),):
            self._add(title, act)
        self._read = QTimer(self, singleShot=True)
        self._read.setInterval(READ_MS + READ_MS_PER_CHARACTER * len(text))
        self._read.timeout.connect(self.gone)
        self.setAccessibleName(text)
        self.hide()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Start the time after which information disappears."""
        super().showEvent(event)
        self._count_down()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Stop the time: nobody reads a hidden notice."""
        super().hideEvent(event)
        self._read.stop()

    def event(self, event: QEvent) -> bool:
        """Count only while the window is in front of other programs."""
        if event.type() in (QEvent.Type.WindowActivate, QEvent.Type.WindowDeactivate):
            self._count_down()
        return super().event(event)

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Stay while the mouse is here."""
        super().enterEvent(event)
        self._read.stop()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Start the time again."""
        super().leaveEvent(event)
        self._count_down()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Tinted background with a line below."""
        palette = self.palette()
        colour = style.caution(palette) if self.warning else style.accent(palette)
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.blend(colour, style.sidebar(palette), 0.14))
        line = self.rect().adjusted(0, self.height() - 1, 0, 0)
        painter.fillRect(line, style.hairline(palette))

    def _add(self, title: str, act: Callable[[], None]) -> None:
        button = QPushButton(title, self)
        button.setAutoDefault(False)

        def answered() -> None:
            self.gone.emit()
            act()

        button.clicked.connect(lambda _=False: answered())
        self.buttons.append(button)
        self._row.addWidget(button)

    def _count_down(self) -> None:
        if self.importance == 0 and self.isVisible() and self.isActiveWindow():
            self._read.start()
        else:
            self._read.stop()


class NoticeBar(QWidget):
    """Notices in the order of their importance, of one importance the newest first.

    Information goes after some seconds, a warning when it is dismissed, and a notice with buttons
    when one of them was pressed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._notices: list[_Notice] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.hide()

    @property
    def text(self) -> str:
        """The shown texts, one a line, the most important first."""
        return "\n".join(notice.text for notice in self._notices[:MOST_SHOWN])

    def buttons(self) -> list[QPushButton]:
        """The shown buttons, those of the most important notice first."""
        return [button for notice in self._notices[:MOST_SHOWN] for button in notice.buttons]

    def tell(
        self, text: str, answers: Answers = (), *, warning: bool = False, again: Again | None = None
    ) -> None:
        """Add a notice; one with the same text is replaced.

        Parameters
        ----------
        answers : what the user can do about it; without any it can be dismissed
        again : tells it in the window of another language; None keeps a text without answers
        """
        for notice in [each for each in self._notices if each.text == text]:
            self._remove(notice)
        notice = _Notice(text, answers, warning=warning, again=again, parent=self)
        notice.gone.connect(self._on_gone)
        self._notices.insert(0, notice)
        self._notices.sort(key=lambda each: -each.importance)
        self._arrange()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def take_over(self, other: NoticeBar, window: QWidget) -> None:
        """Show the unanswered notices of another bar, which is going to be deleted."""
        for notice in reversed(other._notices):
            if notice.again is not None:
                notice.again(window)
            elif notice.importance < 2:  # the window tells its own questions again
                self.tell(notice.text, warning=notice.warning)

    @Slot()
    def _on_gone(self) -> None:
        notice = self.sender()
        if isinstance(notice, _Notice) and notice in self._notices:
            self._remove(notice)
            self._arrange()

    def _remove(self, notice: _Notice) -> None:
        self._notices.remove(notice)
        self._column.removeWidget(notice)
        notice.hide()
        notice.deleteLater()

    def _arrange(self) -> None:
        for place, notice in enumerate(self._notices):
            self._column.removeWidget(notice)
            shown = place < MOST_SHOWN
            if shown:
                self._column.insertWidget(place, notice)
            notice.setVisible(shown)
        self.setVisible(bool(self._notices))
