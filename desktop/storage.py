"""The app's folders, and small files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from PySide6.QtCore import QStandardPaths

from engine.files import open_file
from engine.library.installed_voice import VOICES_VARIABLE, voices_dir
from engine.paths import bundle_contents, starter_dir

_MAX_BYTES = 64 << 20


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file atomically.

    Parameters
    ----------
    durable : wait until it is on the disk, so that it survives a power failure

    Raises
    ------
    OSError : the file cannot be written
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)


def read_json(path: Path) -> Any:
    """The content of a file; None if it is missing or damaged.

    A damaged file is renamed to ``NAME.damaged``, so that it is not overwritten.
    """
    try:
        with open_file(path) as file:
            return json.loads(file.read(_MAX_BYTES))  # cut off, it counts as damaged
    except OSError:
        return None
    except (ValueError, RecursionError):
        try:
            path.replace(path.with_name(f"{path.name}.damaged"))
        except OSError:
            return None
        return None


DATA_VARIABLE = "URVC_DATA_DIR"
"""One folder for everything, e.g. to try the app without touching your own data."""

_APP_NAME = "Ultimate RVC"


@dataclass(frozen=True)
class AppPaths:
    """The app's folders; none of them need exist yet."""

    data: Path
    cache: Path
    logs: Path

    @classmethod
    def standard(cls) -> AppPaths:
        """Application Support, Caches and Logs of this user, unless `DATA_VARIABLE` is set."""
        named = os.environ.get(DATA_VARIABLE, "")
        if named:
            root = Path(named).expanduser().absolute()
            return cls(root, root / "cache", root / "logs")
        return cls(
            Path(platformdirs.user_data_dir(_APP_NAME, appauthor=False)),
            Path(platformdirs.user_cache_dir(_APP_NAME, appauthor=False)),
            Path(platformdirs.user_log_dir(_APP_NAME, appauthor=False)),
        )

    @property
    def queue_file(self) -> Path:
        """The queue of conversions."""
        return self.data / "queue.json"

    @property
    def settings_file(self) -> Path:
        """The user's settings."""
        return self.data / "settings.json"

    @property
    def takes_cache(self) -> Path:
        """Results of the first stages of conversions, so that another take is quick."""
        return self.cache / "takes"

    @property
    def voices_dir(self) -> Path:
        """Installed voices, shared with the command line."""
        named = os.environ.get(VOICES_VARIABLE, "")
        return voices_dir() if named else self.data / "voices"


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder; 0 if it is not there."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(here, name).lstat().st_size
    return total


def delete_files(folder: Path) -> None:
    """Delete the files below a folder, but not those that are being written now."""
    for here, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".part"):
                with contextlib.suppress(OSError):
                    Path(here, name).unlink()


def sample_file() -> Path:
    """A few seconds of speech that ship with the program."""
    return starter_dir() / "sample.wav"


def folder_for_result(source: Path) -> Path | None:
    """Where the result of a source belongs that lies inside the program: the user's Music folder.

    Returns
    -------
    None for all other sources, whose results are written beside them.
    """
    program = bundle_contents() or Path(__file__).resolve().parents[1]
    if not source.resolve().is_relative_to(program):
        return None
    return Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation))
