"""Files on this disk: written whole or not at all, their hash, and the room for them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from engine.errors import NotAFileError, Refusal, Text
from engine.progress import CancelToken

PIECE_BYTES = 2**20
SPARE_BYTES = 32 * 2**20
"""Always left free: a Mac with a completely full disk stops working."""

ByteListener = Callable[[int, int | None], None]
"""Receives the bytes done and the bytes in all (None: not known)."""

_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Iterator[int]:
    """Write beside `path`, then rename; any failure leaves everything as it was.

    Yields
    ------
    Descriptor of a new hidden file in the same folder, open for reading and writing. The block
    must not close it; when the block succeeds, the content is flushed to disk and named `path`.

    Raises
    ------
    FileExistsError : if `path` exists (at the start, or by the end) and `overwrite` is False
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
    flush_folder(path.parent)


def _rename_without_replacing(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # exFAT and some network disks have no hard links: claim the name first, then fill it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            part.replace(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put_in_place(descriptor: int, temporary: Path, destination: Path) -> None:
    """Make an open, complete file durable and give it its final name, in one step."""
    os.fsync(descriptor)
    temporary.replace(destination)
    flush_folder(destination.parent)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; anything else is refused without waiting or side effects.

    Raises
    ------
    NotAFileError : a folder, a pipe (which would wait for a writer) or a device
    OSError : it cannot be opened
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotAFileError(path)
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # replaced meanwhile
        file.close()
        raise NotAFileError(path)
    return file


def read_small_file(path: Path, most_bytes: int) -> bytes:
    """The content of a file that must be small.

    Raises
    ------
    ValueError : it has more than ``most_bytes``
    OSError : as in `open_file`
    """
    with open_file(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"more than {most_bytes} bytes")
    return content


def file_sha256(
    path: Path, cancel: CancelToken | None = None, listener: ByteListener | None = None
) -> str:
    """The hex SHA-256 of a file, in constant memory."""
    digest = hashlib.sha256()
    done_bytes = 0
    with open_file(path) as file:
        total_bytes = os.fstat(file.fileno()).st_size
        while piece := file.read(PIECE_BYTES):
            if cancel is not None:
                cancel.raise_if_cancelled()
            digest.update(piece)
            done_bytes += len(piece)
            if listener is not None:
                listener(done_bytes, total_bytes)
    return digest.hexdigest()


def require_room(folder: Path, needed_bytes: int) -> None:
    """Check the free space before writing.

    Raises
    ------
    Refusal : if less than ``needed_bytes`` and `SPARE_BYTES` are free
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes + SPARE_BYTES:
        raise Refusal(
            Text(
                "the disk is too full ({needed} more are needed, {free} are free)",
                needed=size_text(needed_bytes),
                free=size_text(max(0, free_bytes - SPARE_BYTES)),
            ),
            "free some space and try again",
        )


def size_text(size_bytes: int) -> str:
    """A size as shown to users, e.g. ``181.2 MB`` (decimal, as Finder counts)."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
