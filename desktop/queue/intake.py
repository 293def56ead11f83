"""Sorts what was dropped, pasted or opened: audio to convert, voices to install, the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal, Slot

from engine.audio.names import SUPPORTED_SUFFIXES

VOICE_SUFFIXES = frozenset({".pth", ".index", ".zip", ".safetensors", ".7z", ".rar"})
_ARCHIVE_SUFFIXES = frozenset({".zip", ".7z", ".rar"})
_MAX_FILES = 100_000
"""Limits the search of a huge folder, e.g. a whole disk."""

_PEEK_ENTRIES = 400
"""Limit while something is dragged over the window."""


@dataclass(frozen=True)
class Intake:
    """Sorted paths.

    Attributes
    ----------
    sounds : audio and video to convert, also from folders
    voices : to install
    refused : names of other files
    more : the search was cut short
    """

    sounds: tuple[Path, ...] = ()
    voices: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()
    more: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing usable."""
        return not self.sounds and not self.voices

    @property
    def reason(self) -> str:
        """Why files are refused; "" if none is."""
        if not self.refused:
            return ""
        if len(self.refused) == 1:
            return QCoreApplication.translate(
                "intake", "“{name}” isn't an audio, video or voice file"
            ).format(name=self.refused[0])
        return QCoreApplication.translate(
            "intake", "{count} files aren't audio, video or voice files"
        ).format(count=len(self.refused))


def sort_paths(paths: Iterable[Path], max_entries: int = _MAX_FILES) -> Intake:
    """Sort files by suffix; folders are searched, hidden files skipped.

    A folder with a voice but without audio counts as a voice.
    """
    sounds: dict[Path, None] = {}
    voices: list[Path] = []
    refused: list[str] = []
    left = max_entries
    for path in paths:
        if path.is_dir():
            inside, has_voice, left = _search(path, left)
            sounds.update(dict.fromkeys(inside))
            if has_voice and not inside:
                voices.append(path)
            elif not inside:
                refused.append(path.name)
        elif path.suffix.lower() in SUPPORTED_SUFFIXES:
            sounds[path] = None
        elif path.suffix.lower() in VOICE_SUFFIXES:
            voices.append(path)
        else:
            refused.append(path.name)
    return Intake(tuple(sounds), tuple(voices), tuple(refused), more=left <= 0)


def peek(paths: Sequence[Path]) -> Intake:
    """A short search, for while something is dragged over the window."""
    return sort_paths(paths, _PEEK_ENTRIES)


def voice_groups(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Groups to import: each archive and folder by itself, loose files together as one voice."""
    whole = [path for path in paths if path.suffix.lower() in _ARCHIVE_SUFFIXES or path.is_dir()]
    loose = tuple(path for path in paths if path not in whole)
    return tuple((path,) for path in whole) + ((loose,) if loose else ())


def _search(folder: Path, left: int) -> tuple[list[Path], bool, int]:
    """Audio files below a folder, sorted by name; does not follow links to folders."""
    sounds = []
    has_voice = False
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            left -= 1
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each is slow
            if name.startswith("."):
                continue
            if suffix in SUPPORTED_SUFFIXES:
                sounds.append(Path(here, name))
            has_voice = has_voice or suffix in VOICE_SUFFIXES
            if left <= 0:
                return sounds, has_voice, 0
    return sounds, has_voice, left


class Gatherer(QObject):
    """Sorts dropped paths on a thread: a folder can be large, or on a slow disk.

    Signals
    -------
    gathered : (Intake)  emitted on the GUI thread
    """

    gathered = Signal(object)
    _found = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Through a slot of this object: the window may be replaced meanwhile.
        self._found.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def gather(self, paths: Sequence[Path]) -> None:
        """Sort paths and emit `gathered`; at once if there is no folder."""
        if not any(path.is_dir() for path in paths):
            self.gathered.emit(sort_paths(paths))
            return
        threading.Thread(
            target=self._run, args=(tuple(paths),), name="gatherer", daemon=True
        ).start()

    def _run(self, paths: tuple[Path, ...]) -> None:
        self._found.emit(sort_paths(paths))

    @Slot(object)
    def _tell(self, intake: Intake) -> None:
        self.gathered.emit(intake)
