"""The lock on changes to the library, and the folders in which imports are prepared."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

STAGING = ".staging"
DOWNLOADS = ".downloads"
KEEP_DOWNLOADS_S = 7 * 24 * 3600.0
"""How long a broken download can be continued."""

_LOCK = ".lock"
_OWNER = "owner.lock"


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Hold the library's lock, which one process has at a time; for short steps only."""
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / _LOCK):
        yield


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """An empty folder on the library's disk, deleted afterwards.

    If this process is killed, the system releases its lock and the next `clean_up` deletes it.
    """
    with changing(root):
        folder = root / STAGING / secrets.token_hex(8)
        folder.mkdir(parents=True)
        owner = FileLock(folder / _OWNER)
        owner.acquire()
    try:
        work = folder / "work"
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner.release()


def clean_up(root: Path, now_s: float | None = None) -> None:
    """Delete what killed imports and forgotten downloads left; never fails."""
    with suppress(OSError):
        if not root.is_dir() or not any((root / name).exists() for name in (STAGING, DOWNLOADS)):
            return
        with changing(root):
            before_s = (time.time() if now_s is None else now_s) - KEEP_DOWNLOADS_S
            forgotten = [
                folder for folder in _below(root / DOWNLOADS) if folder.stat().st_mtime < before_s
            ]
            for folder in [*_below(root / STAGING), *forgotten]:
                with suppress(Timeout), FileLock(folder / _OWNER, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def download_folder(root: Path, key: str) -> Iterator[Path | None]:
    """The folder of one download, kept for the next try; None if another process uses it."""
    with changing(root):
        folder = root / DOWNLOADS / key
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        owner = FileLock(folder / _OWNER, timeout=0)
    try:
        owner.acquire()
    except Timeout:
        yield None
        return
    try:
        yield folder
    finally:
        owner.release()


def _below(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []
