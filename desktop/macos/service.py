"""«Convert with Ultimate RVC» in Finder's Services and Quick Actions.

The bundle's Info.plist names the entry and the message; here is who answers it. Without a bundle
macOS never sends it.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal

from desktop.macos.objc import Pointer, Runtime, system_runtime

MESSAGE = "convertFiles"
"""As `packaging/info_plist.py` says it to macOS."""

_SELECTOR = f"{MESSAGE}:userData:error:"
_TYPES = b"v@:@@^@"
_CLASS = "UltimateRVCService"
_URL_TYPE = "public.file-url"
_COUNT = ctypes.c_ulong  # NSUInteger


class FileService(QObject):
    """Takes the files that were selected in Finder.

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
