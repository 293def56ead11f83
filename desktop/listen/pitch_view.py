"""Pitch curves over a piano grid; a stretch can be selected and moved by octaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from desktop import style
from desktop.listen.pitch_drawing import (
    FRAMES_PER_SECOND,
    KEYS_WIDTH,
    Colour,
    Curves,
    PitchDrawing,
    Scale,
    Trace,
)
from desktop.listen.stretch import Stretch
from desktop.piano import hz_of

_SHORTEST_SHOWN_S = 1.0
_DRAG_PIXELS = 4.0
_DELETE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class PitchView(QWidget):
    """One source and its result.

    Signals
    -------
    sought : (float) the user clicked at this position in seconds
    selected : the selection changed
    transposed : (int) the selection is to be moved by octaves
    silenced : the selection is to become unvoiced
    undo_wanted, redo_wanted : by their usual keys
    pointed : (float, float) seconds and Hz under the mouse; Hz is 0 outside
    scrolled : (start and stop in seconds) the user zoomed or scrolled to another part
    """

    sought = Signal(float)
    selected = Signal()
    transposed = Signal(int)
    silenced = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    pointed = Signal(float, float)
    scrolled = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: Curves | None = None
        self._message = ""
        self._legend: Sequence[tuple[str, Colour]] = ()
        self._length_s = 0.0
        self._scale = Scale()
        self._picture: tuple[object, QPixmap] | None = None
        self._position_s = 0.0
        self._selection: tuple[int, int] | None = None
        self._pressed: QPointF | None = None
        self._drag: str = ""
        self._drag_octaves = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """High enough for two octaves."""
        return QSize(400, 150)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough to select something."""
        return QSize(160, 150)

    def set_legend(self, *entries: tuple[str, Colour]) -> None:
        """Names and colours of the lines, shown in a corner."""
        self._legend = entries

    def set_left(self, left: float) -> None:
        """Where the curves begin; the keyboard is left of it."""
        self._scale = replace(self._scale, left=max(left, KEYS_WIDTH))
        self.update()

    def show_message(self, message: str) -> None:
        """Show words instead of curves."""
        self._curves, self._message = None, message
        self._select(None)
        self.update()

    def show_curves(self, curves: Curves, *, keep_place: bool = False) -> None:
        """Show curves; ``keep_place`` keeps zoom and selection."""
        self._curves = curves
        self._length_s = max(len(curves.source_hz), 1) / FRAMES_PER_SECOND
        before, fitted = self._scale, self._scale.fitted(curves)
        if keep_place:
            low, high = min(before.low, fitted.low), max(before.high, fitted.high)
            self._scale = replace(before, low=low, high=high)
        else:
            self._scale = replace(fitted, from_s=0.0, to_s=self._length_s)
            self._select(None)
        self.update()

    def set_position(self, position_s: float) -> None:
        """The playing position; the view follows it."""
        self._position_s = position_s
        inside = self._scale.from_s <= position_s <= self._scale.to_s
        if inside or self._span_s >= self._length_s:
            self.update()
        elif not self._drag:
            self._show_from(position_s - 0.1 * self._span_s)

    @property
    def has_curves(self) -> bool:
        """Whether there are curves, not words."""
        return self._curves is not None

    @property
    def selection(self) -> tuple[int, int] | None:
        """Selected frames ``[start, stop)``."""
        return self._selection

    @property
    def shown_s(self) -> tuple[float, float]:
        """The seconds that are visible."""
        return self._scale.from_s, self._scale.to_s

    def select(self, start: int, stop: int) -> None:
        """Select frames ``[start, stop)``."""
        self._select((start, stop))

    def show_seconds(self, shown_s: Stretch) -> None:
        """Show this part, as far as there is one."""
        if self._length_s > 0 and shown_s != self.shown_s:
            span_s = min(shown_s[1] - shown_s[0], self._length_s)
            first_s = min(max(shown_s[0], 0.0), self._length_s - span_s)
            self._scale = replace(self._scale, from_s=first_s, to_s=first_s + span_s)
            self.update()

    def zoom(self, factor: float, around_s: float | None = None) -> None:
        """Show ``1 / factor`` of what is shown, around a position."""
        middle_s = (self._scale.from_s + self._scale.to_s) / 2 if around_s is None else around_s
        share = (middle_s - self._scale.from_s) / max(self._span_s, 1e-9)
        shortest_s = min(_SHORTEST_SHOWN_S, self._length_s)
        span_s = min(max(self._span_s / factor, shortest_s), self._length_s)
        self._scale = replace(self._scale, from_s=0.0, to_s=span_s)
        self._show_from(middle_s - share * span_s)

    # --- painting ------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The curves, kept as a picture until they change, and the playing position."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.Text)
        frame = self._frame_rect()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.faded(text, 0.05))
        painter.drawRoundedRect(frame, 6, 6)
        if self._curves is None:
            painter.setPen(style.secondary_text(QApplication.palette()))
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self._message)
        else:
            painter.drawPixmap(0, 0, self._picture_of(self._curves))
            x = self._scale.x(self._position_s)
            if self._scale.room.left() <= x <= self._scale.room.right():
                painter.fillRect(QRectF(x - 0.75, 3, 1.5, self.height() - 6), text)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(style.accent(palette))
            painter.drawRoundedRect(frame, 6, 6)

    def _frame_rect(self) -> QRectF:
        """Keyboard and curves."""
        left = self._scale.left - KEYS_WIDTH
        return QRectF(self.rect()).adjusted(left + 1, 1, -1, -1)

    def _picture_of(self, curves: Curves) -> QPixmap:
        ratio, palette = self.devicePixelRatioF(), self.palette()
        self._scale = replace(self._scale, width=self.width(), height=self.height())
        shown = self._selection, self._drag_octaves, self._scale, palette.cacheKey(), ratio, curves
        if self._picture is not None and self._picture[0] == shown:
            return self._picture[1]
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QPainterPath()
        frame.addRoundedRect(self._frame_rect(), 6, 6)
        painter.setClipPath(frame)
        drawing = PitchDrawing(painter, palette, self._scale)
        drawing.grid()
        if self._selection is not None:
            drawing.selection(*self._selection)
        drawing.curves(curves)
        if self._drag_octaves and self._selection is not None:
            start, stop = self._selection
            moved_hz = curves.source_hz[start:stop] * np.float32(2.0**self._drag_octaves)
            ghost = Trace(moved_hz, start=start)
            drawing.line(ghost, style.good(palette), shape=Qt.PenStyle.DotLine)
        drawing.strip(curves)
        drawing.keys(self.font())
        drawing.legend(self._legend, style.small_font(self))
        painter.end()
        self._picture = shown, picture
        return picture

    # --- mouse and keyboard --------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a drag or a click."""
        if event.button() == Qt.MouseButton.LeftButton and self._curves is not None:
            self._pressed, self._drag, self._drag_octaves = event.position(), "", 0

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Sideways selects; up and down in a selection moves it by octaves."""
        here = event.position()
        if self._curves is not None:
            inside = self._scale.room.contains(here)
            self.pointed.emit(
                self._scale.seconds(here.x()), hz_of(self._scale.midi(here.y())) if inside else 0.0
            )
        if self._pressed is None:
            return
        away = here - self._pressed
        if not self._drag and max(abs(away.x()), abs(away.y())) >= _DRAG_PIXELS:
            upwards = abs(away.y()) > abs(away.x()) and self._is_selected(self._pressed.x())
            self._drag = "octave" if upwards else "select"
        if self._drag == "select":
            frames = sorted(self._scale.frame(x) for x in (self._pressed.x(), here.x()))
            self._select((frames[0], frames[1] + 1))
        elif self._drag == "octave":
            self._drag_octaves = round(-away.y() / self._scale.semitone / 12)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """End a drag; a click seeks."""
        pressed, drag, octaves = self._pressed, self._drag, self._drag_octaves
        self._pressed, self._drag, self._drag_octaves = None, "", 0
        if pressed is None:
            return
        if drag == "octave" and octaves:
            self.transposed.emit(octaves)
        elif not drag:
            self._select(None)
            self.sought.emit(self._scale.seconds(event.position().x()))
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """With Control (⌘) zoom, else scroll through time."""
        if self._curves is None:
            event.ignore()
            return
        across, up = event.angleDelta().x(), event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(2.0 ** (up / 240), self._scale.seconds(event.position().x()))
        elif across or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._show_from(
                self._scale.from_s - (across or up) / 1200 * (self._scale.to_s - self._scale.from_s)
            )
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Its keys come before those of the menus, which undo and delete rows of the queue."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            standard = QKeySequence.StandardKey
            keys = (standard.Undo, standard.Redo, standard.SelectAll)
            deletes = event.key() in _DELETE and self._selection is not None
            if deletes or any(map(event.matches, keys)):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Up and Down move the selection by octaves, Delete makes it unvoiced."""
        key = event.key()
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo_wanted.emit()
        elif event.matches(QKeySequence.StandardKey.Redo):
            self.redo_wanted.emit()
        elif event.matches(QKeySequence.StandardKey.SelectAll) and self._curves is not None:
            self._select((0, len(self._curves.source_hz)))
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._selection is not None:
            self.transposed.emit(1 if key == Qt.Key.Key_Up else -1)
        elif key in _DELETE and self._selection is not None:
            self.silenced.emit()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._curves is not None:
            self._move_by_key(event)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom(0.5 if key == Qt.Key.Key_Minus else 2.0, self._position_s)
        elif key == Qt.Key.Key_Escape and self._selection is not None:
            self._select(None)
        else:
            super().keyPressEvent(event)

    def _move_by_key(self, event: QKeyEvent) -> None:
        """Seek; with Shift, stretch the selection from the playing position."""
        step_s = self._span_s / 50
        step_s = step_s if event.key() == Qt.Key.Key_Right else -step_s
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.sought.emit(min(max(self._position_s + step_s, 0.0), self._length_s))
            return
        start = round(self._position_s * FRAMES_PER_SECOND)
        start, stop = self._selection or (start, start)
        moved = stop + round(step_s * FRAMES_PER_SECOND)
        self._select((start, max(moved, start + 1)))

    # --- geometry ------------------------------------------------------------------------------

    def _select(self, selection: tuple[int, int] | None) -> None:
        if selection is not None and self._curves is not None:
            n = len(self._curves.source_hz)
            start, stop = (min(max(frame, 0), n) for frame in selection)
            selection = (start, stop) if start < stop else None
        if selection != self._selection:
            self._selection = selection
            self.selected.emit()
            self.update()

    @property
    def _span_s(self) -> float:
        return self._scale.to_s - self._scale.from_s

    def _is_selected(self, x: float) -> bool:
        found = self._selection
        return found is not None and found[0] <= self._scale.frame(x) < found[1]

    def _show_from(self, from_s: float) -> None:
        span_s = self._span_s
        first_s = min(max(from_s, 0.0), max(self._length_s - span_s, 0.0))
        self._scale = replace(self._scale, from_s=first_s, to_s=first_s + span_s)
        self.update()
        self.scrolled.emit(self.shown_s)
