"""The voices that can be chosen: the starter's and the installed ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop.error_text import sentence_for
from desktop.jobs.intake import voice_groups
from desktop.jobs.job import Voice
from engine.errors import LibraryError
from engine.voices.entry import InstalledVoice, starter_entry
from engine.voices.library import VoiceLibrary


class VoiceList(QObject):
    """A view of the voice library; installing happens on a thread of its own.

    Parameters
    ----------
    root : the library's folder
    """

    changed = Signal()
    installed = Signal(object)
    refused = Signal(str)
    _done = Signal(object, object)

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.library = VoiceLibrary(root)
        self._voices = self._read()
        self._installing = 0
        self._done.connect(self._on_done)

    def voices(self) -> tuple[Voice, ...]:
        """All of them, the starter first."""
        return self._voices

    def find(self, key: object) -> Voice | None:
        """The voice of that key."""
        return next((voice for voice in self._voices if voice.key == key), None)

    @property
    def is_installing(self) -> bool:
        """Whether a voice is being installed."""
        return self._installing > 0

    def refresh(self) -> None:
        """Look again at what is installed."""
        found = self._read()
        if found != self._voices:
            self._voices = found
            self.changed.emit()

    def install(self, paths: Sequence[Path]) -> None:
        """Import files, folders and archives; `installed` or `refused` tells what came of it."""
        self._installing += 1
        self.changed.emit()
        threading.Thread(target=self._run, args=(tuple(paths),), daemon=True).start()

    def _read(self) -> tuple[Voice, ...]:
        try:
            found = self.library.voices()
        except LibraryError:
            found = (starter_entry(),)
        return tuple(_voice(each) for each in found)

    def _run(self, paths: tuple[Path, ...]) -> None:
        keys: list[str] = []
        sentences: list[str] = []
        for group in voice_groups(paths):
            try:
                report = self.library.import_files(group)
            except Exception as error:  # noqa: BLE001 - the window says it; the thread must not die silently
                sentences.append(sentence_for(error))
            else:
                keys += [each.voice.id for each in report.imported]
                sentences += [str(each) for each in report.refused]
        self._done.emit(keys, sentences)

    def _on_done(self, keys: list[str], sentences: list[str]) -> None:
        self._installing -= 1
        self._voices = self._read()
        self.changed.emit()
        for voice in filter(None, map(self.find, keys)):
            self.installed.emit(voice)
        if sentences:
            self.refused.emit("\n".join(sentences))


def _voice(found: InstalledVoice) -> Voice:
    return Voice(found.name, found.weights, found.index, found.id, found.built_in)
