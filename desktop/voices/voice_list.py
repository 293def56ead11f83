"""The available voices: the starter's and the installed ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal

from desktop.problems import sentence_for
from desktop.queue.intake import voice_groups
from desktop.queue.job import Voice
from desktop.translation import translate
from engine.errors import ConversionCancelled, LibraryError
from engine.key import VoicePitch
from engine.library.installed_voice import InstalledVoice, starter_voice
from engine.library.voice_library import VoiceLibrary
from engine.library.voice_range import keep_range, known_pitch, was_learnt
from engine.options import ConversionOptions, voice_options
from engine.progress import CancelToken

_IMPORT = "voice import"
IMPORT_PATIENCE_S = 1.0
"""When the app quits; while torch is being loaded an import cannot be stopped."""


class VoiceList(QObject):
    """A view of the voice library; installs on a thread.

    Parameters
    ----------
    root : the library's folder

    Signals
    -------
    progressed : (share)  of what is being installed that is done, 0..1
    """

    changed = Signal()
    progressed = Signal(float)
    installed = Signal(object)
    refused = Signal(str)
    _done = Signal(object, object)
    _kept = Signal(str)
    _learnt = Signal()

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.library = VoiceLibrary(root)
        self._found = self._read()
        self._installing = 0
        self._closing = CancelToken()
        self._threads: list[threading.Thread] = []
        self._done.connect(self._on_done)
        self._kept.connect(self._on_kept)
        self._learnt.connect(self._on_learnt)

    def voices(self) -> tuple[Voice, ...]:
        """All of them, the starter first."""
        return tuple(map(_voice, self._found))

    def find(self, key: object) -> Voice | None:
        """The voice with this key."""
        found = self.entry(key)
        return None if found is None else _voice(found)

    def entry(self, key: object) -> InstalledVoice | None:
        """The library's entry of a voice."""
        return next((voice for voice in self._found if voice.id == key), None)

    def content_encoder(self, key: object) -> str | None:
        """The name of the content encoder that a voice needs; None if it is not installed."""
        found = self.entry(key)
        return None if found is None else str(found.facts.get("embedder") or "contentvec")

    def usual_options(self, key: object) -> ConversionOptions:
        """The default settings of a voice."""
        found = self.entry(key)
        return ConversionOptions() if found is None else found.options()

    @property
    def is_installing(self) -> bool:
        """Whether a voice is being installed."""
        return self._installing > 0

    def refresh(self) -> None:
        """Reload the library."""
        found = self._read()
        if found != self._found:
            self._found = found
            self.changed.emit()

    def install(self, paths: Sequence[Path]) -> None:
        """Import files, folders and archives; emits `installed` or `refused`."""
        if self._closing.cancelled:
            return
        self._installing += 1
        self.changed.emit()
        self._begin(lambda: self._run(tuple(paths)), _IMPORT)

    def keep_defaults(self, key: str, options: ConversionOptions) -> None:
        """Make these the voice's default settings; emits `refused` if that fails."""
        values = {each.name: options.value(each.name) for each in voice_options()}

        def run() -> None:
            try:
                self.library.set_defaults(key, values)
            except Exception as error:  # noqa: BLE001 - as for imports
                self._kept.emit(sentence_for(error))
            else:
                self._kept.emit("")

        self._begin(run, "voice settings")

    def pitch(self, key: str, given_hz: float | None) -> VoicePitch | None:
        """Where a voice sounds right, as far as that is known."""
        found = self.entry(key)
        return None if found is None else known_pitch(found, given_hz)

    def has_pitch(self, key: str) -> bool:
        """Whether a voice can be transposed."""
        found = self.entry(key)
        return found is None or found.facts.get("pitch_guided") is not False

    def range_is_unknown(self, key: str) -> bool:
        """Whether rendering the voice would tell more about it."""
        found = self.entry(key)
        return found is not None and not was_learnt(found)

    def keep_range(self, key: str, pitch: VoicePitch | None) -> None:
        """Keep what was learnt by rendering; emits `changed`."""
        found = self.entry(key)
        if found is not None:
            self._begin(lambda: self._keep_range(found, pitch), "voice range")

    def close(self, patience_s: float = 5.0) -> bool:
        """Stop imports, and wait for writes; True if all ended in time.

        Imports get less time: a voice is installed whole or not at all. Emits nothing afterwards.
        """
        self._closing.cancel()
        begun_s = time.monotonic()
        for thread in self._threads:
            short = thread.name == _IMPORT
            end_s = begun_s + (min(IMPORT_PATIENCE_S, patience_s) if short else patience_s)
            thread.join(max(0.0, end_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _begin(self, work: Callable[[], None], name: str) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, name=name, daemon=True))
        self._threads[-1].start()

    def _keep_range(self, found: InstalledVoice, pitch: VoicePitch | None) -> None:
        keep_range(found, pitch)
        self._learnt.emit()

    def _on_learnt(self) -> None:
        if not self._closing.cancelled:
            self.changed.emit()

    def _on_kept(self, sentence: str) -> None:
        if self._closing.cancelled:
            return
        self.refresh()
        if sentence:
            self.refused.emit(sentence)

    def _read(self) -> tuple[InstalledVoice, ...]:
        try:
            return self.library.voices()
        except LibraryError:
            return (starter_voice(),)

    def _run(self, paths: tuple[Path, ...]) -> None:
        keys: list[str] = []
        sentences: list[str] = []
        groups = voice_groups(paths)
        for number, group in enumerate(groups):

            def listener(fraction: float, number: int = number) -> None:
                self.progressed.emit((number + fraction) / len(groups))

            try:
                report = self.library.import_files(group, listener=listener, cancel=self._closing)
            except ConversionCancelled:
                break
            except Exception as error:  # noqa: BLE001 - shown by the window; the thread must not die silently
                sentences.append(sentence_for(error))
            else:
                keys += [each.voice.id for each in report.imported]
                told = [(e.voice.name, note) for e in report.imported for note in e.notes]
                sentences += [f"{name}: {translate(note)}" for name, note in told]
                sentences += map(sentence_for, report.refused)
        self._done.emit(keys, sentences)

    def _on_done(self, keys: list[str], sentences: list[str]) -> None:
        if self._closing.cancelled:
            return
        self._installing -= 1
        self._found = self._read()
        self.changed.emit()
        for voice in filter(None, map(self.find, keys)):
            self.installed.emit(voice)
        if sentences:
            self.refused.emit("\n".join(sentences))


def shown_name(voice: InstalledVoice) -> str:
    """The voice's name; the built-in one's in the user's language."""
    return QCoreApplication.translate("voices", "Starter") if voice.built_in else voice.name


def _voice(found: InstalledVoice) -> Voice:
    return Voice(shown_name(found), found.weights, found.index, found.id, found.built_in)
