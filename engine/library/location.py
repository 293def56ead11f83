"""Where the installed voices lie."""

from __future__ import annotations

from pathlib import Path

from engine.paths import data_folder

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
    return data_folder("voices", VOICES_VARIABLE, override)
