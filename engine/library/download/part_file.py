"""What has come so far of a download: ``NAME.part`` and a note beside it, ``NAME.part.json``.

The note holds the SHA-256 of the saved bytes, so that a part which a crash or a power cut has
damaged is noticed before anything is added to it; no flush to the disk is needed on the way.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

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
    url : the address that was asked for
    sha256 : the hash the whole file must have; None if it is not known
    etag : the server's strong name for this very content; None if it gave none
    total_bytes : the announced length of the whole file; None if not announced
    """

    url: str
    sha256: str | None
    etag: str | None
    total_bytes: int | None

    def continues(self, url: str, sha256: str | None) -> bool:
        """Whether more of that file may be added: proven by the hash, or by address and ETag."""
        if sha256 is not None:
            return self.sha256 == sha256
        return self.url == url and self.etag is not None


class PartFile:
    """The bytes so far; made by `claimed_part`, which locks them against a second download.

    Attributes
    ----------
    length_bytes : what has come
    origin : where it came from; None while nothing has come
    mixed : whether they came in more than one piece, or from an earlier download
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
        """Take up what an earlier download left, if it is sound and of the same file.

        Raises
        ------
        Refusal : if the disk fails
        """
        with on_disk():
            noted = _read_note(self._note)
            if noted is None:
                return
            origin, saved_bytes, saved_sha256 = noted
            if not saved_bytes or not origin.continues(url, sha256):
                return
            if self._digest_first(saved_bytes) and self.sha256 == saved_sha256:
                self._file.truncate(saved_bytes)
                self._file.seek(saved_bytes)
                self.length_bytes = self._saved_bytes = saved_bytes
                self.origin = origin
                self.mixed = True
            else:
                self._digest = hashlib.sha256()

    def restart(self, origin: Origin) -> None:
        """Forget what has come and begin anew.

        Raises
        ------
        Refusal : if the disk fails
        """
        with on_disk():
            self._note.unlink(missing_ok=True)
            self._file.seek(0)
            self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.length_bytes = self._saved_bytes = 0
        self.origin = origin
        self.mixed = False

    def write(self, piece: bytes) -> None:
        """Add what came next.

        Raises
        ------
        Refusal : if the disk fails, e.g. is full
        """
        with on_disk():
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(piece)
        self.length_bytes += len(piece)
        if self.length_bytes - self._saved_bytes >= SAVE_EVERY_BYTES:
            self.save()

    def save(self) -> None:
        """Note what has come, for a later `recover`.

        Raises
        ------
        Refusal : if the disk fails; the older note then stays
        """
        if self.origin is None or self.length_bytes == self._saved_bytes:
            return
        note = {
            **asdict(self.origin),
            "saved_bytes": self.length_bytes,
            "saved_sha256": self.sha256,
        }
        with on_disk():
            fresh = self._note.with_suffix(".new")
            fresh.write_text(json.dumps(note), encoding="utf-8")
            fresh.replace(self._note)
        self._saved_bytes = self.length_bytes

    def discard(self) -> None:
        """Delete what has come: it is not the file.

        Raises
        ------
        Refusal : if the disk fails
        """
        self.restart(Origin("", None, None, None))
        self.origin = None

    def install(self, destination: Path) -> None:
        """Give the complete file its final name.

        Raises
        ------
        Refusal : if the disk fails; ``destination`` is then as it was
        """
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
    """Where the bytes so far of ``destination`` lie."""
    return destination.with_name(destination.name + ".part")


def note_path(part: Path) -> Path:
    """Where the note about ``part`` lies."""
    return part.with_name(part.name + ".json")


@contextmanager
def claimed_part(destination: Path) -> Iterator[PartFile]:
    """Lend the part file of ``destination``, alone among all processes; save it at the end.

    The lock is on the file itself, so that it ends with its owner however that ends.

    Raises
    ------
    Refusal : if another download has it, or the disk fails
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
            with suppress(Refusal, OSError):  # whatever ended the download is what matters
                part.save()
                if not part.length_bytes and _is_named(file, path):
                    path.unlink()
                    note_path(path).unlink(missing_ok=True)


def _locked(path: Path) -> io.FileIO:
    """Open and lock ``path``; the name may move away between the two steps, then again."""
    for _ in range(_CLAIM_TRIES):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = io.FileIO(os.open(path, flags, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Refusal(
                "it is already being downloaded", "wait for that download or cancel it"
            ) from error
        except OSError:
            file.close()
            raise
        if _is_named(file, path):
            return file
        file.close()
    raise Refusal("other downloads of it keep coming and going", "wait for them to end")


def _is_named(file: io.FileIO, path: Path) -> bool:
    """Whether ``path`` still is the name of ``file``."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file.fileno()))


def _read_note(path: Path) -> tuple[Origin, int, str] | None:
    """Origin, saved bytes and their hash; None if there is no note that makes sense."""
    try:
        with path.open("rb") as file:
            note = json.loads(file.read(_LONGEST_NOTE_BYTES))
        origin = Origin(note["url"], note["sha256"], note["etag"], note["total_bytes"])
        saved_bytes, saved_sha256 = note["saved_bytes"], note["saved_sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = (
        isinstance(origin.url, str)
        and isinstance(origin.sha256, str | None)
        and isinstance(origin.etag, str | None)
        and (origin.total_bytes is None or type(origin.total_bytes) is int)
        and type(saved_bytes) is int
        and saved_bytes >= 0
        and isinstance(saved_sha256, str)
    )
    return (origin, saved_bytes, saved_sha256) if sound else None
