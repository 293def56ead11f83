"""Finder: show a file, move it to the trash, and answer the entry in Services."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from PySide6.QtCore import QFile, QObject, QProcess, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from desktop.mac.objc import Pointer, Runtime, system_runtime


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


def move_to_trash(path: Path) -> None:
    """Into the system's trash (on Linux the one of freedesktop.org).

    Raises
    ------
    OSError : if the system refuses; the file is where it was
    """
    file = QFile(str(path))
    if not file.moveToTrash():
        raise OSError(0, file.errorString(), str(path))


MESSAGE = "convertFiles"
"""As `packaging/info_plist.py` says it to macOS."""

_SELECTOR = f"{MESSAGE}:userData:error:"
_TYPES = b"v@:@@^@"
_CLASS = "UltimateRVCService"
_URL_TYPE = "public.file-url"
_COUNT = ctypes.c_ulong  # NSUInteger


class FileService(QObject):
    """Takes the files for which "Convert with Ultimate RVC" was chosen in Finder's Services.

    The bundle's Info.plist declares the entry; without a bundle macOS never sends it.

    Parameters
    ----------
    runtime : None, where there are no services, does nothing

    Signals
    -------
    files_received : (list of Path)
    """

    files_received = Signal(list)
    _arrived = Signal(list)

    def __init__(self, parent: QObject | None = None, runtime: Runtime | None = None) -> None:
        super().__init__(parent)
        self._runtime = runtime if runtime is not None else system_runtime()
        self.is_offered = False
        # Later, not inside the message: Finder waits for its answer.
        self._arrived.connect(self.files_received, Qt.ConnectionType.QueuedConnection)
        if self._runtime is not None:
            self._offer(self._runtime)

    def _offer(self, runtime: Runtime) -> None:
        try:
            provider = runtime.receiver(_CLASS, _SELECTOR, self._receive, _TYPES)
            app = runtime.send(runtime.named("NSApplication"), "sharedApplication")
        except LookupError:  # a macOS that has changed: the app works without
            return
        runtime.send(app, "setServicesProvider:", (Pointer, provider), result=None)
        self.is_offered = True

    def _receive(self, _self: int, _selector: int, board: int, _data: int, _error: int) -> None:
        if self._runtime is None:
            return
        files = [path for path in _files(self._runtime, board) if path is not None]
        if files:
            self._arrived.emit(files)


def _files(runtime: Runtime, board: int) -> list[Path | None]:
    """What lies on the pasteboard, one item a file."""
    items = runtime.send(board, "pasteboardItems")
    count = runtime.send(items, "count", result=_COUNT)
    return [
        _path(runtime, runtime.send(items, "objectAtIndex:", (_COUNT, number)))
        for number in range(count)
    ]


def _path(runtime: Runtime, item: int) -> Path | None:
    kind = (Pointer, runtime.text(_URL_TYPE))
    address = (Pointer, int(runtime.send(item, "stringForType:", kind)))
    # Finder gives the file's number on its disk ("file:///.file/id=…"): NSURL knows the path.
    url = runtime.send(runtime.named("NSURL"), "URLWithString:", address) if address[1] else 0
    words = runtime.words(int(runtime.send(url, "path")))
    return Path(words) if words else None
