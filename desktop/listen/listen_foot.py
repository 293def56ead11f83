"""What is below the lanes: the time, a sentence, zoom and volume."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from desktop.icons import symbol
from desktop.listen.stretch import Stretch
from desktop.listen.time_axis import TimeAxis
from desktop.settings.store import Settings
from desktop.style import SecondaryLabel, figures_font, small_font
from desktop.widgets import ElidedLabel

_VOLUME = "listen.volume"
"""Remembered: 0..100."""
_ICON_POINTS = 16
_ZOOM = 2.0
_VOLUME_STEP = 10


_HOUR_S = 3600


def position_text(seconds: float, longest_s: float) -> str:
    """``1:02.3``, or ``1:02:03`` where the longest is an hour or more, so that its width stays."""
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if longest_s < _HOUR_S:
        return f"{minutes}:{rest // 10:02d}.{rest % 10}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}"


class ListenFoot(QWidget):
    """Zooms the axis; the volume is remembered.

    Parameters
    ----------
    sections : buttons that open and close what is shown beside the lanes

    Attributes
    ----------
    volume : the slider

    Signals
    -------
    volume_changed : the user moved the slider
    """

    volume_changed = Signal()

    def __init__(self, axis: TimeAxis, settings: Settings, sections: Sequence[QWidget]) -> None:
        super().__init__()
        self._axis, self._settings = axis, settings
        self._position_s = 0.0
        self._time, self._note = SecondaryLabel(), ElidedLabel()
        self._time.setWordWrap(False)
        self._time.setFont(figures_font(self._time.font()))
        self._time.setAccessibleName(self.tr("Position and length"))
        self._note.setFont(small_font(self._note))
        self._out = self._button("zoom-out", self.tr("Zoom out"))
        self._in = self._button("zoom-in", self.tr("Zoom in"))
        self._out.clicked.connect(self.zoom_out)
        self._in.clicked.connect(self.zoom_in)
        self.volume = QSlider(Qt.Orientation.Horizontal)
        self.volume.setRange(0, 100)
        kept = settings.memory(_VOLUME)
        self.volume.setValue(kept if isinstance(kept, int) else 100)
        self.volume.setFixedWidth(70)
        self.volume.setAccessibleName(self.tr("Volume"))
        self.volume.setToolTip(self.tr("Volume of the player; files stay as they are"))
        self.volume.valueChanged.connect(self._on_volume)
        speaker = QLabel()
        speaker.setPixmap(symbol("volume").pixmap(QSize(_ICON_POINTS, _ICON_POINTS)))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for each in sections:
            row.addWidget(each)
            row.addSpacing(4)
        row.addWidget(self._time)
        row.addSpacing(6)
        row.addWidget(self._note, 1)
        row.addWidget(self._out)
        row.addWidget(self._in)
        row.addSpacing(6)
        row.addWidget(speaker)
        row.addWidget(self.volume)
        axis.changed.connect(self._show_axis)
        self._show_axis()

    @property
    def factor(self) -> float:
        """Factor 0..1 of the volume, which the ear takes for even steps."""
        return (self.volume.value() / 100) ** 2

    @property
    def note(self) -> str:
        """What is said."""
        return self._note.text()

    @property
    def time(self) -> str:
        """The position and the length as they are shown."""
        return self._time.text()

    def show_time(self, position_s: float, *, known: bool) -> None:
        """Show the playing position; nothing while no length is known."""
        self._position_s = position_s
        length_s = self._axis.length_s
        both = (position_text(seconds, length_s) for seconds in (position_s, length_s))
        self._time.setText(" / ".join(both) if known and length_s > 0 else "")

    @Slot(str)
    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self._note.set_text(sentence)

    def say_stretch(self, text: str, stretch: Stretch) -> None:
        """Show a sentence with the ``{start}`` and ``{stop}`` of a stretch."""
        start, stop = (position_text(each, self._axis.length_s) for each in stretch)
        self.say(text.format(start=start, stop=stop))

    def change_volume(self, steps: int) -> None:
        """Play louder, or softer (negative)."""
        self.volume.setValue(self.volume.value() + steps * _VOLUME_STEP)

    def can_change_volume(self, steps: int) -> bool:
        """Whether it can be louder, or softer."""
        return self.volume.value() != (self.volume.maximum() if steps > 0 else 0)

    @Slot()
    def zoom_in(self) -> None:
        """Show half as much, around the playing position."""
        self._axis.zoom(_ZOOM, self._position_s)

    @Slot()
    def zoom_out(self) -> None:
        """Show twice as much."""
        self._axis.zoom(1 / _ZOOM, self._position_s)

    @Slot()
    def _on_volume(self) -> None:
        self._settings.remember(_VOLUME, self.volume.value())
        self.volume_changed.emit()

    def _button(self, icon: str, name: str) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setIcon(symbol(icon))
        button.setIconSize(QSize(_ICON_POINTS, _ICON_POINTS))
        button.setAccessibleName(name)
        button.setToolTip(name)
        return button

    @Slot()
    def _show_axis(self) -> None:
        self._in.setEnabled(self._axis.can_zoom_in)
        self._out.setEnabled(self._axis.is_zoomed)
