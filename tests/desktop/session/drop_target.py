"""A program beside the app that takes files: ``python -m … X Y`` prints the paths of what falls."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QWidget

from tests.desktop.session.small_window import run


class Folder(QWidget):
    """Takes copies, as Finder does."""

    def __init__(self) -> None:
        super().__init__(None, Qt.WindowType.X11BypassWindowManagerHint)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        event.accept()
        print("over", flush=True)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        event.acceptProposedAction()
        print("\t".join(url.toLocalFile() for url in event.mimeData().urls()), flush=True)


if __name__ == "__main__":
    run(Folder)
