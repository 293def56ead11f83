"""Finder: show a file, move it to the trash, and answer the entry in Services."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from PySide6.QtCore import QFile, QObject, QProcess, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from desktop.mac.cocoa import on_mac


def reveal_command(path: Path) -> tuple[str, list[str]] | None:
    """The program that shows the file selected; None where only its folder can be opened."""
    if sys.platform == "darwin" and path.exists():
        return "/usr/bin/open", ["-R", str(path)]
    return None


def reveal(path: Path) -> None:
    """Select the file in Finder; elsewhere open the folder it lies in.

    A file that is gone shows its nearest folder that is there.
    """
    command = reveal_command(path)
    if command is not None:
        QProcess.startDetached(*command)
        return
    folder = next(place for place in path.absolute().parents if place.is_dir())
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def move_to_trash(path: Path) -> Path | None:
    """Move into the system's trash (on Linux freedesktop.org's); returns the path there, if known.

    Raises
    ------
    OSError : if the system refuses; the file is where it was
    """
    file = QFile(str(path))
    if not file.moveToTrash():
        raise OSError(0, file.errorString(), str(path))
    place = Path(file.fileName())
    return place if file.fileName() and place != path else None


def forget_trashed(place: Path) -> None:
    """Remove the note that freedesktop.org's trash keeps of a file that was taken out of it."""
    if place.parent.name == "files":
        note = place.parent.parent / "info" / f"{place.name}.trashinfo"
        note.unlink(missing_ok=True)


MESSAGE = "convertFiles"
"""As `packaging/project.py` declares it; the method below is named after it."""


class FileService(QObject):
    """Takes the files for which "Convert with Ultimate RVC" was chosen in Finder's Services.

    The bundle's Info.plist declares the entry; without a bundle macOS never sends it.

    Signals
    -------
    files_received : (list of Path)
    """

    files_received = Signal(list)
    _arrived = Signal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Queued, not inside the message: Finder waits for its answer.
        self._arrived.connect(self.files_received, Qt.ConnectionType.QueuedConnection)
        self._provider = on_mac(lambda: _serve(self._receive))  # macOS does not retain it

    @property
    def is_offered(self) -> bool:
        """Whether macOS knows who takes the files."""
        return self._provider is not None

    def _receive(self, pasteboard: Any) -> None:
        files = on_mac(lambda: _files(pasteboard))
        if files:
            self._arrived.emit(files)


@cache
def _provider_class() -> Any:
    """Made once: a class of Objective-C stays registered for the life of the process."""
    import objc
    from Foundation import NSObject

    class UltimateRVCService(NSObject):
        @objc.typedSelector(b"v@:@@o^@")
        def convertFiles_userData_error_(self, pasteboard: Any, _data: Any, _error: Any) -> None:  # noqa: N802 - Objective-C's name
            self.receive(pasteboard)

    return UltimateRVCService


def _serve(receive: Callable[[Any], None]) -> Any:
    from AppKit import NSApplication

    provider = _provider_class().alloc().init()
    provider.receive = receive
    NSApplication.sharedApplication().setServicesProvider_(provider)
    return provider


def _files(pasteboard: Any) -> list[Path]:
    """The files on a pasteboard. Finder names them by number; ``path`` gives the real one."""
    from AppKit import NSPasteboardURLReadingFileURLsOnlyKey
    from Foundation import NSURL

    only_files = {NSPasteboardURLReadingFileURLsOnlyKey: True}
    urls = pasteboard.readObjectsForClasses_options_([NSURL], only_files) or ()
    return [Path(str(url.path())) for url in urls if url.path()]
