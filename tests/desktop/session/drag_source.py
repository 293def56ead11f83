"""A program beside the app whose window is full of files: ``python -m … X Y FILES`` drags them."""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QWidget

from tests.desktop.session.small_window import run


class Files(QWidget):
    """A press and a move begin the drag; what came of it is printed."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(None, Qt.WindowType.X11BypassWindowManagerHint)
        self._paths = paths

    def mouseMoveEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path) for path in self._paths])
        drag = QDrag(self)
        drag.setMimeData(data)
        print("dragging", flush=True)
        done = drag.exec(Qt.DropAction.CopyAction | Qt.DropAction.MoveAction)
        print(done.name, flush=True)  # and stay: the other program fetches the files only now


if __name__ == "__main__":
    run(lambda: Files(sys.argv[3:]))
