"""Start when the user logs in: a launch agent, one file that can be deleted by hand."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path

LABEL = "local.ultimate-rvc"

BACKGROUND = "--background"
_LAUNCHER = Path(__file__).resolve().parents[2] / "urvc-macos.sh"
"""Argument: start without a window."""


class LoginItem:
    """The file in `~/Library/LaunchAgents`.

    Parameters
    ----------
    command : program and arguments
    folder : replaced in tests; None where the system has no launch agents
    """

    def __init__(self, command: list[str], folder: Path | None) -> None:
        self._command = command
        self._file = None if folder is None else folder / f"{LABEL}.plist"

    @classmethod
    def of_this_app(cls) -> LoginItem:
        """The login item of the running app."""
        folder = Path.home() / "Library" / "LaunchAgents" if sys.platform == "darwin" else None
        return cls(start_command(Path(sys.executable)), folder)

    @property
    def is_available(self) -> bool:
        """Whether this system has launch agents."""
        return self._file is not None

    @property
    def is_on(self) -> bool:
        """Whether the app starts at login."""
        return self._file is not None and self._file.is_file()

    def set_on(self, *, on: bool) -> None:
        """Start at the next login, or not.

        Raises
        ------
        OSError : if the file cannot be written or deleted
        """
        if self._file is None:
            return
        if not on:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = {"Label": LABEL, "ProgramArguments": self._command, "RunAtLoad": True}
        temporary = self._file.with_suffix(".part")
        temporary.write_bytes(plistlib.dumps(content))
        temporary.replace(self._file)


def start_command(executable: Path) -> list[str]:
    """The command for a hidden start: the bundle by ``open``, else the launcher script.

    An app that was not moved since it was downloaded runs from a place that macOS makes up each
    time: it is then started by its name.
    """
    bundle = next((place for place in executable.parents if place.suffix == ".app"), None)
    # Python itself may lie in a bundle (Python.app of a framework build): that is not this app.
    if bundle is not None and bundle.name != "Python.app":
        moved = "AppTranslocation" not in bundle.parts
        what = [str(bundle)] if moved else ["-b", LABEL]
        return ["/usr/bin/open", *what, "--args", BACKGROUND]
    return [str(_LAUNCHER), "run", BACKGROUND]
