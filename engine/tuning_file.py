"""The small files in which measurements of this machine are kept; never trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from engine.files import atomic_file
from engine.paths import data_folder

TUNING_VARIABLE = "URVC_TUNING_DIR"
_MAX_BYTES = 1 << 20


def tuning_dir(override: Path | None = None) -> Path:
    """The folder of the measurements; it need not exist yet.

    Parameters
    ----------
    override : else the environment's ``URVC_TUNING_DIR``, else the user's data folder

    Returns
    -------
    An absolute path.
    """
    return data_folder("tuning", TUNING_VARIABLE, override)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where it is missing, damaged or none."""
    try:
        with path.open(encoding="utf-8") as file:
            found = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_object(path: Path, content: dict[str, Any]) -> None:
    """Replace a file whole.

    Raises
    ------
    OSError : the disk is full or refuses
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, overwrite=True) as descriptor:
        os.write(descriptor, json.dumps(content, indent=1).encode())
