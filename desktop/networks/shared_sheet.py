"""Offers the networks for community voices, at the first start and on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout

from desktop import style
from desktop.networks.models_page import ChooseFile, NetworkCard, choose_file
from desktop.queue.drop_window import DropWindow
from engine.files import size_text
from engine.library.networks import SHARED, Network

_WIDTH = 520


class SharedSheet(QDialog):
    """Not modal: drops on it go to the window, downloads continue when it is closed.

    Parameters
    ----------
    folder : folder of the networks
    mirror : address of the hub set by the user, "" for the official one
    choose : asks for a file; replaced in tests
    networks : replaced in tests

    Signals
    -------
    changed : a network was added or removed, or a download ended
    """

    changed = Signal()

    def __init__(
        self,
        folder: Path,
        mirror: Callable[[], str],
        choose: ChooseFile = choose_file,
        parent: DropWindow | None = None,
        networks: tuple[Network, ...] = SHARED,
    ) -> None:
        super().__init__(parent)
        self._window = parent
        self._folder = folder
        self.cards = tuple(NetworkCard(each, folder, mirror, choose) for each in networks)
        for card in self.cards:
            card.changed.connect(self.refresh)
            card.changed.connect(self.changed)
            card.task_started.connect(self.refresh)
        self.setWindowTitle(self.tr("Community Voices"))
        self.setAcceptDrops(parent is not None)
        self.setFixedWidth(_WIDTH)
        self._build()
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether something is being downloaded or checked."""
        return any(card.task.is_running for card in self.cards)

    @Slot()
    def refresh(self) -> None:
        """Update the buttons for what is still missing."""
        missing = [card for card in self.cards if card.network.missing(self._folder)]
        idle = [card for card in missing if not card.task.is_running]
        size = size_text(sum(card.network.about_bytes for card in idle))
        self.download.setText(self.tr("Download All ({size})").format(size=size))
        self.download.setVisible(bool(missing))
        self.download.setEnabled(bool(idle))
        if not missing:
            self.later.setText(self.tr("Done"))
        elif self.is_busy:
            self.later.setText(self.tr("Continue in Background"))
        else:
            self.later.setText(self.tr("Not Now"))
        self._fit()

    def _fit(self) -> None:
        """Adjust the height to the text."""
        column = self.layout()
        if column is not None:
            column.activate()
            self.setFixedHeight(column.totalHeightForWidth(_WIDTH))

    @Slot()
    def download_all(self) -> None:
        """Download all missing networks."""
        for card in self.cards:
            if card.network.missing(self._folder):
                card.start_download()

    def close_tasks(self) -> None:
        """Stop what is running before the app quits; downloads continue next time."""
        for card in self.cards:
            card.task.close()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Networks may have been installed elsewhere."""
        for card in self.cards:
            card.refresh()
        self.refresh()
        super().showEvent(event)
        self._fit()

    def reject(self) -> None:
        """Close on Escape and Not Now."""
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Only hide the sheet."""
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Pass it to the window, so that files can be dropped while the sheet is open."""
        if self._window is not None:
            self._window.dragEnterEvent(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """Pass it to the window."""
        if self._window is not None:
            self._window.dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Pass it to the window."""
        if self._window is not None:
            self._window.dropEvent(event)

    def _build(self) -> None:
        title = style.PlainLabel(self.tr("Voices from the community need two networks"))
        title.setFont(style.heading_font(title, 1.25))
        title.setWordWrap(True)
        text = style.SecondaryLabel(
            self.tr(
                "The starter voice works offline right away: drop a file and listen. Other voices "
                "need these two networks, downloaded once and checked. Nothing is downloaded "
                "unless you ask for it. You find them later in Settings › Models."
            )
        )
        self.later = QPushButton()
        self.later.setAutoDefault(False)
        self.later.clicked.connect(self.reject)
        self.download = QPushButton()
        self.download.setDefault(True)
        self.download.clicked.connect(self.download_all)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self.later)
        foot.addWidget(self.download)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 18)
        column.setSpacing(12)
        column.addWidget(title)
        column.addWidget(text)
        for card in self.cards:
            column.addWidget(card)
        column.addSpacing(4)
        column.addLayout(foot)
