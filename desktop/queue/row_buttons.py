"""The buttons of one row of the queue, shown over it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QWidget

from desktop import style
from desktop.icons import paint_symbol
from desktop.queue.job import Job, JobState

BUTTON_POINTS = 24
PILL_POINTS = 22
_ICON_POINTS = 16
_OF_STATE = {
    JobState.WAITING: ("cancel", "remove"),
    JobState.NEEDS_NETWORKS: ("download", "remove"),
    JobState.RUNNING: ("cancel",),
    JobState.FINISHED: ("play", "reveal", "retry", "remove"),
    JobState.FAILED: ("retry", "remove"),
    JobState.CANCELLED: ("retry", "remove"),
    JobState.INTERRUPTED: ("retry", "remove"),
}
_ICONS = {"stop_download": "cancel", "unstar": "star-filled"}


def actions_of(job: Job, *, stopping: bool, downloading: bool) -> tuple[str, ...]:
    """The names of the buttons of a row."""
    if stopping:
        return ()
    if downloading:
        return ("stop_download",)
    if job.state is JobState.FINISHED:
        return ("unstar" if job.starred else "star", *_OF_STATE[job.state])
    return _OF_STATE[job.state]


def paint_pill(
    painter: QPainter, place: QRect, text: str, palette: QPalette, *, selected: bool, down: bool
) -> None:
    """Draw a button with a text, e.g. Download."""
    box = QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5)
    ground = palette.color(QPalette.ColorRole.Base)
    if selected:
        ground = style.selection(palette)
    front = style.selected_text(palette) if selected else style.link(palette)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(style.blend(front, ground, 0.55))
    painter.setBrush(style.blend(front, ground, 0.28 if down else 0.0))
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
    painter.setPen(front)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


class _RowButton(QAbstractButton):
    """A symbol, or a text where it has one; drawn in the colours of its row."""

    def __init__(self, name: str, title: str, *, with_text: bool, reached_by_keys: bool) -> None:
        super().__init__()
        self._name = name
        self._with_text = with_text
        self.selected = False
        self.setText(title)
        self.setAccessibleName(title)
        self.setToolTip(title)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        keys = Qt.FocusPolicy.TabFocus if reached_by_keys else Qt.FocusPolicy.NoFocus
        self.setFocusPolicy(keys)
        if with_text:
            self.setFont(style.smaller_font(self.font()))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A square for a symbol."""
        if self._with_text:
            return pill_size(self.fontMetrics().horizontalAdvance(self.text()))
        return QSize(BUTTON_POINTS, BUTTON_POINTS)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it; with a ground under the mouse, with a ring while it has the focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        if self._with_text:
            paint_pill(
                painter, self.rect(), self.text(), palette,
                selected=self.selected, down=self.isDown() or self.underMouse(),
            )  # fmt: skip
        else:
            self._paint_symbol(painter, palette)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(style.selected_text(palette) if self.selected else style.accent(palette))
            radius = self.height() / 2 if self._with_text else style.SMALL_RADIUS
            painter.drawRoundedRect(
                QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius
            )

    def _paint_symbol(self, painter: QPainter, palette: QPalette) -> None:
        front = palette.color(QPalette.ColorRole.Text)
        if self.selected:
            front = style.selected_text(palette)
        if self.isDown() or self.underMouse():
            ground = front.toRgb()
            ground.setAlphaF(0.25 if self.isDown() else 0.12)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ground)
            painter.drawRoundedRect(QRectF(self.rect()), style.SMALL_RADIUS, style.SMALL_RADIUS)
        edge = (self.height() - _ICON_POINTS) / 2
        paint_symbol(painter, self._name, QRectF(edge, edge, _ICON_POINTS, _ICON_POINTS), front)


def pill_size(text_width: int) -> QSize:
    """The size of a button with a text in a row."""
    return QSize(text_width + 20, PILL_POINTS)


class RowButtons(QWidget):
    """The buttons of one job.

    Parameters
    ----------
    reached_by_keys : whether the Tab key comes to them

    Signals
    -------
    pressed : (name, job id)  ``cancel``, ``retry``, ``star``, ``unstar``, ``play``, ``reveal``,
        ``remove``, ``download`` or ``stop_download``
    """

    pressed = Signal(str, str)

    def __init__(self, parent: QWidget, *, reached_by_keys: bool) -> None:
        super().__init__(parent)
        self.job_id = ""
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)
        self._buttons: dict[str, _RowButton] = {}
        titles = {
            "download": self.tr("Download"),
            "stop_download": self.tr("Stop Download"),
            "cancel": self.tr("Cancel"),
            "star": self.tr("Star"),
            "unstar": self.tr("Remove Star"),
            "play": self.tr("Play Result"),
            "reveal": self.tr("Show in Finder"),
            "retry": self.tr("Convert Again"),
            "remove": self.tr("Remove from Queue"),
        }
        for name, title in titles.items():
            icon = _ICONS.get(name, name)
            button = _RowButton(
                icon, title, with_text=name == "download", reached_by_keys=reached_by_keys
            )
            button.clicked.connect(lambda _=False, name=name: self.pressed.emit(name, self.job_id))
            self._row.addWidget(button)
            self._buttons[name] = button
        self.hide()

    def button(self, name: str) -> QAbstractButton:
        """One of them."""
        return self._buttons[name]

    def has_focus(self) -> bool:
        """Whether one of the buttons has the focus."""
        return any(button.hasFocus() for button in self._buttons.values())

    def show_job(self, job_id: str, names: tuple[str, ...], *, selected: bool) -> None:
        """Show these buttons; where the focus is on one that goes, it moves to the next."""
        self.job_id = job_id
        loses_focus = any(b.hasFocus() for name, b in self._buttons.items() if name not in names)
        for name in names:
            self._buttons[name].show()
        if loses_focus and names:
            self._buttons[names[0]].setFocus()
        for name, button in self._buttons.items():
            button.setVisible(name in names)
            if button.selected != selected:
                button.selected = selected
                button.update()

    def event(self, event: QEvent) -> bool:
        """A click beside the buttons is one on the row."""
        if event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            event.ignore()
            return False
        return super().event(event)
