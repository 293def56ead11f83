"""Dialogs that add voices."""

from __future__ import annotations

from PySide6.QtCore import QObject

from desktop.queue.drop_window import DropWindow
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR
from desktop.voices.draft import Draft
from desktop.voices.link_dialog import LinkDialog
from desktop.voices.voice_list import VoiceList
from engine.library.importing import ImportReport


class VoiceDialogs(QObject):
    """Creates its dialogs when they are first needed.

    Parameters
    ----------
    window : parent of the dialogs
    """

    def __init__(
        self, window: DropWindow, draft: Draft, voices: VoiceList, settings: Settings
    ) -> None:
        super().__init__(window)
        self._window = window
        self._draft = draft
        self._voices = voices
        self._settings = settings
        self.links: LinkDialog | None = None

    def ask_for_link(self, link: str = "") -> None:
        """Show the link dialog, with this link."""
        if self.links is None:
            self.links = LinkDialog(self._voices.library, self._mirror, self._window)
            self.links.imported.connect(self._on_imported)
        self.links.show()
        self.links.raise_()
        if link:
            self.links.ask(link)

    def close_tasks(self) -> None:
        """Stop downloads before the app quits; they can be continued."""
        if self.links is not None:
            self.links.task.close()

    def _mirror(self) -> str:
        return self._settings.value(MIRROR)

    def _on_imported(self, report: ImportReport) -> None:
        self._voices.refresh()
        found = self._voices.find(report.imported[-1].voice.id) if report.imported else None
        if found is not None:
            self._draft.set_voice(found)
