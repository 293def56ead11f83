"""Folders in which an import is made ready, and the lock that guards the library's changes."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STAGING = ".staging"
DOWNLOADS = ".downloads"
KEEP_DOWNLOADS_S = 7 * 24 * 3600.0
"""A broken download can be taken up again for a week."""

_LOCK = ".lock"
_OWNER = "owner.lock"


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Wait until no other process changes the library; for short steps only.

    Raises
    ------
    OSError : the folder cannot be made or written
    """
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / _LOCK):
        yield


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """An empty folder on the library's disk that is gone afterwards, whatever happens.

    If this process is killed, `clean_up` of the next one finds that nobody holds it any more.

    Raises
    ------
    OSError : it cannot be made
    """
    with changing(root):
        folder = root / STAGING / secrets.token_hex(8)
        folder.mkdir(parents=True)
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        work = folder / "work"
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


def clean_up(root: Path, now_s: float | None = None) -> None:
    """Remove what killed imports and forgotten downloads have left; never fails."""
    with suppress(OSError):
        if not root.is_dir() or not any((root / name).exists() for name in (STAGING, DOWNLOADS)):
            return
        with changing(root):
            for folder in _below(root / STAGING):
                if not _is_held(folder / _OWNER):
                    shutil.rmtree(folder, ignore_errors=True)
            before_s = (time.time() if now_s is None else now_s) - KEEP_DOWNLOADS_S
            for folder in _below(root / DOWNLOADS):
                if folder.stat().st_mtime < before_s and not _is_held(folder / _OWNER):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def download_folder(root: Path, key: str) -> Iterator[Path | None]:
    """The folder of one download, kept for the next try; None if another process uses it.

    Raises
    ------
    OSError : it cannot be made
    """
    with changing(root):
        folder = root / DOWNLOADS / key
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield folder
    finally:
        os.close(owner)


def flush_folder(folder: Path) -> None:
    """Make names in a folder durable where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _below(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []
