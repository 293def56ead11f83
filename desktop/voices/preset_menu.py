"""The choice of presets in the side panel."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from desktop import style
from desktop.problems import sentence_for
from desktop.voices.draft import Draft
from desktop.voices.presets import SUFFIX, Presets
from desktop.widgets import Ask, ask_user
from engine.errors import UserError

_LONGEST = 150
"""Points of a name in the button."""


class PresetMenu(QWidget):
    """A button with a menu that is rebuilt each time it opens.

    Parameters
    ----------
    ask : asks before a preset is replaced or deleted; replaced in tests

    Signals
    -------
    refused : (sentence) why a file was not imported or exported
    """

    refused = Signal(str)

    def __init__(self, draft: Draft, presets: Presets, ask: Ask = ask_user) -> None:
        super().__init__()
        self._draft = draft
        self._presets = presets
        self._ask = ask
        self.button = QPushButton()
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self.rebuild)
        self.button.setMenu(self.menu)
        label = style.PlainLabel(self.tr("Preset"))
        label.setBuddy(self.button)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label, 1)
        row.addWidget(self.button)
        draft.changed.connect(self.refresh)
        presets.changed.connect(self.refresh)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the chosen preset, and whether the settings were changed since."""
        name = self._presets.chosen
        text = name or self.tr("None")
        if name and not self._matches(name):
            text = self.tr("{preset} (changed)").format(preset=name)
        elided = self.button.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, _LONGEST)
        self.button.setText(style.menu_text(elided))
        self.button.setToolTip(style.plain_tip(text))
        self.button.setAccessibleName(self.tr("Preset: {name}").format(name=text))

    @Slot()
    def rebuild(self) -> None:
        """Build the menu from the presets there are."""
        self.menu.clear()
        chosen = self._presets.chosen
        for name in self._presets.names():
            action = self.menu.addAction(style.menu_text(name), partial(self.apply, name))
            action.setCheckable(True)
            action.setChecked(name == chosen and self._matches(name))
        self.menu.addSeparator()
        self.menu.addAction(self.tr("Save as Preset…"), self._ask_for_name)
        self.menu.addAction(self.tr("Import…"), self._import)
        if chosen:
            shown = style.menu_text(chosen)
            self.menu.addSeparator()
            export = self.tr("Export “{name}”…").format(name=shown)
            self.menu.addAction(export, partial(self._export, chosen))
            delete = self.tr("Delete “{name}”…").format(name=shown)
            self.menu.addAction(delete, partial(self._delete, chosen))

    def apply(self, name: str) -> None:
        """Use the settings of a preset."""
        self._presets.choose(name)
        self._draft.set_options(self._presets.applied(name, self._draft.options))
        self._draft.set_song(self._presets.applied_to_song(name, self._draft.song))

    def _matches(self, name: str) -> bool:
        """Whether the settings that are shown are those of a preset."""
        song = None if self._draft.cover is None else self._draft.song
        return self._presets.matches(name, self._draft.options, song)

    def save(self, name: str) -> None:
        """Save the present settings under a name; asks before it replaces another preset."""
        name = name.strip()
        question = self.tr("Replace the preset “{name}”?").format(name=name)
        if name in self._presets.names() and not self._ask(
            self, question, self.tr("Its settings are lost."), self.tr("Replace")
        ):
            return
        if name:
            self._presets.save(name, self._draft.options, self._draft.song)

    def _ask_for_name(self) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(self.tr("Save as Preset"))
        dialog.setLabelText(self.tr("Name of the preset:"))
        dialog.setTextEchoMode(QLineEdit.EchoMode.Normal)
        dialog.setTextValue(self._presets.chosen)
        dialog.textValueSelected.connect(self.save)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _import(self) -> None:
        kinds = f"{self.tr('Presets')} (*{SUFFIX})"
        chosen, _ = QFileDialog.getOpenFileName(self, self.tr("Import Preset"), "", kinds)
        if chosen:
            self.import_file(Path(chosen))

    def import_file(self, path: Path) -> None:
        """Add the preset of a file and use it."""
        try:
            self.apply(self._presets.import_file(path))
        except UserError as error:
            self.refused.emit(sentence_for(error))

    def _export(self, name: str) -> None:
        title, kinds = self.tr("Export Preset"), f"{self.tr('Presets')} (*{SUFFIX})"
        usual = name.replace("/", "-") + SUFFIX
        chosen, _ = QFileDialog.getSaveFileName(self, title, usual, kinds)
        if not chosen:
            return
        path = Path(chosen)
        try:
            self._presets.export(name, path if path.suffix else path.with_name(path.name + SUFFIX))
        except UserError as error:
            self.refused.emit(sentence_for(error))

    def _delete(self, name: str) -> None:
        question = self.tr("Delete the preset “{name}”?").format(name=name)
        more = self.tr("The settings in the panel stay as they are.")
        if self._ask(self, question, more, self.tr("Delete")):
            self._presets.delete(name)
