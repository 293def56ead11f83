"""The controls of one part of a cover: mute, solo, level."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from desktop.listen.level_label import LevelLabel, level_text
from desktop.listen.mix_levels import MixLevels
from desktop.listen.side_button import SideButton
from engine.cover.options import MUTED_DB, Part

_STEPS_PER_DB = 2
_MOST_DB = 12.0
_SLIDER_WIDTH = 76
_BUTTON_WIDTH = 26


class MixStrip(QWidget):
    """Changes the levels of one part.

    Signals
    -------
    changed : the user changed something; see `taken`
    """

    changed = Signal()

    def __init__(self, part: Part, name: str) -> None:
        super().__init__()
        self.part = part
        self._levels = MixLevels({part: 0.0})
        self.mute = self._button(self.tr("M"), self.tr("Mute {part}").format(part=name))
        self.solo = self._button(self.tr("S"), self.tr("Hear only {part}").format(part=name))
        self.level = QSlider(Qt.Orientation.Horizontal)
        self.level.setRange(round(MUTED_DB * _STEPS_PER_DB), round(_MOST_DB * _STEPS_PER_DB))
        self.level.setPageStep(3 * _STEPS_PER_DB)
        self.level.setFixedWidth(_SLIDER_WIDTH)
        self.level.setAccessibleName(self.tr("Level of {part}").format(part=name))
        self._figure = LevelLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for widget in (self.mute, self.solo, self.level, self._figure):
            row.addWidget(widget)
        self.mute.clicked.connect(self._take)
        self.solo.clicked.connect(self._take)
        self.level.valueChanged.connect(self._take)

    def show_levels(self, levels: MixLevels) -> None:
        """Show how the part is heard."""
        self._levels = levels
        level_db = levels.levels_db[self.part]
        with QSignalBlocker(self.level):
            self.level.setValue(round(level_db * _STEPS_PER_DB))
        self.mute.setChecked(self.part in levels.muted)
        self.solo.setChecked(self.part in levels.soloed)
        silent = levels.is_silent(self.part)
        self._figure.setText(self.tr("silent") if silent else level_text(level_db))

    def taken(self, levels: MixLevels) -> MixLevels:
        """The levels of all parts with what is set here."""
        level_db = self.level.value() / _STEPS_PER_DB
        levels = levels.with_level(self.part, level_db)
        levels = levels.with_muted(self.part, muted=self.mute.isChecked())
        return levels.with_soloed(self.part, soloed=self.solo.isChecked())

    @Slot()
    def _take(self) -> None:
        self.changed.emit()

    def _button(self, letter: str, name: str) -> SideButton:
        button = SideButton(letter, plays_by_space=False)
        button.setFixedWidth(_BUTTON_WIDTH)
        button.setAccessibleName(name)
        button.setToolTip(name)
        return button
