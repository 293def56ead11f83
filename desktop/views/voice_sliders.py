"""The sliders of what may differ from voice to voice."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.jobs.cell_text import semitones_text
from desktop.views.slider_row import SliderRow
from engine.options import ConversionOptions


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
