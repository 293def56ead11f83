"""Small files of the app's own: replaced whole or not at all, and never trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MAX_BYTES = 64 << 20


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file; whoever reads it sees the old content or the new, never a part.

    Parameters
    ----------
    durable : wait until the disk has it, so that it outlives a loss of power too

    Raises
    ------
    OSError : the disk is full or refuses
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
    """What a file holds; None where it is missing or damaged.

    A damaged file is put aside as ``NAME.damaged``, so that the next writing does not destroy it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.loads(file.read(MAX_BYTES))  # what is larger is none of ours: cut, damaged
    except OSError:
        return None
    except (ValueError, RecursionError):
        try:
            path.replace(path.with_name(f"{path.name}.damaged"))
        except OSError:
            return None
        return None
