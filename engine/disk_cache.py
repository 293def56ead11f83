"""Files that can be made again, kept up to a size; the least recently used ones go first."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import platformdirs

from engine.files import put_in_place, require_room

CACHE_VARIABLE = "URVC_CACHE_DIR"

_PART_ENDING = ".part"
_LEFTOVER_AFTER_S = 6 * 3600.0


def cache_dir(name: str, override: Path | None = None) -> Path:
    """A folder for a cache: the override, else in ``URVC_CACHE_DIR``, else in the system's.

    It may be deleted at any time, and need not exist yet.
    """
    if override is not None:
        return override.expanduser().absolute()
    named = os.environ.get(CACHE_VARIABLE, "")
    if named:
        return Path(named).expanduser().absolute() / name
    return Path(platformdirs.user_cache_dir("Ultimate RVC", appauthor=False), name)


class DiskCache:
    """A folder of files by everything they depend on.

    A file gets its name only when it is complete, so a process that is killed leaves nothing that
    would be taken for a result.

    Parameters
    ----------
    folder : see `cache_dir`
    ending : of the files' names
    most_bytes : all files together
    """

    def __init__(self, folder: Path, ending: str, most_bytes: int) -> None:
        self.folder = folder
        self._ending = ending
        self._most_bytes = most_bytes

    def path(self, key: Sequence[object]) -> Path:
        """Where the file of a key belongs.

        Parameters
        ----------
        key : values whose ``repr`` tells them apart; any change of them is another key
        """
        digest = hashlib.sha256(repr(tuple(key)).encode(errors="surrogateescape")).hexdigest()
        return self.folder / f"{digest}{self._ending}"

    def find(self, key: Sequence[object]) -> Path | None:
        """The file of a key, if it is there; it counts as used now."""
        path = self.path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def keep(self, key: Sequence[object], about_bytes: int, make: Callable[[Path], object]) -> Path:
        """Make the file of a key.

        Parameters
        ----------
        about_bytes : how much room it needs
        make : writes the file of the given name; if it raises, nothing is kept

        Raises
        ------
        Refusal : the disk is too full
        OSError : the folder cannot be written
        """
        path = self.path(key)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tidy(about_bytes)
        require_room(self.folder, about_bytes)
        part = self.folder / f".{secrets.token_hex(8)}{_PART_ENDING}"
        try:
            make(part)
            with part.open("rb+") as file:
                put_in_place(file.fileno(), part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def clear(self) -> None:
        """Delete all files."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"*{self._ending}"))

    def _tidy(self, needed_bytes: int) -> None:
        """Make room within the limit, and remove what killed processes left."""
        now = time.time()
        for part in self.folder.glob(f".*{_PART_ENDING}"):
            with suppress(OSError):
                if now - part.stat().st_mtime > _LEFTOVER_AFTER_S:
                    part.unlink()
        kept = []
        for path in self._files():
            with suppress(OSError):
                status = path.stat()
                kept.append((status.st_mtime_ns, status.st_size, path))
        total = needed_bytes + sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self._most_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
