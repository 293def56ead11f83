"""The side panel: the voice and the settings that the next file will get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QCompleter,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.voices.draft import Draft
from desktop.voices.option_controls import OptionControls, OptionRow
from desktop.voices.preset_menu import PresetMenu
from desktop.voices.presets import Presets
from desktop.voices.song_controls import SongControls
from desktop.voices.voice_list import VoiceList
from engine.errors import OptionError
from engine.options import PITCH, ConversionOptions, all_options, voice_options

WIDTH = 276
_SEARCH_FROM = 9
"""With that many voices the picker can be typed into."""

_STEPS = 1000

_NEEDS_PITCH = ("semitones", "protect", "autotune", "f0_file", "voice_pitch_hz")
"""Without effect with a voice that does not follow the pitch."""

_CHANGED_MOST = "semitones"
"""The key stands directly below the voice: a singer tries several of them."""

_MORE = "voice_panel.more"
"""Remembered: whether the section "More" is open."""


class VoicePanel(QWidget):
    """Edits the `Draft`; the controls are generated from the option table.

    Attributes
    ----------
    songs : what the file is, and the settings of covers
    presets : named settings
    """

    add_wanted = Signal()

    def __init__(self, draft: Draft, voices: VoiceList, settings: Settings) -> None:
        super().__init__()
        self._draft = draft
        self._voices = voices
        self._picker = QComboBox()
        self._picker.setAccessibleName(self.tr("Voice"))
        self._picker.setMinimumContentsLength(10)
        self._picker.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._picker.activated.connect(self._on_picked)
        self._add = QPushButton(self.tr("Add Voice…"))
        self._add.clicked.connect(lambda: self.add_wanted.emit())
        self._progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self._progress.setAccessibleName(self.tr("Progress"))
        voices.progressed.connect(self._show_progress)
        self._reset = QPushButton(self.tr("Reset"))
        self._reset.setToolTip(self.tr("Back to the usual settings for this voice"))
        self._reset.clicked.connect(draft.reset)
        self._make_default = QPushButton(self.tr("Make Default"))
        self._make_default.setToolTip(self.tr("This voice starts with these settings from now on"))
        self._make_default.clicked.connect(draft.make_usual)
        self.songs = SongControls(draft, voices, settings)
        self.presets = PresetMenu(draft, Presets(settings, self))
        shown = [each for each in all_options() if each.in_app]
        self._key = OptionControls(each for each in shown if each.name == _CHANGED_MOST)
        usual = (each for each in shown if not each.more and each.name != _CHANGED_MOST)
        self._controls = OptionControls(usual)
        self._more_controls = OptionControls(each for each in shown if each.more)
        for controls in self._all_controls:
            controls.changed.connect(lambda name, value: self._change({name: value}))
        self._more = SectionButton(self.tr("More"), settings, _MORE)
        self._more.toggled.connect(self._more_controls.setVisible)
        self._more_controls.setVisible(self._more.isChecked())
        self._lay_out()
        draft.changed.connect(self.refresh)
        voices.changed.connect(self._fill_picker)
        self._fill_picker()

    @property
    def picker(self) -> QComboBox:
        """The choice of voices."""
        return self._picker

    @property
    def more(self) -> QToolButton:
        """Opens and closes the section "More"."""
        return self._more

    @property
    def rows(self) -> dict[str, OptionRow]:
        """The controls by the option they change."""
        return {name: row for each in self._all_controls for name, row in each.rows.items()}

    @property
    def _all_controls(self) -> tuple[OptionControls, ...]:
        """Those of the key, the usual ones, and those of the section "More"."""
        return self._key, self._controls, self._more_controls

    def add_below_key(self, widget: QWidget) -> None:
        """Put a widget under the control of the key."""
        self._key.insert_after(_CHANGED_MOST, widget)

    def refresh(self) -> None:
        """Show what the draft holds."""
        options, usual = self._draft.options, self._draft.usual
        for controls in self._all_controls:
            controls.show_options(options, usual)
        self._reset.setEnabled(options != usual)
        own = options.changes(usual).keys() & {each.name for each in voice_options()}
        self._make_default.setEnabled(bool(own) and not self._draft.voice.built_in)
        self._enable(options)
        self._picker.setCurrentIndex(self._picker.findData(self._draft.voice.key))

    def _enable(self, options: ConversionOptions) -> None:
        """Only what has an effect with this voice and these settings."""
        voice = self._draft.voice
        has_pitch = self._voices.has_pitch(voice.key)
        tracked = has_pitch and options.f0_file is None
        for name, row in self.rows.items():
            if row.option.affects == PITCH:  # settings of the pitch tracker
                row.setEnabled(tracked)
            elif name in _NEEDS_PITCH:
                row.setEnabled(has_pitch)
        self.rows["index_rate"].setEnabled(voice.index is not None)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Set off from the rest of the window by a shade and a hairline."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.sidebar(self.palette()))
        edge = self.rect().adjusted(self.width() - 1, 0, 0, 0)
        painter.fillRect(edge, style.hairline(self.palette()))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(style.MARGIN, style.MARGIN, style.MARGIN, 12)
        column.setSpacing(12)
        title = QHBoxLayout()
        title.addWidget(self._picker, 1)
        title.addWidget(self._add)
        column.addLayout(title)
        column.addWidget(self._progress)
        column.addWidget(self._key)
        column.addWidget(self.presets)
        column.addWidget(self.songs)
        column.addWidget(self._controls)
        column.addWidget(self._more)
        column.addWidget(self._more_controls)
        column.addStretch(1)
        foot = QHBoxLayout()
        foot.addWidget(self._make_default)
        foot.addStretch()
        foot.addWidget(self._reset)
        column.addLayout(foot)
        self.setBackgroundRole(QPalette.ColorRole.Window)

    def _fill_picker(self) -> None:
        self._picker.clear()
        found = self._voices.voices()
        for voice in found:
            self._picker.addItem(voice.name, voice.key)
        searchable = len(found) >= _SEARCH_FROM
        self._picker.setEditable(searchable)
        completer = self._picker.completer() if searchable else None
        if completer is not None:
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        busy = self._voices.is_installing
        self._add.setEnabled(not busy)
        self._add.setText(self.tr("Adding…") if busy else self.tr("Add Voice…"))
        if not busy or self._progress.isHidden():
            self._progress.setRange(0, 0)
        self._progress.setVisible(busy)
        self.refresh()

    @Slot(float)
    def _show_progress(self, share: float) -> None:
        self._progress.setRange(0, _STEPS)
        self._progress.setValue(round(_STEPS * share))

    def _on_picked(self, row: int) -> None:
        voice = self._voices.find(self._picker.itemData(row))
        if voice is not None:
            self._draft.set_voice(voice)

    def _change(self, values: Mapping[str, Any]) -> None:
        try:
            options = self._draft.options.with_values(values)
        except OptionError:  # e.g. the lowest pitch above the highest
            self.refresh()
            return
        self._draft.set_options(options)
