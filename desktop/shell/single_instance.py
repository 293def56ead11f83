"""One app at a time: a second start hands its files to the first and ends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_PATIENCE_MS = 1500
_MAX_BYTES = 4 << 20
_TAKEN = b"taken\n"


def server_name(data: Path) -> str:
    """A name that belongs to this user's data folder alone."""
    digest = hashlib.sha256(str(data.absolute()).encode(errors="surrogatepass")).hexdigest()
    return f"urvc-{digest[:20]}"


def hand_over(name: str, files: Sequence[Path]) -> bool:
    """Give files to the app that is running; False where none answers."""
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
    """The first app's end: listens for files of later ones (an empty list: come to the front)."""

    received = Signal(list)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._sockets: list[QLocalSocket] = []
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        if not self._server.listen(name):
            QLocalServer.removeServer(name)  # nobody answered there: left by one that was killed
            self._server.listen(name)

    def close(self) -> None:
        """Listen no more."""
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
