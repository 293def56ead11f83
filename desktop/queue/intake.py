"""Sorts what was dropped, pasted or opened: audio to convert, voices to install, the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal, Slot

from engine.audio.names import SUPPORTED_SUFFIXES
from engine.plain_text import plain

VOICE_SUFFIXES = frozenset({".pth", ".index", ".zip", ".safetensors", ".7z", ".rar"})
_ARCHIVE_SUFFIXES = frozenset({".zip", ".7z", ".rar"})
_LEARNED_SUFFIXES = frozenset({".pth", ".safetensors"})
"""Of weights: sounds in a folder with such a file are samples or training data of the voice."""

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
    empty : names of folders in which there is nothing at all
    useless : names of folders with nothing usable in them
    beside : sounds in the folder of a voice that is installed; they are left alone
    more : the search was cut short
    """

    sounds: tuple[Path, ...] = ()
    voices: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    useless: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()
    more: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing usable."""
        return not self.sounds and not self.voices

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why files and folders are refused, one text for each kind."""
        kinds = (
            (
                self.refused,
                _tr("“{name}” isn't an audio, video or voice file"),
                _tr("{count} files aren't audio, video or voice files"),
            ),
            (self.empty, _tr("The folder “{name}” is empty"), _tr("{count} folders are empty")),
            (
                self.useless,
                _tr("There is no audio, video or voice in the folder “{name}”"),
                _tr("There is no audio, video or voice in {count} folders"),
            ),
        )
        return tuple(
            (one if len(names) == 1 else several).format(name=names[0], count=len(names))
            for names, one, several in kinds
            if names
        )

    @property
    def left_alone(self) -> str:
        """That sounds beside a voice are not converted; "" if there are none."""
        if not self.beside:
            return ""
        one = _tr(
            "“{name}” belongs to the voice and is not converted; to convert it, drop it by itself"
        )
        several = _tr(
            "{count} sounds belong to the voice and are not converted; to convert them, drop them "
            "by themselves"
        )
        return (one if len(self.beside) == 1 else several).format(
            name=plain(self.beside[0].name), count=len(self.beside)
        )


def _tr(text: str) -> str:
    return QCoreApplication.translate("intake", text)


def sort_paths(paths: Iterable[Path], max_entries: int = _MAX_FILES) -> Intake:
    """Sort files by suffix; folders are searched, hidden files skipped.

    Sounds in the folder of a voice's weights, or below it, belong to that voice. Without weights
    a folder counts as a voice only if there is no sound in it: archives lie beside songs, too.
    """
    sounds: dict[Path, None] = {}
    beside: dict[Path, None] = {}
    voices: list[Path] = []
    refused: list[str] = []
    empty: list[str] = []
    useless: list[str] = []
    left = max_entries
    for path in paths:
        if path.is_dir():
            found = _search(path, left)
            left = found.left
            sounds.update(dict.fromkeys(found.sounds))
            beside.update(dict.fromkeys(found.beside))
            if found.has_weights or (found.has_voice and not found.sounds):
                voices.append(path)
            elif not found.sounds:
                (useless if found.has_files else empty).append(plain(path.name))
        elif path.suffix.lower() in SUPPORTED_SUFFIXES:
            sounds[path] = None
        elif path.suffix.lower() in VOICE_SUFFIXES:
            voices.append(path)
        else:
            refused.append(plain(path.name))
    return Intake(
        tuple(sounds),
        tuple(voices),
        tuple(refused),
        tuple(empty),
        tuple(useless),
        tuple(path for path in beside if path not in sounds),
        more=left <= 0,
    )


def peek(paths: Sequence[Path]) -> Intake:
    """A short search, for while something is dragged over the window."""
    return sort_paths(paths, _PEEK_ENTRIES)


def voice_groups(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Groups to import: each archive and folder by itself, loose files together as one voice."""
    whole = [path for path in paths if path.suffix.lower() in _ARCHIVE_SUFFIXES or path.is_dir()]
    loose = tuple(path for path in paths if path not in whole)
    return tuple((path,) for path in whole) + ((loose,) if loose else ())


@dataclass
class _Found:
    """What is in a folder.

    Attributes
    ----------
    left : how many more entries may be looked at
    """

    left: int
    sounds: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)
    has_weights: bool = False
    has_voice: bool = False
    has_files: bool = False


def _search(folder: Path, left: int) -> _Found:
    """Search below a folder, sorted by name; does not follow links to folders."""
    found = _Found(left)
    of_voices: set[str] = set()
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = sorted(name for name in files if not name.startswith("."))
        suffixes = [os.path.splitext(name)[1].lower() for name in seen]  # noqa: PTH122 - a Path for each is slow
        if here in of_voices or not _LEARNED_SUFFIXES.isdisjoint(suffixes):
            of_voices.add(here)
            of_voices.update(os.path.join(here, name) for name in folders)  # noqa: PTH118 - likewise
        mine = found.beside if here in of_voices else found.sounds
        for name, suffix in zip(seen, suffixes, strict=True):
            found.has_files = True
            if suffix in SUPPORTED_SUFFIXES:
                mine.append(Path(here, name))
            found.has_weights = found.has_weights or suffix in _LEARNED_SUFFIXES
            found.has_voice = found.has_voice or suffix in VOICE_SUFFIXES
            found.left -= 1
            if found.left <= 0:
                return found
        found.left -= len(files) - len(seen)  # hidden ones cost time as well
    return found


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
