"""Whether this program runs from the Mac app's bundle, and where that lies."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "RESOURCEPATH"
"""In it the bundle's program names its ``Contents/Resources``; children inherit it."""


def bundle_contents() -> Path | None:
    """The folder ``Contents``; None outside a bundle."""
    named = os.environ.get(VARIABLE, "")
    return Path(named).resolve().parent if named else None


def advised(command: str, app: str) -> str:
    """The advice that can be followed here.

    Parameters
    ----------
    command : what to type; a checkout has the command ``urvc``
    app : where in the app it is done; the bundle has no command
    """
    return command if bundle_contents() is None else app
