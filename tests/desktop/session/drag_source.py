"""A program beside the app whose window is full of files: ``python -m … X Y FILES`` drags them."""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

SIDE = 80


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


def main() -> None:
    application = QApplication([])
    source = Files(sys.argv[3:])
    source.setGeometry(int(sys.argv[1]), int(sys.argv[2]), SIDE, SIDE)
    source.show()
    application.processEvents()
    print("there", flush=True)
    application.exec()


if __name__ == "__main__":
    main()
