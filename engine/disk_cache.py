"""Files that can be made again, kept up to a size; the least recently used ones go first.

An entry may be a folder of files, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import platformdirs

from engine.files import atomic_file, require_room

CACHE_VARIABLE = "URVC_CACHE_DIR"


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

    def reserve(self, key: Sequence[object], about_bytes: int) -> Path:
        """Make room for the file of a key, and tell where it belongs.

        It has to get that name only when it is complete, see `engine.files.atomic_file`.

        Parameters
        ----------
        about_bytes : how much room it needs

        Raises
        ------
        Refusal : the disk is too full
        OSError : the folder cannot be written
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tidy(about_bytes)
        require_room(self.folder, about_bytes)
        return self.path(key)

    def write(self, key: Sequence[object], content: bytes) -> Path:
        """Make the file of a key; if that fails, nothing is kept. Raises as `reserve`."""
        path = self.reserve(key, len(content))
        with (
            atomic_file(path, overwrite=True) as descriptor,
            os.fdopen(os.dup(descriptor), "wb") as file,
        ):
            file.write(content)
        return path

    def clear(self) -> None:
        """Delete all files."""
        for path in self._files():
            _delete(path)

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"*{self._ending}"))

    def _tidy(self, needed_bytes: int) -> None:
        """Make room within the limit."""
        kept = []
        for path in self._files():
            with suppress(OSError):
                status = path.stat()
                size = sum(each.stat().st_size for each in path.rglob("*")) or status.st_size
                kept.append((status.st_mtime_ns, size, path))
        total = needed_bytes + sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self._most_bytes:
                break
            _delete(path)
            total -= size


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
