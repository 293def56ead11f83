"""What can be downloaded: the networks that community voices share, and MLX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop.background import Listener, Outcome, Work
from desktop.networks.card import DownloadCard
from desktop.networks.network_needs import Agree, agree_to_licence
from desktop.settings.page import TablePage
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR
from desktop.translation import translate
from engine.device import is_apple_silicon
from engine.files import size_text
from engine.library import mlx_add_on
from engine.library.networks import NETWORKS, FileState, Network, fetch, remove, use_file, verify
from engine.progress import CancelToken

ChooseFile = Callable[[QWidget, str], Path | None]


def choose_file(parent: QWidget, title: str) -> Path | None:
    """Ask for a file."""
    name, _ = QFileDialog.getOpenFileName(parent, title)
    return Path(name) if name else None


class NetworkCard(DownloadCard):
    """One network, with its state and actions.

    Parameters
    ----------
    folder : folder of the networks
    mirror : address of the hub set by the user, "" for the official one
    choose, agree : ask for a file, and about a licence; replaced in tests
    """

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
        self.download = self.button("download", self.tr("Download"), self.start_download)
        self.take_in = self.button("folder", self.tr("Use a File…"), self.start_taking_in)
        self.verify = self.button("verify", self.tr("Check"), self.start_check)
        self.remove = self.button("trash", self.tr("Remove"), self.start_removal)
        facts = self.tr("{size} · licence {licence} · from {source}").format(
            size=size_text(network.about_bytes),
            licence=translate(network.licence),
            source=network.source_page.removeprefix("https://"),
        )
        self.build(
            translate(network.title),
            translate(network.purpose),
            facts,
            (self.download, self.take_in, self.verify, self.remove),
        )
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Update state and buttons."""
        installed = not self.network.missing(self._folder)
        shown = (
            (self.download, not installed and self.network.can_be_downloaded),
            (self.take_in, not installed),
            (self.verify, installed),
            (self.remove, installed),
        )
        self.show_state(shown, installed=installed)

    @Slot()
    def start_download(self) -> None:
        """Fetch what is missing, after the licence was accepted where the network demands it."""
        if self.network.licence_first and not self._agree(self, self.network):
            return
        self.start(
            _download(self.network, self._folder, self._mirror() or None),
            self.tr("Downloading…"),
        )

    @Slot()
    def start_check(self) -> None:
        """Compare the hash."""
        self.start(_verify(self.network, self._folder), self.tr("Checking…"))

    @Slot()
    def start_removal(self) -> None:
        """Delete the files; they can be downloaded again."""
        self.start(_remove(self.network, self._folder), self.tr("Removing…"))

    @Slot()
    def start_taking_in(self) -> None:
        """Use a file that the user has."""
        name = self.network.weights.name
        source = self._choose(self, self.tr("Choose {name}").format(name=name))
        if source is not None:
            work = _use_file(self.network, self._folder, source, self._mirror() or None)
            self.start(work, self.tr("Checking…"))

    def sentence(self, outcome: Outcome) -> str:
        """What the check found, or what a cancelled download leaves."""
        if outcome.state == "cancelled":
            return self.tr("Cancelled; a download continues where it stopped.")
        return {
            "right": self.tr("Checked: the file is correct."),
            "damaged": self.tr("The file is damaged; remove it and download it again."),
            "missing": self.tr("A file is missing; download it again."),
        }.get(str(outcome.value), "")


class MlxCard(DownloadCard):
    """MLX, which pip installs as an add-on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.install = self.button("download", self.tr("Download"), self.start_install)
        self.remove = self.button("trash", self.tr("Remove"), self.start_removal)
        smallest, largest = map(size_text, mlx_add_on.ABOUT_BYTES)
        facts = self.tr("{smallest} to {largest}, by macOS · licence {licence}").format(
            smallest=smallest, largest=largest, licence=mlx_add_on.LICENCE
        )
        purpose = self.tr(
            "May convert faster than PyTorch. “Tune for This Mac” tries it, and uses it "
            "only if it is faster here and sounds the same."
        )
        self.build(translate(mlx_add_on.TITLE), purpose, facts, (self.install, self.remove))
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Update state and buttons."""
        installed = mlx_add_on.is_installed()
        shown = ((self.install, not installed), (self.remove, installed))
        self.show_state(shown, installed=installed)

    @Slot()
    def start_install(self) -> None:
        """Let pip download it."""
        self.start(lambda cancel, tell: mlx_add_on.install(tell, cancel), self.tr("Downloading…"))

    @Slot()
    def start_removal(self) -> None:
        """Delete it; what runs by it goes on until the app is closed."""
        self.start(lambda _cancel, _tell: mlx_add_on.remove(), self.tr("Removing…"))

    def sentence(self, outcome: Outcome) -> str:
        """What to do with it now."""
        if outcome.state == "cancelled":
            return self.tr("Cancelled; nothing was installed.")
        if mlx_add_on.is_installed():
            return self.tr("Installed. Tune for This Mac to find out whether it is faster here.")
        return ""


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
    """A card for each network, on a Mac one for MLX, and the address of a mirror."""

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
        self.mlx = MlxCard() if is_apple_silicon() else None
        self._all: list[DownloadCard] = [*self.cards, *filter(None, [self.mlx])]
        for number, card in enumerate(self._all):
            self.column.insertWidget(1 + number, card)
        for card in self.cards:
            card.changed.connect(self.changed)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """A network may have been installed elsewhere."""
        for card in self._all:
            card.refresh()
        super().showEvent(event)

    def close_tasks(self) -> None:
        """Stop what is running before the app quits; downloads continue next time."""
        for card in self._all:
            card.task.close()
