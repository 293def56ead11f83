"""The small controls below the lanes: zoom and volume."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from desktop.icons import symbol
from desktop.listen.time_axis import TimeAxis
from desktop.settings.store import Settings

_VOLUME = "listen.volume"
"""Remembered: 0..100."""
_ICON_POINTS = 16
_ZOOM = 2.0


class SoundControls(QWidget):
    """Zooms the axis; the volume is remembered.

    Signals
    -------
    volume_changed : the user moved the slider
    """

    volume_changed = Signal()

    def __init__(self, axis: TimeAxis, settings: Settings) -> None:
        super().__init__()
        self._axis, self._settings = axis, settings
        self.position_s = 0.0
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

    @Slot()
    def zoom_in(self) -> None:
        """Show half as much, around the playing position."""
        self._axis.zoom(_ZOOM, self.position_s)

    @Slot()
    def zoom_out(self) -> None:
        """Show twice as much."""
        self._axis.zoom(1 / _ZOOM, self.position_s)

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
        self._in.setEnabled(self._axis.length_s > 0)
        self._out.setEnabled(self._axis.is_zoomed)
