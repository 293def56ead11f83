"""Files on this disk: written whole or not at all, their hash, and the room for them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from engine.errors import NotAFileError, Refusal, Text
from engine.progress import CancelToken

PIECE_BYTES = 2**20
SPARE_BYTES = 32 * 2**20
"""Always left free: a Mac with a completely full disk stops working."""

ByteListener = Callable[[int, int | None], None]
"""Receives the bytes done and the bytes in all (None: not known)."""

_PART = re.compile(r"\.[0-9a-f]{16}\.part")
_SCRATCH = re.compile(r"urvc-[0-9a-f]{16}")
_OWNER = "owner.lock"

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
    remove_stale_parts(path.parent)
    part, descriptor = _new_part(path.parent)
    try:
        yield descriptor
        os.fsync(descriptor)
        if overwrite:
            part.replace(path)
        else:
            _rename_without_replacing(part, path)
    finally:
        part.unlink(missing_ok=True)
        os.close(descriptor)  # last: the lock on it says that the part is in use
    flush_folder(path.parent)


def remove_stale_parts(folder: Path) -> None:
    """Remove the unfinished files of `atomic_file` whose process was killed; never fails.

    The system releases the lock on a file when its process ends, however it ends. Where a disk has
    no locks, nothing is removed.
    """
    with suppress(OSError):
        for part in folder.iterdir():
            if not _PART.fullmatch(part.name):
                continue
            with suppress(OSError), _unused(part):
                part.unlink()


@contextmanager
def _unused(path: Path) -> Iterator[None]:
    """Hold the lock of a file that no running process uses.

    Raises
    ------
    OSError : a process uses it, or the disk has no locks
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _new_part(folder: Path) -> tuple[Path, int]:
    """A new, locked file; another one where `remove_stale_parts` took it before it was locked."""
    while True:
        part = folder / f".{secrets.token_hex(8)}.part"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _is_locked(descriptor):
            return part, descriptor
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Lock a new file; False if another process has just taken it for a stale one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network disks have no locks
        return True
    return os.fstat(descriptor).st_nlink > 0


@contextmanager
def scratch_folder(root: Path | None = None) -> Iterator[Path]:
    """An empty folder for temporary files; what killed processes left of such folders goes first.

    Parameters
    ----------
    root : where it is made; None is the system's folder for them

    Raises
    ------
    OSError : no folder can be made there
    """
    root = root or Path(tempfile.gettempdir())
    _remove_stale_folders(root)
    while True:
        folder = root / f"urvc-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _is_locked(owner):
            break
        os.close(owner)
    try:
        work = folder / "work"
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


def _remove_stale_folders(root: Path) -> None:
    with suppress(OSError):
        for folder in root.iterdir():
            with suppress(OSError):
                if not _SCRATCH.fullmatch(folder.name) or folder.lstat().st_uid != os.getuid():
                    continue
                with _unused(folder / _OWNER):
                    shutil.rmtree(folder, ignore_errors=True)


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


def write_at(descriptor: int, data: bytes, at: int) -> None:
    """Write all of it at an offset.

    Raises
    ------
    OSError : the disk does not take every byte
    """
    rest = memoryview(data)
    while rest:
        n = os.pwrite(descriptor, rest, at)
        rest, at = rest[n:], at + n


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    with suppress(OSError):
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


class Digests:
    """SHA-256 of files, each found once while it does not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], str] = {}

    def of(self, path: Path, cancel: CancelToken | None = None) -> str:
        """As `file_sha256`.

        Raises
        ------
        OSError : it cannot be read
        ConversionCancelled : ``cancel`` was set
        """
        status = path.stat()
        key = path, status.st_size, status.st_mtime_ns
        if key not in self._known:
            self._known[key] = file_sha256(path, cancel)
        return self._known[key]


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
    if size_bytes == 1:
        return "1 byte"
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
