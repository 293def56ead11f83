"""A file appears under its name complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Iterator[int]:
    """Write beside `path`, then rename; on any failure leave everything as it was.

    Yields
    ------
    Descriptor of a new hidden file in the same folder, open for reading and writing. The block
    must not close it; when the block ends well the content is flushed to disk and named `path`.

    Raises
    ------
    FileExistsError : if `path` is there (at the start, or by the end) and `overwrite` is False
    OSError : if the folder is missing or refuses, or the disk is full
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = path.parent / f".{secrets.token_hex(8)}.part"
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            part.replace(path)
        else:
            _rename_without_replacing(part, path)
    finally:
        part.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _rename_without_replacing(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # exFAT and some network disks know no hard links: claim the name first, then fill it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            part.replace(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _flush_folder(folder: Path) -> None:
    # The rename itself reaches the disk; where folders cannot be flushed it does so later.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
