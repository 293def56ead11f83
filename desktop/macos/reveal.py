"""Show a file in its folder."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices


def reveal_command(path: Path) -> tuple[str, list[str]] | None:
    """The program that shows the file selected; None where only its folder can be opened."""
    if sys.platform == "darwin" and path.exists():
        return "/usr/bin/open", ["-R", str(path)]
    return None


def reveal(path: Path) -> None:
    """Select the file in Finder; elsewhere open the folder it lies in.

    A file that is gone shows its nearest folder that is there.
    """
    command = reveal_command(path)
    if command is not None:
        QProcess.startDetached(*command)
        return
    folder = next(place for place in path.absolute().parents if place.is_dir())
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
