"""A waveform with the playing position; a time slider for mouse and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QLineF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractSlider, QApplication, QSizePolicy, QWidget

from desktop.listen.stretch import Stretch
from desktop.listen.time_axis import TimeAxis
from desktop.style import accent, faded, plain_tip, secondary_text

if TYPE_CHECKING:
    from desktop.listen.waveform import Waveform

_BAR_WIDTH = 2.0
_BAR_STEP = 3.0
_DOT_LENGTH = 0.01
"""Of the bar of silence, which is as high as it is wide."""
LANE_MARGIN = 6.0
LANE_HEIGHT = 46
LOW_LANE_HEIGHT = 34
"""Of a lane among several."""
_DRAG_PIXELS = 4.0
_SHORTEST_S = 0.3
"""Of a stretch that is selected."""
_QUIETEST_FULL_HEIGHT = 0.08
"""A sound whose highest peak is below this is drawn small."""
_WHEEL_DEGREES = 240.0
"""Eighths of a degree that a wheel is turned to show half as much."""


class WaveformView(QAbstractSlider):
    """One sound. As a slider it gives assistive technology its name, position and length.

    Parameters
    ----------
    axis : the time that is shown; several views share one

    Signals
    -------
    sought : (float) the user moved to this position in seconds
    selected : (start and stop in seconds, or None) the user dragged, or clicked with Shift
    flip_requested : the user pressed Tab
    step_wanted : (int) the user pressed an arrow key: -1 is up, 1 is down
    """

    sought = Signal(float)
    selected = Signal(object)
    flip_requested = Signal()
    step_wanted = Signal(int)

    def __init__(self, axis: TimeAxis, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._axis = axis
        self._waveform: Waveform | None = None
        self._message = ""
        self._active = False
        self._stretch: Stretch | None = None
        self._pressed_at: float | None = None
        self._drags = False
        self._height = LANE_HEIGHT
        self._shown: object = None
        self._shape = QPixmap()
        self._pictures: dict[int, QPixmap] = {}
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSingleStep(1_000)
        self.setPageStep(10_000)
        self.actionTriggered.connect(self._seek_by_key)
        axis.changed.connect(self._on_axis)
        self._on_axis()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide, with the height of one lane."""
        return QSize(400, self._height)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough to click on."""
        return QSize(120, self._height)

    def set_height(self, height: int) -> None:
        """Set the height of the lane."""
        if height != self._height:
            self._height = height
            self.updateGeometry()

    def show_waveform(self, waveform: Waveform | None, message: str = "") -> None:
        """Show a waveform, or a message instead."""
        if waveform is self._waveform and message == self._message:
            return
        self._waveform = waveform
        self._message = message
        self._shown = None
        self.setToolTip(plain_tip(message) if waveform is None else "")
        self.update()

    def set_position(self, position_s: float) -> None:
        """Set the playing position."""
        if not self.isSliderDown():
            self.setValue(round(position_s * 1000))

    def set_active(self, *, active: bool) -> None:
        """Mark this as the sound that is played."""
        if active != self._active:
            self._active = active
            self.update()

    def set_stretch(self, stretch: Stretch | None) -> None:
        """Mark a stretch, in seconds."""
        if stretch != self._stretch:
            self._stretch = stretch
            self.update()

    @property
    def has_sound(self) -> bool:
        """Whether there is a waveform."""
        return self._waveform is not None

    @property
    def message(self) -> str:
        """What is said instead of a waveform."""
        return self._message

    # --- painting ------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Bars, kept as pictures until they change; those before the position are coloured."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter)
        if self._waveform is None or self._axis.length_s <= 0:
            self._paint_message(painter)
        else:
            self._paint_stretch(painter)
            self._paint_sound(painter, self._waveform)

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
        if self._stretch is None:
            return
        left, right = (
            min(max(self._x_of(each), LANE_MARGIN), self.width() - LANE_MARGIN)
            for each in self._stretch
        )
        if right > left:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(faded(accent(self.palette()), 0.22))
            painter.drawRoundedRect(QRectF(left, 2, right - left, self.height() - 4), 3, 3)

    def _paint_message(self, painter: QPainter) -> None:
        painter.setPen(secondary_text(QApplication.palette()))
        room = self.rect().adjusted(10, 0, -10, 0)
        text = self.fontMetrics().elidedText(
            self._message, Qt.TextElideMode.ElideRight, room.width()
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_sound(self, painter: QPainter, waveform: Waveform) -> None:
        heard, coming = self._pictures_of(waveform)
        playhead = self._playhead
        for picture, left, right in ((heard, 0.0, playhead), (coming, playhead, self.width())):
            if right > left:
                painter.setClipRect(QRectF(left, 0, right - left, self.height()))
                painter.drawPixmap(0, 0, picture)
        painter.setClipping(False)
        if LANE_MARGIN - 1 <= playhead <= self.width() - LANE_MARGIN + 1:
            text = self.palette().color(QPalette.ColorRole.Text)
            line = QRectF(playhead - 0.75, 4, 1.5, self.height() - 8)
            painter.fillRect(line, text if self._active else faded(text, 0.4))

    def _pictures_of(self, waveform: Waveform) -> tuple[QPixmap, QPixmap]:
        """The bars as they are when they were heard, and before; kept until others are shown."""
        shown = self._axis.shown_s, self.size(), self.devicePixelRatioF()
        if self._shown != shown:
            self._shown, self._shape = shown, self._draw_shape(self._bars(waveform))
            self._pictures.clear()
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.Text)
        colours = (faded(text, 0.34), faded(text, 0.22))
        if self._active:
            colours = (accent(palette), faded(text, 0.55))
        return self._picture(colours[0]), self._picture(colours[1])

    def _picture(self, colour: QColor) -> QPixmap:
        """The shape of the sound in a colour."""
        picture = self._pictures.get(colour.rgba())
        if picture is None:
            picture = QPixmap(self._shape)
            painter = QPainter(picture)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
            painter.fillRect(self.rect(), colour)
            painter.end()
            self._pictures[colour.rgba()] = picture
        return picture

    def _draw_shape(self, bars: list[QLineF]) -> QPixmap:
        """All bars in one call: a call for each would keep the window waiting."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        solid, ends = Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap
        painter.setPen(QPen(Qt.GlobalColor.black, _BAR_WIDTH, solid, ends))
        painter.drawLines(bars)
        painter.end()
        return picture

    def _bars(self, waveform: Waveform) -> list[QLineF]:
        """The middle line of each bar, without its round ends."""
        start_s, stop_s = self._axis.shown_s
        stop_s = min(stop_s, waveform.duration_s)
        n_columns = int((self._x_of(stop_s) - LANE_MARGIN) / _BAR_STEP)
        if n_columns < 1:
            return []
        columns = waveform.columns(n_columns, start_s, stop_s)
        loudest = max(float(abs(waveform.levels[-1]).max(initial=0)), _QUIETEST_FULL_HEIGHT)
        middle = self.height() / 2
        half = (middle - 5) / loudest
        end = _BAR_WIDTH / 2
        bars = []
        for k, (low, high) in enumerate(columns.tolist()):
            top, bottom = middle - high * half + end, middle - low * half - end
            if bottom - top < _DOT_LENGTH:
                top, bottom = middle, middle + _DOT_LENGTH
            x = LANE_MARGIN + k * _BAR_STEP + end
            bars.append(QLineF(x, top, x, bottom))
        return bars

    # --- mouse and keyboard --------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a click or a drag."""
        if event.button() == Qt.MouseButton.LeftButton and self.has_sound:
            self._pressed_at, self._drags = event.position().x(), False
            self.setSliderDown(True)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Select from where the button was pressed."""
        if self._pressed_at is None:
            return
        here = event.position().x()
        self._drags = self._drags or abs(here - self._pressed_at) >= _DRAG_PIXELS
        if self._drags:
            first, last = sorted(map(self._second_at, (self._pressed_at, here)))
            self.set_stretch((first, last))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """A drag selects, if it is long enough; a click seeks, or with Shift selects nothing."""
        pressed_at, self._pressed_at = self._pressed_at, None
        self.setSliderDown(False)
        if pressed_at is None:
            return
        if self._drags:
            stretch = self._stretch
            if stretch is not None and stretch[1] - stretch[0] < self._shortest_s:
                stretch = None
            self.set_stretch(stretch)
            self.selected.emit(stretch)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.selected.emit(None)
        else:
            self.sought.emit(self._second_at(pressed_at))

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """With Control (⌘) zoom; sideways, or with Shift, scroll through time."""
        across, up = event.angleDelta().x(), event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._axis.zoom(2.0 ** (up / _WHEEL_DEGREES), self._second_at(event.position().x()))
        elif across or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step_s = (across or up) / 1200 * self._axis.span_s
            self._axis.show_from(self._axis.start_s - step_s)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Tab flips, Control-Tab and Shift-Tab move the focus; two fingers zoom."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            if event.key() == Qt.Key.Key_Tab and plain and self.has_sound:
                self.flip_requested.emit()
                return True
            if event.key() == Qt.Key.Key_Tab and not plain:
                return self.focusNextPrevChild(event.key() == Qt.Key.Key_Tab)
        pinched = Qt.NativeGestureType.ZoomNativeGesture
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == pinched:
            self._axis.zoom(1.0 + event.value(), self._second_at(event.position().x()))
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Up and down go to the next lane, Escape selects nothing."""
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.step_wanted.emit(-1 if event.key() == Qt.Key.Key_Up else 1)
        elif event.key() == Qt.Key.Key_Escape and self._stretch is not None:
            self.selected.emit(None)
        else:
            super().keyPressEvent(event)

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

    @Slot()
    def _on_axis(self) -> None:
        self.setRange(0, round(self._axis.length_s * 1000))
        self.update()

    # --- geometry ------------------------------------------------------------------------------

    @property
    def _shortest_s(self) -> float:
        """What is shorter was a click with an unsteady hand."""
        return min(_SHORTEST_S, 0.05 * self._axis.span_s)

    @property
    def _room(self) -> float:
        return max(1.0, self.width() - 2 * LANE_MARGIN)

    @property
    def _playhead(self) -> float:
        return self._x_of(self.value() / 1000)

    def _x_of(self, second: float) -> float:
        return LANE_MARGIN + self._axis.share(second) * self._room

    def _second_at(self, x: float) -> float:
        return self._axis.second((x - LANE_MARGIN) / self._room)
