"""The bytes of a download so far: ``NAME.part``, and a note beside it, ``NAME.part.json``.

The note holds the SHA-256 of the saved bytes: a part that a crash or power cut damaged is noticed
before anything is added to it, and nothing has to be flushed to the disk on the way.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from engine.errors import Refusal, on_disk
from engine.files import PIECE_BYTES, put_in_place

SAVE_EVERY_BYTES = 8 * 2**20
_LONGEST_NOTE_BYTES = 65536
_CLAIM_TRIES = 20


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a part come from.

    Attributes
    ----------
    url : the requested address
    sha256 : the hash the whole file must have; None if not known
    etag : the server's strong name for exactly this content; None if it gave none
    total_bytes : the announced length of the whole file; None if not announced
    """

    url: str
    sha256: str | None
    etag: str | None
    total_bytes: int | None

    def continues(self, url: str, sha256: str | None) -> bool:
        """Whether more of that file may be added: same hash, or same address with an ETag."""
        if sha256 is not None:
            return self.sha256 == sha256
        return self.url == url and self.etag is not None


@dataclass(frozen=True, kw_only=True)
class _Note(Origin):
    """An origin and the bytes of it that are safely in the part."""

    saved_bytes: Annotated[int, msgspec.Meta(ge=1)]
    saved_sha256: str


class PartFile:
    """The bytes so far; made by `claimed_part`, which locks them against a second download.

    Attributes
    ----------
    length_bytes : how many there are
    origin : where they came from; None while there are none
    mixed : whether they arrived in more than one piece, or in an earlier download
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self._path = path
        self._note = note_path(path)
        self._file = file
        self._digest = hashlib.sha256()
        self._saved_bytes = 0
        self.length_bytes = 0
        self.origin: Origin | None = None
        self.mixed = False

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far."""
        return self._digest.hexdigest()

    def recover(self, url: str, sha256: str | None) -> None:
        """Continue what an earlier download left, if it is undamaged and of the same file."""
        with on_disk():
            note = _read_note(self._note)
            if note is None or not note.continues(url, sha256):
                return
            if self._digest_first(note.saved_bytes) and self.sha256 == note.saved_sha256:
                self._file.truncate(note.saved_bytes)
                self._file.seek(note.saved_bytes)
                self.length_bytes = self._saved_bytes = note.saved_bytes
                self.origin = Origin(note.url, note.sha256, note.etag, note.total_bytes)
                self.mixed = True
            else:
                self._digest = hashlib.sha256()

    def restart(self, origin: Origin) -> None:
        """Delete the bytes so far and start again with another origin."""
        with on_disk():
            self._note.unlink(missing_ok=True)
            self._file.seek(0)
            self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.length_bytes = self._saved_bytes = 0
        self.origin = origin
        self.mixed = False

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        with on_disk():
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(piece)
        self.length_bytes += len(piece)
        if self.length_bytes - self._saved_bytes >= SAVE_EVERY_BYTES:
            self.save()

    def save(self) -> None:
        """Write a note of the bytes so far, for a later `recover`."""
        if self.origin is None or self.length_bytes == self._saved_bytes:
            return
        note = _Note(**asdict(self.origin), saved_bytes=self.length_bytes, saved_sha256=self.sha256)
        with on_disk():
            fresh = self._note.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(note))
            fresh.replace(self._note)
        self._saved_bytes = self.length_bytes

    def discard(self) -> None:
        """Delete the bytes so far: they are not the file."""
        self.restart(Origin("", None, None, None))
        self.origin = None

    def install(self, destination: Path) -> None:
        """Give the complete file its final name."""
        with on_disk():
            put_in_place(self._file.fileno(), self._path, destination)
            self._note.unlink(missing_ok=True)
        self.origin = None

    def _digest_first(self, saved_bytes: int) -> bool:
        """Hash the saved bytes; False if there are fewer in the file."""
        if os.fstat(self._file.fileno()).st_size < saved_bytes:
            return False
        self._file.seek(0)
        left_bytes = saved_bytes
        while left_bytes and (piece := self._file.read(min(left_bytes, PIECE_BYTES))):
            self._digest.update(piece)
            left_bytes -= len(piece)
        return left_bytes == 0


def part_path(destination: Path) -> Path:
    """Where the bytes so far of ``destination`` are."""
    return destination.with_name(destination.name + ".part")


def note_path(part: Path) -> Path:
    """Where the note about ``part`` is."""
    return part.with_name(part.name + ".json")


@contextmanager
def claimed_part(destination: Path) -> Iterator[PartFile]:
    """Lend the part file of ``destination`` to one process only; save it at the end.

    Not `filelock`: the lock is on the part itself, so that no lock file is left beside a download,
    and the system releases it if the process is killed.
    """
    path = part_path(destination)
    with on_disk():
        destination.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    with file:
        part = PartFile(path, file)
        try:
            yield part
        finally:
            with suppress(Refusal, OSError):  # the user needs the reason that ended the download
                part.save()
                if not part.length_bytes and _is_named(file, path):
                    path.unlink()
                    note_path(path).unlink(missing_ok=True)


def _locked(path: Path) -> io.FileIO:
    """Open and lock ``path``; repeat if another process renames it between the two steps."""
    for _ in range(_CLAIM_TRIES):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = io.FileIO(os.open(path, flags, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Refusal(
                "it is being downloaded already", "wait for that download or cancel it"
            ) from error
        except OSError:
            file.close()
            raise
        if _is_named(file, path):
            return file
        file.close()
    raise Refusal("other downloads keep using the file", "wait until they have finished")


def _is_named(file: io.FileIO, path: Path) -> bool:
    """Whether ``path`` still is the name of ``file``."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file.fileno()))


def _read_note(path: Path) -> _Note | None:
    """The note; None if there is none, or a damaged one."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LONGEST_NOTE_BYTES), type=_Note)
    except (OSError, ValueError, RecursionError):
        return None
