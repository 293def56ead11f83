"""Put a file or folder where the user can get it back."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QFile


def move_to_trash(path: Path) -> None:
    """Into the system's trash (on Linux the one of freedesktop.org).

    Raises
    ------
    OSError : if the system refuses; the file is where it was
    """
    file = QFile(str(path))
    if not file.moveToTrash():
        raise OSError(0, file.errorString(), str(path))
