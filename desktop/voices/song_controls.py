"""What the next file is, a voice or a song, and the settings of a cover."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from desktop import style
from desktop.editors import ChoiceEditor
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.voices.draft import SONG, VOCALS, VOICE, Draft, FileKind
from desktop.voices.option_controls import OptionControls, OptionRow
from desktop.voices.voice_list import VoiceList
from engine.cover.options import COVER_OPTIONS, CoverOptions

_MIX = "song_controls.mix"
"""Remembered: whether the section "Mix" is open."""

_CHOSEN_ABOVE = "source_kind"


class SongControls(QWidget):
    """Edits the `Draft`; the settings of a cover are shown for songs only."""

    def __init__(self, draft: Draft, voices: VoiceList, settings: Settings) -> None:
        super().__init__()
        self._draft = draft
        self._voices = voices
        self._helps: dict[FileKind, str] = {
            VOICE: self.tr("Only a voice is heard in it."),
            SONG: self.tr("Its voice is taken out, converted and mixed back."),
            VOCALS: self.tr("They are mixed with an instrumental of your own."),
        }
        self._kind = ChoiceEditor(
            [
                (VOICE, self.tr("A voice")),
                (SONG, self.tr("A whole song")),
                (VOCALS, self.tr("Vocals of a song")),
            ]
        )
        self._kind.edited.connect(draft.set_file_kind)
        self._kind.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._kind.box.setMinimumContentsLength(12)
        title = self.tr("The file is")
        label = style.PlainLabel(title)
        label.setBuddy(self._kind.control)
        self._help = style.SecondaryLabel("")
        self._kind.describe(title, "")
        rows = [each for each in COVER_OPTIONS if each.name != _CHOSEN_ABOVE]
        self._controls = OptionControls(each for each in rows if not each.more)
        self._mix_controls = OptionControls(each for each in rows if each.more)
        for controls in (self._controls, self._mix_controls):
            controls.changed.connect(self._change)
        self._mix = SectionButton(self.tr("Mix"), settings, _MIX)
        self._mix.toggled.connect(self._show_mix)
        self._controls.insert_after("backing", self._make_backing_voice())
        head = QHBoxLayout()
        head.addWidget(label, 1)
        head.addWidget(self._kind)
        kind = QVBoxLayout()
        kind.setSpacing(2)
        kind.addLayout(head)
        kind.addWidget(self._help)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addLayout(kind)
        for widget in (self._controls, self._mix, self._mix_controls):
            column.addWidget(widget)
        draft.changed.connect(self.refresh)
        voices.changed.connect(self._fill_backing_voice)
        self._fill_backing_voice()

    @property
    def kind(self) -> QComboBox:
        """What the next file is."""
        return self._kind.box

    @property
    def backing_voice(self) -> QComboBox:
        """Who sings converted backing voices; the first item is the same voice."""
        return self._backing

    @property
    def mix(self) -> QToolButton:
        """Opens and closes the section "Mix"."""
        return self._mix

    @property
    def rows(self) -> dict[str, OptionRow]:
        """The controls of a cover by the option they change."""
        return {**self._controls.rows, **self._mix_controls.rows}

    @Slot()
    def refresh(self) -> None:
        """Show what the draft holds."""
        kind, song = self._draft.file_kind, self._draft.song
        self._kind.show_value(kind)
        self._help.setText(self._helps[kind])
        for controls in (self._controls, self._mix_controls):
            controls.show_options(song, CoverOptions())
        self.rows["quality"].setVisible(kind == SONG)
        converts = song.backing == "convert"
        self.rows["backing_semitones"].setVisible(converts)
        self._backing_row.setVisible(converts)
        chosen = self._draft.chosen_backing_voice
        self._backing.setCurrentIndex(0 if chosen is None else self._backing.findData(chosen.key))
        self._controls.setVisible(kind != VOICE)
        self._mix.setVisible(kind != VOICE)
        self._show_mix(self._mix.isChecked())

    def _make_backing_voice(self) -> QWidget:
        """Below the choice of what happens to backing voices."""
        self._backing_row = QWidget()
        self._backing = QComboBox()
        fitting = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self._backing.setSizeAdjustPolicy(fitting)
        self._backing.setMinimumContentsLength(10)
        self._backing.activated.connect(self._choose_backing_voice)
        title = self.tr("Sung by")
        label = style.PlainLabel(title)
        label.setBuddy(self._backing)
        help_text = self.tr("The voice of the converted backing voices.")
        self._backing.setAccessibleName(title)
        self._backing.setAccessibleDescription(help_text)
        head = QHBoxLayout()
        head.addWidget(label, 1)
        head.addWidget(self._backing)
        column = QVBoxLayout(self._backing_row)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addWidget(style.SecondaryLabel(help_text))
        return self._backing_row

    @Slot()
    def _fill_backing_voice(self) -> None:
        self._backing.clear()
        self._backing.addItem(self.tr("The same voice"), None)
        for voice in self._voices.voices():
            self._backing.addItem(voice.name, voice.key)
        self.refresh()

    @Slot(int)
    def _choose_backing_voice(self, row: int) -> None:
        self._draft.set_backing_voice(self._voices.find(self._backing.itemData(row)))

    @Slot(bool)
    def _show_mix(self, shown: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        self._mix_controls.setVisible(shown and self._draft.file_kind != VOICE)

    @Slot(str, object)
    def _change(self, name: str, value: Any) -> None:
        self._draft.set_song(self._draft.song.with_values({name: value}))
