"""Files on this disk: their hash, the room for them, and putting them in place for good."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from engine.failure import Refusal
from engine.progress import CancelToken

PIECE_BYTES = 2**20
SPARE_BYTES = 32 * 2**20
"""Never filled: a Mac with a wholly full disk stops working."""

ByteListener = Callable[[int, int | None], None]
"""Told the bytes done and the bytes in all (None: not known)."""


def file_sha256(
    path: Path, cancel: CancelToken | None = None, listener: ByteListener | None = None
) -> str:
    """The hex SHA-256 of a file, in constant memory.

    Raises
    ------
    OSError : if it cannot be read
    ConversionCancelled : if cancelled
    """
    digest = hashlib.sha256()
    done_bytes = 0
    with path.open("rb") as file:
        total_bytes = os.fstat(file.fileno()).st_size
        while piece := file.read(PIECE_BYTES):
            if cancel is not None:
                cancel.raise_if_cancelled()
            digest.update(piece)
            done_bytes += len(piece)
            if listener is not None:
                listener(done_bytes, total_bytes)
    return digest.hexdigest()


def refuse_without_room(folder: Path, needed_bytes: int) -> None:
    """Say before the start that the disk is too full.

    Raises
    ------
    Refusal : if less than ``needed_bytes`` and `SPARE_BYTES` are free
    OSError : if ``folder`` is not there
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes + SPARE_BYTES:
        raise Refusal(
            f"the disk is too full ({spoken_size(needed_bytes)} more are needed, "
            f"{spoken_size(max(0, free_bytes - SPARE_BYTES))} are free)",
            "free some space and try again",
        )


def put_in_place(descriptor: int, temporary: Path, destination: Path) -> None:
    """Make an open, complete file durable and give it its final name, in one step.

    Raises
    ------
    OSError : if that fails; ``destination`` is then as it was
    """
    os.fsync(descriptor)
    temporary.replace(destination)
    folder = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def spoken_size(size_bytes: int) -> str:
    """A size as people say it, e.g. ``181.2 MB`` (decimal, as Finder counts)."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
