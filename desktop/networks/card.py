"""A card with something that can be downloaded: what it is, its state, its buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop.background import BackgroundTask, Outcome, Work
from desktop.icons import symbol
from desktop.settings.page import caption
from desktop.style import RADIUS, PlainLabel, hairline
from engine.files import size_text

_STEPS = 1000


class DownloadCard(QWidget):
    """Shows one thing, and does one piece of work for it at a time.

    A subclass makes its buttons, calls `build` once, and says in `refresh` which of them are shown
    and in `sentence` how work ended.

    Signals
    -------
    changed : work ended
    task_started : work began
    """

    changed = Signal()
    task_started = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.task = BackgroundTask(self)
        self.task.progressed.connect(self._show_progress)
        self.task.ended.connect(self._take_outcome)
        self.state = PlainLabel()
        self.message = caption("")
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(textVisible=False)
        self.cancel = self.button("cancel", self.tr("Cancel"), self.task.cancel)

    @Slot()
    def refresh(self) -> None:
        """Update state and buttons."""
        raise NotImplementedError

    def sentence(self, outcome: Outcome) -> str:
        """What to say of work that was finished or cancelled; "" for nothing."""
        raise NotImplementedError

    def show_state(self, shown: Sequence[tuple[QPushButton, bool]], *, installed: bool) -> None:
        """Show the buttons that fit; while work runs only Cancel."""
        busy = self.task.is_running
        self.state.setText(self.tr("Installed") if installed else self.tr("Not installed"))
        for button, fits in shown:
            button.setVisible(fits and not busy)
        self.cancel.setVisible(busy)
        self.progress.setVisible(busy)

    def start(self, work: Work, sentence: str) -> None:
        """Begin work, unless some runs already."""
        if self.task.start(work):
            self._say(sentence)
            self.progress.setRange(0, 0)
            self.refresh()
            self.task_started.emit()

    def build(self, name: str, purpose: str, facts: str, buttons: Sequence[QPushButton]) -> None:
        """Lay out the card; the texts are in the user's language."""
        title = PlainLabel(name)
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.progress.setAccessibleName(name)
        head, foot = QHBoxLayout(), QHBoxLayout()
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.state)
        for button in buttons:
            foot.addWidget(button)
        foot.addWidget(self.progress, 1)
        foot.addWidget(self.cancel)
        foot.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.addLayout(head)
        column.addWidget(caption(purpose))
        column.addWidget(caption(facts))
        column.addSpacing(4)
        column.addLayout(foot)
        column.addWidget(self.message)
        self._say("")

    def button(self, icon: str, name: str, action: Callable[[], None]) -> QPushButton:
        """A button of the card."""
        button = QPushButton(symbol(icon), name)
        button.setAutoDefault(False)
        button.clicked.connect(action)
        return button

    @Slot(object, object)
    def _show_progress(self, done: float | None, total: float | None) -> None:
        if not done or not total:
            return
        self.progress.setRange(0, _STEPS)
        self.progress.setValue(min(_STEPS, round(_STEPS * done / total)))
        self._say(
            self.tr("{done} of {total}").format(
                done=size_text(round(done)), total=size_text(round(total))
            )
        )

    @Slot(object)
    def _take_outcome(self, outcome: Outcome) -> None:
        failed = outcome.state == "failed"
        self._say(outcome.sentence if failed else self.sentence(outcome))
        self.refresh()
        self.changed.emit()

    def _say(self, sentence: str) -> None:
        """Below the buttons, where a long sentence has the card's whole width."""
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the card's background."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(hairline(self.palette()))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
