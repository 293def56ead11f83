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
from engine.cover.options import COVER_OPTIONS, CoverOptions

_MIX = "song_controls.mix"
"""Remembered: whether the section "Mix" is open."""

_CHOSEN_ABOVE = "source_kind"


class SongControls(QWidget):
    """Edits the `Draft`; the settings of a cover are shown for songs only."""

    def __init__(self, draft: Draft, settings: Settings) -> None:
        super().__init__()
        self._draft = draft
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
        self.refresh()

    @property
    def kind(self) -> QComboBox:
        """What the next file is."""
        return self._kind.box

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
        self.rows["backing_semitones"].setVisible(song.backing == "convert")
        self._controls.setVisible(kind != VOICE)
        self._mix.setVisible(kind != VOICE)
        self._show_mix(self._mix.isChecked())

    @Slot(bool)
    def _show_mix(self, shown: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        self._mix_controls.setVisible(shown and self._draft.file_kind != VOICE)

    @Slot(str, object)
    def _change(self, name: str, value: Any) -> None:
        self._draft.set_song(self._draft.song.with_values({name: value}))
