"""A waveform with the playing position; a time slider for mouse and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
)
from PySide6.QtWidgets import QAbstractSlider, QApplication, QSizePolicy, QWidget

from desktop.style import accent, faded, plain_tip, secondary_text

if TYPE_CHECKING:
    from desktop.listen.waveform import Waveform

_BAR_WIDTH = 2.0
_BAR_STEP = 3.0
LANE_MARGIN = 6.0
_SHORTEST_S = 0.3
"""Of a stretch that is selected."""
_QUIETEST_FULL_HEIGHT = 0.08
"""A sound whose highest peak is below this is drawn small."""


class WaveformView(QAbstractSlider):
    """One sound. As a slider it gives assistive technology its name, position and length.

    Signals
    -------
    sought : (float) the user moved to this position in seconds
    selected : (start and stop in seconds, or None) the user dragged with the Shift key
    flip_requested : the user pressed Tab
    """

    sought = Signal(float)
    selected = Signal(object)
    flip_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._waveform: Waveform | None = None
        self._message = ""
        self._active = False
        self._axis_s = 0.0
        self._stretch: tuple[float, float] | None = None
        self._anchor_s: float | None = None
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSingleStep(1_000)
        self.setPageStep(10_000)
        self.setRange(0, 0)
        self.actionTriggered.connect(self._seek_by_key)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide, with the height of one lane."""
        return QSize(400, 46)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough to click on."""
        return QSize(120, 46)

    def show_waveform(self, waveform: Waveform | None, message: str = "") -> None:
        """Show a waveform, or a message instead."""
        self._waveform = waveform
        self._message = message
        self.setToolTip(plain_tip(message) if waveform is None else "")
        self.update()

    def set_axis(self, duration_s: float) -> None:
        """Set the length of the time axis, which both lanes share."""
        self._axis_s = duration_s
        self.setRange(0, round(duration_s * 1000))
        self.update()

    def set_position(self, position_s: float) -> None:
        """Set the playing position."""
        if not self.isSliderDown():
            self.setValue(round(position_s * 1000))

    def set_active(self, *, active: bool) -> None:
        """Mark this as the sound that is played."""
        self._active = active
        self.update()

    def set_stretch(self, stretch: tuple[float, float] | None) -> None:
        """Mark a stretch, in seconds."""
        if stretch != self._stretch:
            self._stretch = stretch
            self.update()

    @property
    def has_sound(self) -> bool:
        """Whether there is a waveform."""
        return self._waveform is not None

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw bars; those before the position in the accent colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter)
        if self._waveform is None or self._axis_s <= 0:
            self._paint_message(painter)
        else:
            self._paint_stretch(painter)
            self._paint_bars(painter, self._waveform)

    def _paint_ground(self, painter: QPainter) -> None:
        palette = self.palette()
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faded(palette.color(QPalette.ColorRole.Text), 0.05))
        painter.drawRoundedRect(frame, 6, 6)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(accent(palette))
            painter.drawRoundedRect(frame, 6, 6)

    def _paint_stretch(self, painter: QPainter) -> None:
        if self._stretch is not None:
            width = self.width() - 2 * LANE_MARGIN
            left, right = (LANE_MARGIN + width * each / self._axis_s for each in self._stretch)
            colour = faded(accent(self.palette()), 0.22)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(left, 2, right - left, self.height() - 4), 3, 3)

    def _paint_message(self, painter: QPainter) -> None:
        painter.setPen(secondary_text(QApplication.palette()))
        room = self.rect().adjusted(10, 0, -10, 0)
        text = self.fontMetrics().elidedText(
            self._message, Qt.TextElideMode.ElideRight, room.width()
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_bars(self, painter: QPainter, waveform: Waveform) -> None:
        width = self.width() - 2 * LANE_MARGIN
        shown = width * min(1.0, waveform.duration_s / self._axis_s)
        columns = waveform.columns(max(1, int(shown / _BAR_STEP)))
        loudest = max(float(abs(columns).max()), _QUIETEST_FULL_HEIGHT)
        middle = self.height() / 2
        half = (middle - 5) / loudest
        playhead = LANE_MARGIN + width * self.value() / 1000 / self._axis_s
        text = self.palette().color(QPalette.ColorRole.Text)
        heard = accent(self.palette())
        coming = faded(text, 0.55)
        if not self._active:
            heard, coming = faded(text, 0.34), faded(text, 0.22)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, (low, high) in enumerate(columns.tolist()):
            x = LANE_MARGIN + k * _BAR_STEP
            top, bottom = middle - high * half, middle - low * half
            if bottom - top < _BAR_WIDTH:
                top, bottom = middle - _BAR_WIDTH / 2, middle + _BAR_WIDTH / 2
            painter.setBrush(heard if x < playhead else coming)
            painter.drawRoundedRect(QRectF(x, top, _BAR_WIDTH, bottom - top), 1, 1)
        line = QRectF(playhead - 0.75, 4, 1.5, self.height() - 8)
        painter.fillRect(line, text if self._active else faded(text, 0.4))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Move to the click."""
        if event.button() != Qt.MouseButton.LeftButton or not self.has_sound:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._anchor_s = self._second_at(event.position().x())
            self.set_stretch(None)
        else:
            self.setSliderDown(True)
            self._seek_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the mouse while the button is down."""
        if self._anchor_s is not None:
            here_s = self._second_at(event.position().x())
            self.set_stretch((min(self._anchor_s, here_s), max(self._anchor_s, here_s)))
        elif self.isSliderDown():
            self._seek_to(event.position().x())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """End dragging; a stretch that is too short is ignored."""
        if self._anchor_s is not None:
            self._anchor_s = None
            stretch = self._stretch
            if stretch is not None and stretch[1] - stretch[0] < _SHORTEST_S:
                stretch = None
            self.set_stretch(stretch)
            self.selected.emit(stretch)
        self.setSliderDown(False)

    def event(self, event: QEvent) -> bool:
        """Tab switches sides; Control-Tab and Shift-Tab move the focus."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            if event.key() == Qt.Key.Key_Tab and plain and self.has_sound:
                self.flip_requested.emit()
                return True
            if event.key() == Qt.Key.Key_Tab and not plain:
                return self.focusNextPrevChild(event.key() == Qt.Key.Key_Tab)
        return super().event(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the focus ring."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Hide the focus ring."""
        super().focusOutEvent(event)
        self.update()

    @Slot(int)
    def _seek_by_key(self, action: int) -> None:
        if action != QAbstractSlider.SliderAction.SliderMove.value:
            self.sought.emit(self.sliderPosition() / 1000)

    def _seek_to(self, x: float) -> None:
        position_s = self._second_at(x)
        self.setValue(round(position_s * 1000))
        self.sought.emit(position_s)

    def _second_at(self, x: float) -> float:
        share = (x - LANE_MARGIN) / max(1.0, self.width() - 2 * LANE_MARGIN)
        return min(1.0, max(0.0, share)) * self._axis_s
