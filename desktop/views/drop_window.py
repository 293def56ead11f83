"""A window that takes drops anywhere, and says beforehand what they will do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QMainWindow

from desktop.jobs.intake import Gatherer, Intake, peek
from desktop.views.drop_area import DropOverlay, link_of, paths_of


class DropWindow(QMainWindow):
    """What is done with the files is for the heir to say.

    Parameters
    ----------
    gatherer : sorts what is dropped; one that others use too tells all of it to the last window
    """

    def __init__(self, gatherer: Gatherer | None = None) -> None:
        super().__init__()
        self._gatherer = gatherer or Gatherer(self)
        self._gatherer.gathered.connect(self.accept_intake)
        self.overlay = DropOverlay(self)
        self.setAcceptDrops(True)

    def voice_name(self) -> str:
        """The voice that a dropped sound will get."""
        raise NotImplementedError

    def accept_intake(self, intake: Intake) -> None:
        """Do what was promised."""
        raise NotImplementedError

    def ask_for_link(self, link: str = "") -> None:
        """Look what a link offers."""
        raise NotImplementedError

    def take(self, paths: Sequence[Path]) -> None:
        """Do what dropping these does."""
        if paths:
            self._gatherer.gather(paths)

    def take_no_more(self) -> None:
        """Leave what is still being gathered to the window that comes after this one."""
        self._gatherer.gathered.disconnect(self.accept_intake)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Say what would happen."""
        paths, link = paths_of(event.mimeData()), link_of(event.mimeData())
        if event.source() is not None:  # our own rows on their way out
            return
        if not paths:
            if link:
                self.overlay.offer_link(link)
                event.acceptProposedAction()
            return
        intake = peek(paths)
        self.overlay.offer(intake, self.voice_name())
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(not intake.is_empty)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """It is not for us."""
        self.overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take it."""
        self.overlay.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        paths, link = paths_of(event.mimeData()), link_of(event.mimeData())
        if link and not paths:
            self.ask_for_link(link)
        self.take(paths)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """The overlay covers all."""
        super().resizeEvent(event)
        self.overlay.setGeometry(self.rect())
