"""Sliders for the options that may differ from voice to voice."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from desktop import style
from desktop.queue.job_text import semitones_text
from engine.options import ConversionOptions


class _Slider(QSlider):
    """A slider that the wheel of a scrolled page does not move by accident."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Only when it has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class SliderRow(QWidget):
    """A number in steps; double-click on the label resets it.

    Parameters
    ----------
    low, high, step, usual : in the unit of the value
    show : the value as text
    """

    changed = Signal(float)
    explained = Signal(str)

    def __init__(
        self,
        label: str,
        explanation: str,
        limits: tuple[float, float, float],
        usual: float,
        show: Callable[[float], str],
    ) -> None:
        super().__init__()
        self._low, high, self._step = limits
        self._usual = usual
        self._show = show
        self._explanation = explanation
        self._label = QLabel(label)
        self._value = QLabel()
        self._value.setFont(style.figures_font(self._value.font()))
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._slider = _Slider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, round((high - self._low) / self._step))
        self._slider.setPageStep(max(1, self._slider.maximum() // 8))
        self._slider.setAccessibleName(label)
        self._slider.setAccessibleDescription(explanation)
        self._slider.setToolTip(explanation)
        self._label.setBuddy(self._slider)
        self._label.setToolTip(explanation)
        self._slider.valueChanged.connect(self._on_moved)
        for widget in (self._slider, self._label):
            widget.installEventFilter(self)
        head = QHBoxLayout()
        head.addWidget(self._label)
        head.addStretch()
        head.addWidget(self._value)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addLayout(head)
        column.addWidget(self._slider)
        self.set_value(usual)

    @property
    def slider(self) -> QSlider:
        """The control itself, e.g. for the order of the Tab key."""
        return self._slider

    def value(self) -> float:
        """What it shows."""
        return round(self._low + self._slider.value() * self._step, 6)

    def set_usual(self, value: float) -> None:
        """Reset to another value from now on."""
        self._usual = value

    def set_value(self, value: float) -> None:
        """Show another value, telling nobody."""
        with QSignalBlocker(self._slider):
            self._slider.setValue(round((value - self._low) / self._step))
        self._value.setText(self._show(self.value()))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Explain what the mouse or the keyboard is at."""
        if event.type() in (QEvent.Type.Enter, QEvent.Type.FocusIn):
            self.explained.emit(self._explanation)
        if event.type() == QEvent.Type.MouseButtonDblClick and watched is self._label:
            self.set_value(self._usual)
            self.changed.emit(self._usual)
        return super().eventFilter(watched, event)

    def _on_moved(self) -> None:
        self._value.setText(self._show(self.value()))
        self.changed.emit(self.value())


class VoiceSliders(QWidget):
    """Pitch, index strength, protection and loudness.

    Parameters
    ----------
    columns : how many stand beside each other

    Signals
    -------
    changed : (name, value)  the option that was moved
    explained : (text)  what the mouse or the keyboard is at
    """

    changed = Signal(str, float)
    explained = Signal(str)

    def __init__(self, columns: int = 1) -> None:
        super().__init__()
        self.rows = self._make_rows()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(11)
        grid.setHorizontalSpacing(24)
        for number, (name, row) in enumerate(self.rows.items()):
            row.changed.connect(lambda value, name=name: self.changed.emit(name, value))
            row.explained.connect(self.explained)
            grid.addWidget(row, number // columns, number % columns)
        for column in range(columns):
            grid.setColumnStretch(column, 1)

    def show_options(self, options: ConversionOptions, usual: ConversionOptions) -> None:
        """Show options; a double click on a label goes back to the usual ones."""
        for name, row in self.rows.items():
            row.set_usual(getattr(usual, name))
            row.set_value(getattr(options, name))

    def _make_rows(self) -> dict[str, SliderRow]:
        usual = ConversionOptions()
        percent = "{:.0%}".format
        return {
            "semitones": SliderRow(
                self.tr("Pitch"),
                self.tr("Semitones up or down; +12 is an octave, usual from a man to a woman."),
                (-24, 24, 1),
                usual.semitones,
                semitones_text,
            ),
            "index_rate": SliderRow(
                self.tr("Index strength"),
                self.tr("More makes the accent more like the voice; too much may slur."),
                (0, 1, 0.01),
                usual.index_rate,
                percent,
            ),
            "protect": SliderRow(
                self.tr("Protect consonants"),
                self.tr("Lower keeps more of the breath and consonants of the source."),
                (0, 0.5, 0.01),
                usual.protect,
                "{:.2f}".format,
            ),
            "volume_envelope": SliderRow(
                self.tr("Loudness"),
                self.tr("0 % follows the loudness of the source, 100 % is the voice's own."),
                (0, 1, 0.01),
                usual.volume_envelope,
                percent,
            ),
        }
