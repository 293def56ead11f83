"""One app for a data folder: a second start hands its files to the first and ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from PySide6.QtCore import QDeadlineTimer, QObject, QThread, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_PATIENCE_MS = 1500
_AGAIN_MS = 100
_MAX_BYTES = 4 << 20
_TAKEN = b"taken\n"


def claim(data: Path) -> FileLock | None:
    """The lock on the data folder, held until released or the process ends.

    None where another app holds it. A folder that cannot be locked is used without.
    """
    lock = FileLock(data / "app.lock")
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except (OSError, NotImplementedError):
        return lock
    return lock


def server_name(data: Path) -> str:
    """A name unique to this data folder."""
    digest = hashlib.sha256(str(data.absolute()).encode(errors="surrogatepass")).hexdigest()
    return f"urvc-{digest[:20]}"


def hand_over(name: str, files: Sequence[Path], patience_ms: int = 0) -> bool:
    """Give files to the app that is running; False where none answers.

    Parameters
    ----------
    patience_ms : how long to try again, for an app that is only just starting
    """
    deadline = QDeadlineTimer(patience_ms)
    while not (done := _hand_over_once(name, files)) and not deadline.hasExpired():
        QThread.msleep(_AGAIN_MS)
    return done


def _hand_over_once(name: str, files: Sequence[Path]) -> bool:
    socket = QLocalSocket()
    socket.connectToServer(name)
    if not socket.waitForConnected(_PATIENCE_MS):
        return False
    message = json.dumps([str(path.absolute()) for path in files])
    socket.write(f"{message}\n".encode())
    socket.flush()
    while not socket.canReadLine():
        if not socket.waitForReadyRead(_PATIENCE_MS):
            return False
    return bytes(socket.readLine().data()) == _TAKEN


class SingleInstance(QObject):
    """Receives the files of later starts (an empty list: come to the front)."""

    received = Signal(list)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._sockets: list[QLocalSocket] = []
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        if not self._server.listen(name):
            QLocalServer.removeServer(name)  # left by an app that was killed
            self._server.listen(name)

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    @Slot()
    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            self._sockets.append(socket)
            socket.readyRead.connect(self._on_ready)
            socket.disconnected.connect(self._on_gone)
        self._on_ready()

    @Slot()
    def _on_ready(self) -> None:
        for socket in tuple(self._sockets):
            if socket.bytesAvailable() > _MAX_BYTES:
                socket.abort()
            elif socket.canReadLine():
                self._answer(socket)

    @Slot()
    def _on_gone(self) -> None:
        closed = QLocalSocket.LocalSocketState.UnconnectedState
        for socket in tuple(self._sockets):
            if socket.state() == closed:
                self._sockets.remove(socket)
                socket.deleteLater()

    def _answer(self, socket: QLocalSocket) -> None:
        paths = _paths(bytes(socket.readLine().data()))
        if paths is None:
            socket.abort()
            return
        socket.write(_TAKEN)
        socket.flush()
        socket.disconnectFromServer()
        self.received.emit(paths)


def _paths(line: bytes) -> list[Path] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        return None
    return [Path(each) for each in found]
