"""The networks that community voices share: what is there, and the work that changes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from desktop.background import Listener, Work
from engine.library.networks import (
    CONTENT_CONFIG,
    CONTENT_WEIGHTS,
    PITCH_WEIGHTS,
    FileState,
    SharedFile,
    fetch,
    install_from_file,
    missing,
    remove,
    verify,
)
from engine.progress import CancelToken


@dataclass(frozen=True)
class SharedNetwork:
    """Files that are of use together only.

    Attributes
    ----------
    key : ``content`` or ``pitch``
    files : small ones first
    """

    key: str
    files: tuple[SharedFile, ...]

    @property
    def about_bytes(self) -> int:
        """Size to show before a download."""
        return sum(file.about_bytes for file in self.files)

    @property
    def main_file(self) -> SharedFile:
        """The weights."""
        return self.files[-1]

    def is_installed(self, folder: Path) -> bool:
        """Whether all files are there, by their length; quick."""
        return not missing(folder, self.files)


NETWORKS = (
    SharedNetwork("content", (CONTENT_CONFIG, CONTENT_WEIGHTS)),
    SharedNetwork("pitch", (PITCH_WEIGHTS,)),
)


def downloading(network: SharedNetwork, folder: Path, hub: str | None) -> Work:
    """Fetch what is missing; returns None."""

    def work(cancel: CancelToken, tell: Listener) -> None:
        before = 0
        for file in network.files:
            done = before

            def listener(file_done: int, _total: int | None, done: int = done) -> None:
                tell(done + file_done, network.about_bytes)

            fetch(file, folder, hub=hub, listener=listener, cancel=cancel)
            before += file.about_bytes

    return work


def verifying(network: SharedNetwork, folder: Path) -> Work:
    """Compare the hashes; returns the worst `FileState` of its files."""

    def work(cancel: CancelToken, tell: Listener) -> FileState:
        found = verify(folder, network.files, listener=tell, cancel=cancel).values()
        worst: tuple[FileState, ...] = ("damaged", "missing")
        return next((state for state in worst if state in found), "right")

    return work


def taking_in(network: SharedNetwork, folder: Path, source: Path, hub: str | None) -> Work:
    """Copy the user's own file of the weights, and fetch the small file beside it."""

    def work(cancel: CancelToken, tell: Listener) -> None:
        install_from_file(source, network.main_file, folder, listener=tell, cancel=cancel)
        for file in missing(folder, network.files):
            fetch(file, folder, hub=hub, cancel=cancel)

    return work


def removing(network: SharedNetwork, folder: Path) -> Work:
    """Delete its files; returns whether there were any."""

    def work(_cancel: CancelToken, _tell: Listener) -> bool:
        return bool([file for file in network.files if remove(file, folder)])

    return work
