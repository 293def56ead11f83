"""The networks that community voices share: size, licence, download, check, delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop.background import BackgroundTask, Listener, Outcome, Work
from desktop.icons import symbol
from desktop.networks.network_needs import Agree, agree_to_licence
from desktop.settings.page import TablePage, caption
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR
from desktop.style import RADIUS, PlainLabel, hairline
from desktop.translation import translate
from engine.files import size_text
from engine.library.networks import NETWORKS, FileState, Network, fetch, remove, use_file, verify
from engine.progress import CancelToken

ChooseFile = Callable[[QWidget, str], Path | None]
_STEPS = 1000


def choose_file(parent: QWidget, title: str) -> Path | None:
    """Ask for a file."""
    name, _ = QFileDialog.getOpenFileName(parent, title)
    return Path(name) if name else None


class NetworkCard(QWidget):
    """One network, with its state and actions.

    Parameters
    ----------
    folder : folder of the networks
    mirror : address of the hub set by the user, "" for the official one
    choose, agree : ask for a file, and about a licence; replaced in tests
    """

    changed = Signal()
    task_started = Signal()

    def __init__(
        self,
        network: Network,
        folder: Path,
        mirror: Callable[[], str],
        choose: ChooseFile = choose_file,
        parent: QWidget | None = None,
        agree: Agree = agree_to_licence,
    ) -> None:
        super().__init__(parent)
        self.network = network
        self._folder = folder
        self._mirror = mirror
        self._choose = choose
        self._agree = agree
        self.task = BackgroundTask(self)
        self.task.progressed.connect(self._show_progress)
        self.task.ended.connect(self._take_outcome)
        self._build()
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Update state and buttons."""
        installed = not self.network.missing(self._folder)
        busy = self.task.is_running
        self.state.setText(self.tr("Installed") if installed else self.tr("Not installed"))
        for button, shown in (
            (self.download, not installed and self.network.can_be_downloaded),
            (self.take_in, not installed),
            (self.verify, installed),
            (self.remove, installed),
        ):
            button.setVisible(shown and not busy)
        self.cancel.setVisible(busy)
        self.progress.setVisible(busy)

    @Slot()
    def start_download(self) -> None:
        """Fetch what is missing, after the licence was accepted where the network demands it."""
        if self.network.licence_first and not self._agree(self, self.network):
            return
        self._start(
            _download(self.network, self._folder, self._mirror() or None),
            self.tr("Downloading…"),
        )

    @Slot()
    def start_check(self) -> None:
        """Compare the hash."""
        self._start(_verify(self.network, self._folder), self.tr("Checking…"))

    @Slot()
    def start_removal(self) -> None:
        """Delete the files; they can be downloaded again."""
        self._start(_remove(self.network, self._folder), self.tr("Removing…"))

    @Slot()
    def start_taking_in(self) -> None:
        """Use a file that the user has."""
        name = self.network.weights.name
        source = self._choose(self, self.tr("Choose {name}").format(name=name))
        if source is not None:
            work = _use_file(self.network, self._folder, source, self._mirror() or None)
            self._start(work, self.tr("Checking…"))

    def _start(self, work: Work, sentence: str) -> None:
        if self.task.start(work):
            self._say(sentence)
            self.progress.setRange(0, 0)
            self.refresh()
            self.task_started.emit()

    @Slot(object, object)
    def _show_progress(self, done: float | None, total: float | None) -> None:
        if not done or not total:
            return
        self.progress.setRange(0, _STEPS)
        self.progress.setValue(min(_STEPS, round(_STEPS * done / total)))
        self._say(
            self.tr("{done} of {total}").format(
                done=size_text(round(done)), total=size_text(round(total))
            )
        )

    @Slot(object)
    def _take_outcome(self, outcome: Outcome) -> None:
        sentences = {
            "failed": outcome.sentence,
            "cancelled": self.tr("Cancelled; a download continues where it stopped."),
            "finished": {
                "right": self.tr("Checked: the file is correct."),
                "damaged": self.tr("The file is damaged; remove it and download it again."),
                "missing": self.tr("A file is missing; download it again."),
            }.get(str(outcome.value), ""),
        }
        self._say(sentences[outcome.state])
        self.refresh()
        self.changed.emit()

    def _build(self) -> None:
        name, purpose = translate(self.network.title), translate(self.network.purpose)
        title = PlainLabel(name)
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.state = PlainLabel()
        facts = self.tr("{size} · licence {licence} · from {source}").format(
            size=size_text(self.network.about_bytes),
            licence=translate(self.network.licence),
            source=self.network.source_page.removeprefix("https://"),
        )
        self.message = caption("")
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName(name)
        self.download = self._button("download", self.tr("Download"), self.start_download)
        self.take_in = self._button("folder", self.tr("Use a File…"), self.start_taking_in)
        self.verify = self._button("verify", self.tr("Check"), self.start_check)
        self.remove = self._button("trash", self.tr("Remove"), self.start_removal)
        self.cancel = self._button("cancel", self.tr("Cancel"), self.task.cancel)
        head, foot = QHBoxLayout(), QHBoxLayout()
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.state)
        for button in (self.download, self.take_in, self.verify, self.remove):
            foot.addWidget(button)
        foot.addWidget(self.progress, 1)
        foot.addWidget(self.cancel)
        foot.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 10)
        column.addLayout(head)
        column.addWidget(caption(purpose))
        column.addWidget(caption(facts))
        column.addSpacing(4)
        column.addLayout(foot)
        column.addWidget(self.message)
        self._say("")

    def _say(self, sentence: str) -> None:
        """Below the buttons, where a long sentence has the card's whole width."""
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the card's background."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(hairline(self.palette()))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)

    def _button(self, icon: str, name: str, action: Callable[[], None]) -> QPushButton:
        button = QPushButton(symbol(icon), name)
        button.setAutoDefault(False)
        button.clicked.connect(action)
        return button


def _download(network: Network, folder: Path, hub: str | None) -> Work:
    """Fetch what is missing; returns None."""

    def work(cancel: CancelToken, tell: Listener) -> None:
        fetch(network, folder, hub=hub, licence_read=True, listener=tell, cancel=cancel)

    return work


def _verify(network: Network, folder: Path) -> Work:
    """Compare the hashes; returns a `FileState`."""

    def work(cancel: CancelToken, tell: Listener) -> FileState:
        return verify(network, folder, listener=tell, cancel=cancel)

    return work


def _use_file(network: Network, folder: Path, source: Path, hub: str | None) -> Work:
    """Copy the user's own file, and fetch the small files beside it."""

    def work(cancel: CancelToken, tell: Listener) -> None:
        use_file(source, network, folder, listener=tell, cancel=cancel)
        if network.can_be_downloaded and network.missing(folder):
            fetch(network, folder, hub=hub, licence_read=True, cancel=cancel)

    return work


def _remove(network: Network, folder: Path) -> Work:
    """Delete the files; returns whether there were any."""

    def work(_cancel: CancelToken, _tell: Listener) -> bool:
        return remove(network, folder)

    return work


class ModelsPage(TablePage):
    """A card for each network, and the address of a mirror."""

    changed = Signal()

    def __init__(self, settings: Settings, folder: Path, choose: ChooseFile = choose_file) -> None:
        super().__init__(
            settings,
            "models",
            self.tr(
                "Community voices need these networks. They are downloaded only when you ask; "
                "the starter voice works without them."
            ),
        )
        self.cards = tuple(
            NetworkCard(network, folder, lambda: settings.value(MIRROR), choose)
            for network in NETWORKS
        )
        for number, card in enumerate(self.cards):
            self.column.insertWidget(1 + number, card)
            card.changed.connect(self.changed)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """A network may have been installed elsewhere."""
        for card in self.cards:
            card.refresh()
        super().showEvent(event)

    def close_tasks(self) -> None:
        """Stop what is running before the app quits; downloads continue next time."""
        for card in self.cards:
            card.task.close()
