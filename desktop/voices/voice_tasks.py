"""Work on the installed voices, for a background thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, Signal, Slot

from desktop.background import BackgroundTask, Listener, Outcome, Work
from desktop.mac.finder import forget_trashed, move_to_trash
from desktop.problems import sentence_for
from desktop.queue.intake import voice_groups
from desktop.translation import translate
from engine.errors import UserError
from engine.library.importing import Imported, ImportReport
from engine.library.installed_voice import InstalledVoice
from engine.library.link import VoiceOffer, find_voices, with_contents
from engine.library.voice_library import VoiceLibrary
from engine.progress import CancelToken


def importing(library: VoiceLibrary, paths: Sequence[Path]) -> Work:
    """Import all paths; returns one `ImportReport`.

    Unusable sources are listed in the report; it fails only if there is just one source.
    """

    def work(cancel: CancelToken, tell: Listener) -> ImportReport:
        sources = voice_groups(paths)
        imported: list[Imported] = []
        refused: list[UserError] = []
        for number, source in enumerate(sources):

            def listener(fraction: float, number: int = number) -> None:
                tell(number + fraction, float(len(sources)))

            try:
                report = library.import_files(source, listener=listener, cancel=cancel)
            except UserError as error:
                if len(sources) == 1:
                    raise
                refused.append(error)
                continue
            imported.extend(report.imported)
            refused.extend(report.refused)
        return ImportReport(tuple(imported), tuple(refused))

    return work


def asking(link: str, hub: str | None) -> Work:
    """List what a link offers; returns a tuple of `VoiceOffer`. Downloads nothing."""
    return lambda cancel, _tell: with_contents(find_voices(link, hub=hub, cancel=cancel), cancel)


def fetching(library: VoiceLibrary, offer: VoiceOffer) -> Work:
    """Download an offer and import it; returns an `ImportReport`."""
    return lambda cancel, tell: library.import_offer(offer, downloaded=tell, cancel=cancel)


def keeping(library: VoiceLibrary, key: str, changes: Mapping[str, Any]) -> Work:
    """Change some default settings of a voice; returns the updated voice."""

    def work(_cancel: CancelToken, _tell: Listener) -> InstalledVoice:
        return library.set_defaults(key, {**library.get(key).defaults, **changes})

    return work


def renaming(library: VoiceLibrary, key: str, name: str) -> Work:
    """Rename a voice."""
    return lambda _cancel, _tell: library.rename(key, name)


def picturing(library: VoiceLibrary, key: str, picture: Path) -> Work:
    """Set a voice's picture."""
    return lambda _cancel, _tell: library.set_picture(key, picture)


def indexing(library: VoiceLibrary, key: str, index: Path) -> Work:
    """Set a voice's index."""
    return lambda _cancel, _tell: library.set_index(key, index)


@dataclass(frozen=True)
class Trashed:
    """A voice that was moved to the trash, and its path there; None if that is not known."""

    key: str
    name: str
    place: Path | None


def trashing(library: VoiceLibrary, key: str) -> Work:
    """Move a voice to the trash; returns `Trashed`."""

    def work(_cancel: CancelToken, _tell: Listener) -> Trashed:
        name, places = library.get(key).name, list[Path | None]()
        library.remove(key, trash=lambda folder: places.append(move_to_trash(folder)))
        return Trashed(key, name, places[0])

    return work


def putting_back(library: VoiceLibrary, key: str, place: Path) -> Work:
    """Take a voice out of the trash; returns it."""

    def work(_cancel: CancelToken, _tell: Listener) -> InstalledVoice:
        voice = library.put_back(key, place)
        forget_trashed(place)
        return voice

    return work


def report_sentence(report: ImportReport) -> str:
    """The result of an import, in one paragraph."""
    names = ", ".join(each.voice.name for each in report.imported)
    imported = QCoreApplication.translate("voice_shelf", "Imported: {names}.")
    told = [imported.format(names=names)] if names else []
    told += [translate(note) for each in report.imported for note in each.notes]
    told += map(sentence_for, report.refused)
    return " ".join(told)


class DefaultsKeeper(QObject):
    """Writes only the changed settings.

    Signals
    -------
    kept : (InstalledVoice)  the updated voice
    refused : (sentence)  why a change could not be saved
    ended : everything is saved
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
        """Whether changes are not saved yet."""
        return self._task.is_running or bool(self._wanted)

    @Slot(str, object)
    def keep(self, key: str, changes: Mapping[str, Any]) -> None:
        """Save changes of a voice, after earlier ones."""
        self._wanted[key] = {**self._wanted.get(key, {}), **changes}
        self._begin()

    def close(self) -> None:
        """Save the rest before the app quits."""
        self._task.close()
        for key, changes in self._wanted.items():
            with suppress(UserError):  # the app is quitting
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
