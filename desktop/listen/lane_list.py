"""The lanes below each other: a button with a name, a waveform, and how it is played."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QScrollBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop.listen.lane import Lane
from desktop.listen.level_label import LevelLabel, level_text
from desktop.listen.mix_levels import MixLevels
from desktop.listen.mix_strip import MixStrip
from desktop.listen.side_button import SideButton
from desktop.listen.stretch import Stretch
from desktop.listen.time_axis import TimeAxis
from desktop.listen.waveform_view import LANE_HEIGHT, LANE_MARGIN, LOW_LANE_HEIGHT, WaveformView
from desktop.style import plain_tip
from engine.cover.options import Part

_GAP = 4
_FEW = 2
"""So many lanes are high ones."""
_MOST_AT_ONCE = 8
"""More are reached by scrolling."""
_JUST_MATCHED_DB = 0.05
_TICKS_PER_S = 1000


class LaneRow:
    """The widgets of one lane."""

    def __init__(self, axis: TimeAxis) -> None:
        self.button = SideButton("")
        self.view = WaveformView(axis)
        self.strip: MixStrip | None = None
        self.level = LevelLabel()

    def show_lane(self, lane: Lane, height: int) -> None:
        """Show another lane, or the same with another name."""
        self.button.setText(lane.name)
        self.button.setToolTip(plain_tip(lane.tip))
        self.view.set_height(height)
        self.view.setAccessibleName(lane.description)

    def show_gain(self, gain_db: float) -> None:
        """Show by how much it is played softer or louder than it is."""
        shown = abs(gain_db) >= _JUST_MATCHED_DB
        self.level.setText(level_text(gain_db) if shown else "")
        tip = QCoreApplication.translate("LaneRow", "Played at this level, to match the others")
        self.level.setToolTip(tip if shown else "")

    def discard(self) -> None:
        """Remove the widgets."""
        for widget in (self.button, self.view, self.level, self.strip):
            if widget is not None:
                widget.hide()
                widget.deleteLater()


class _Scroll(QScrollArea):
    """As high as what is in it, up to a limit."""

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The whole content, if it is not too high."""
        content = self.widget()
        height = content.sizeHint().height() if content is not None else 0
        most = _MOST_AT_ONCE * (LOW_LANE_HEIGHT + _GAP)
        return QSize(300, min(height, most))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Two high lanes, or two low ones and a part of the next."""
        content = self.widget()
        width = content.minimumSizeHint().width() if content is not None else 0
        return QSize(width, _FEW * LANE_HEIGHT + _GAP)


class LaneList(QWidget):
    """Shows lanes; what is heard is somebody else's affair.

    Signals
    -------
    chosen : (int) the button of a lane was pressed
    sought : (int, float) a lane was clicked at this second
    selected : (start and stop in seconds, or None) a stretch was dragged
    flip_requested : the user wants to hear the lane before
    step_wanted : (int) the user wants to hear the next lane: -1 is up, 1 is down
    levels_changed : (MixLevels) the user changed how a part is heard
    """

    levels_changed = Signal(object)
    chosen = Signal(int)
    sought = Signal(int, float)
    selected = Signal(object)
    flip_requested = Signal()
    step_wanted = Signal(int)

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__()
        self._axis = axis
        self.rows: list[LaneRow] = []
        self._levels: MixLevels | None = None
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.chosen)
        content = QWidget()
        self._grid = QGridLayout(content)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(_GAP)
        self._grid.setColumnStretch(1, 1)
        self._scroll = _Scroll()
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidgetResizable(True)
        self._scroll.setWidget(content)
        self._scroll.verticalScrollBar().rangeChanged.connect(self._on_room)
        for part in (content, self._scroll.viewport()):
            part.setAutoFillBackground(False)
        self._scroll.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self._time = QScrollBar(Qt.Orientation.Horizontal)
        self._time.setAccessibleName(self.tr("Shown part of the sound"))
        self._time.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the waveforms' keys move along
        self._time.valueChanged.connect(self._on_scrolled)
        self._time.hide()
        self._below = QHBoxLayout()
        self._below.addWidget(self._time)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._scroll)
        column.addLayout(self._below)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        axis.changed.connect(self._on_axis)

    def show_lanes(self, lanes: Sequence[Lane]) -> None:
        """Show these lanes, from top to bottom."""
        height = LANE_HEIGHT if len(lanes) <= _FEW else LOW_LANE_HEIGHT
        while len(self.rows) > len(lanes):
            row = self.rows.pop()
            self._group.removeButton(row.button)
            row.discard()
        while len(self.rows) < len(lanes):
            self._add_row()
        for number, (row, lane) in enumerate(zip(self.rows, lanes, strict=True)):
            row.show_lane(lane, height)
            self._show_strip(number, lane)
        width = max(row.button.sizeHint().width() for row in self.rows)
        for row in self.rows:
            row.button.setFixedWidth(width)
        self._scroll.updateGeometry()

    def show_levels(self, levels: MixLevels) -> None:
        """Show how the parts of a cover are heard."""
        self._levels = levels
        for row in self.rows:
            if row.strip is not None:
                row.strip.show_levels(levels)

    def show_gains(self, gains_db: Sequence[float]) -> None:
        """Show by how much each lane is played softer or louder than it is."""
        for row, gain_db in zip(self.rows, gains_db, strict=True):
            row.show_gain(gain_db)
        needed = any(row.level.text() or row.strip is not None for row in self.rows)
        for row in self.rows:
            row.level.setVisible(needed and row.strip is None)

    def show_heard(
        self, heard: int, *, playable: Sequence[bool], mixed: Collection[Part] = ()
    ) -> None:
        """Mark the lane that is heard, those that can be, and the parts that are heard in it."""
        for number, row in enumerate(self.rows):
            able = playable[number]
            is_mixed = row.strip is not None and row.strip.part in mixed
            row.button.setEnabled(able)
            row.button.setChecked(number == heard and able)
            row.button.set_reached_by_tab(reached=number == heard)
            row.view.set_active(active=number == heard or is_mixed)
            row.view.setEnabled(able)

    def scroll_to(self, number: int) -> None:
        """Bring a lane into sight."""
        self._scroll.ensureWidgetVisible(self.rows[number].view, 0, _GAP)

    def set_stretch(self, stretch: Stretch | None) -> None:
        """Mark a stretch in all lanes."""
        for row in self.rows:
            row.view.set_stretch(stretch)

    def set_position(self, position_s: float) -> None:
        """Show the playing position in all lanes."""
        self._axis.follow(position_s)
        for row in self.rows:
            row.view.set_position(position_s)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the scroll bar below the waveforms."""
        super().resizeEvent(event)
        self.align()

    def align(self) -> None:
        """Keep the scroll bar below the waveforms."""
        if self.rows:
            self._grid.activate()
            left = round(self.time_left - LANE_MARGIN)
            self._below.setContentsMargins(left, 0, self.right_gap, 0)

    @property
    def time_left(self) -> float:
        """Where time begins, from the left of this widget: what is below it aligns with that."""
        view = self.rows[0].view
        return view.mapTo(self, view.rect().topLeft()).x() + LANE_MARGIN

    @property
    def right_gap(self) -> int:
        """How far the waveforms end from the right of this widget: levels stand there."""
        view = self.rows[0].view
        return self.width() - view.mapTo(self, view.rect().topRight()).x() - 1

    def _add_row(self) -> None:
        row, number = LaneRow(self._axis), len(self.rows)
        row.button.setCheckable(True)
        row.button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self._group.addButton(row.button, number)
        row.view.sought.connect(lambda second: self.sought.emit(number, second))
        row.view.selected.connect(self.selected)
        row.view.flip_requested.connect(self.flip_requested)
        row.view.step_wanted.connect(self.step_wanted)
        self._grid.addWidget(row.button, number, 0)
        self._grid.addWidget(row.view, number, 1)
        self._grid.addWidget(row.level, number, 2, Qt.AlignmentFlag.AlignRight)
        self.rows.append(row)

    def _show_strip(self, number: int, lane: Lane) -> None:
        """The strip of a part; none in other lanes."""
        row = self.rows[number]
        if row.strip is not None and row.strip.part == lane.part:
            return
        if row.strip is not None:
            row.strip.hide()
            row.strip.deleteLater()
            row.strip = None
        if lane.part is not None:
            row.strip = strip = MixStrip(lane.part, lane.name)
            strip.changed.connect(lambda: self._take_strip(strip))
            self._grid.addWidget(strip, number, 2)

    def _take_strip(self, strip: MixStrip) -> None:
        if self._levels is not None:
            self.levels_changed.emit(strip.taken(self._levels))

    def _on_room(self, _low: int, high: int) -> None:
        """Keep figures away from the scroll bar."""
        self._grid.setContentsMargins(0, 0, _GAP if high else 0, 0)

    def _on_axis(self) -> None:
        axis = self._axis
        with QSignalBlocker(self._time):
            self._time.setPageStep(round(axis.span_s * _TICKS_PER_S))
            self._time.setSingleStep(round(axis.span_s * _TICKS_PER_S / 10))
            self._time.setRange(0, round((axis.length_s - axis.span_s) * _TICKS_PER_S))
            self._time.setValue(round(axis.start_s * _TICKS_PER_S))
        self._time.setVisible(axis.is_zoomed)

    def _on_scrolled(self, value: int) -> None:
        self._axis.show_from(value / _TICKS_PER_S)
