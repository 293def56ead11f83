"""Where the app keeps what it remembers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engine.library.location import VOICES_VARIABLE, voices_dir
from engine.paths import starter_dir

DATA_VARIABLE = "URVC_DATA_DIR"
"""Names one folder for everything, e.g. to try the app without touching one's own data."""

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
        """The conversions asked for, done and undone."""
        return self.data / "queue.json"

    @property
    def settings_file(self) -> Path:
        """What the user chose."""
        return self.data / "settings.json"

    @property
    def voices_dir(self) -> Path:
        """Installed voices, shared with the command line."""
        named = os.environ.get(VOICES_VARIABLE, "")
        return voices_dir() if named else self.data / "voices"


def sample_file() -> Path:
    """A few seconds of speech that ship with the program."""
    return starter_dir() / "sample.wav"
