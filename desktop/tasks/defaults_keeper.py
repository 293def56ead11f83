"""Keeps the settings that voices start with, one change after the other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from desktop.tasks.background import BackgroundTask, Outcome
from desktop.tasks.voice_shelf import keeping
from engine.errors import UserError
from engine.library.voice_library import VoiceLibrary
from engine.progress import CancelToken


class DefaultsKeeper(QObject):
    """What is not changed stays as it is on the disk, whoever wrote it.

    Signals
    -------
    kept : (InstalledVoice)  as it is now
    refused : (sentence)  why a change could not be kept
    ended : nothing is left to be kept
    """

    kept = Signal(object)
    refused = Signal(str)
    ended = Signal()

    def __init__(self, library: VoiceLibrary, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._wanted: dict[str, dict[str, Any]] = {}
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)

    @property
    def is_busy(self) -> bool:
        """Whether something is not kept yet."""
        return self._task.is_running or bool(self._wanted)

    @Slot(str, object)
    def keep(self, key: str, changes: Mapping[str, Any]) -> None:
        """Keep what was changed of a voice, as soon as what came before is kept."""
        self._wanted[key] = {**self._wanted.get(key, {}), **changes}
        self._begin()

    def close(self) -> None:
        """Keep the rest before the app quits."""
        self._task.close()
        for key, changes in self._wanted.items():
            with suppress(UserError):  # nobody is there any more to read why
                keeping(self._library, key, changes)(CancelToken(), lambda *_: None)
        self._wanted.clear()

    def _begin(self) -> None:
        key = next(iter(self._wanted), None)
        if key is not None and self._task.start(keeping(self._library, key, self._wanted[key])):
            del self._wanted[key]

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.state == "finished":
            self.kept.emit(outcome.value)
        else:
            self.refused.emit(outcome.sentence)
        self._begin()
        if not self.is_busy:
            self.ended.emit()
