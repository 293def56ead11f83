"""Where the installed voices lie."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VOICES_VARIABLE = "URVC_VOICES_DIR"


def voices_dir(override: Path | None = None) -> Path:
    """The folder of the installed voices; it need not exist yet.

    Parameters
    ----------
    override : what ``--voices-dir`` said; else the environment's ``URVC_VOICES_DIR``, else the
        user's data folder of this system

    Returns
    -------
    An absolute path.
    """
    if override is not None:
        return override.expanduser().absolute()
    named = os.environ.get(VOICES_VARIABLE, "")
    if named:
        return Path(named).expanduser().absolute()
    return Path(platformdirs.user_data_dir("Ultimate RVC", appauthor=False), "voices")
