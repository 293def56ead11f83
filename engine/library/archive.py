"""Zip archives from the internet: opened within limits, unpacked under our own names.

No name in an archive becomes a path on this disk, and stated sizes are not trusted: the bytes that
come out are counted. Only files that can belong to a voice are unpacked.
"""

from __future__ import annotations

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.errors import ArchiveError, Refusal, Text, as_user_error, on_disk
from engine.files import PIECE_BYTES, open_file, require_room, size_text
from engine.library.member_name import member_places, printable
from engine.progress import CancelToken

VOICE_ENDINGS = frozenset({".pth", ".safetensors"})
INDEX_ENDING = ".index"
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
ZIP_ENDING = ".zip"
PACKED_ENDINGS = frozenset({".rar", ".7z", ".tar", ".gz", ".tgz", ".xz", ".bz2"})
WANTED_ENDINGS = VOICE_ENDINGS | PICTURE_ENDINGS | {INDEX_ENDING, ZIP_ENDING}

_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A file in a folder or archive.

    Attributes
    ----------
    place : relative to the chosen folder or archive; only shown and compared
    size_bytes : as stated, which may be wrong
    fetch : returns it as a file on this disk, unpacking it if needed
    """

    place: PurePosixPath
    size_bytes: int
    fetch: Callable[[], Path]

    @property
    def ending(self) -> str:
        """The suffix in lower case, with its dot."""
        return self.place.suffix.lower()


def is_junk(place: PurePosixPath) -> bool:
    """Whether it is hidden, or an operating system made it (``__MACOSX``, ``._aria.pth``)."""
    return any(part.startswith(".") or part.casefold() in _JUNK for part in place.parts)


DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
)
"""What `zipfile` raises for damaged archives."""

_PACKED_HEADS = {b"Rar!": "RAR", b"7z\xbc\xaf": "7z", b"\x1f\x8b": "gzip", b"\xfd7zX": "xz"}
_TOP = PurePosixPath()
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_AGAIN = "download the archive again from its source"
_BEWARE = "don't use it; it may be malicious"


@dataclass(frozen=True)
class Limits:
    """Limits of an archive together with all archives inside it.

    Attributes
    ----------
    entries : files and folders
    directory_bytes : of the table of contents, which is read as a whole
    unpacked_bytes : of all unpacked files; a dozen voices with large indexes take 3 GB
    ratio : of unpacked to packed, beyond ``ratio_from_bytes``, of one file and of all together;
        weights shrink by a tenth
    nesting : archives inside archives; 1 is an archive in the chosen one
    """

    entries: int = 5_000
    directory_bytes: int = 4 * 2**20
    unpacked_bytes: int = 6 * 2**30
    ratio: int = 100
    ratio_from_bytes: int = 32 * 2**20
    nesting: int = 2


DEFAULT_LIMITS = Limits()


class Unpacker:
    """Opens archives and unpacks single files; all archives share the limits.

    Parameters
    ----------
    scratch : an empty folder for unpacked files

    Attributes
    ----------
    others : the places of files that cannot belong to a voice
    """

    def __init__(
        self,
        scratch: Path,
        limits: Limits = DEFAULT_LIMITS,
        cancel: CancelToken | None = None,
    ) -> None:
        self._scratch = scratch
        self._limits = limits
        self._cancel = cancel or CancelToken()
        self.others: list[PurePosixPath] = []
        self._entries = 0
        self._packed_bytes = self._unpacked_bytes = 0
        self._count = 0

    def files_in(
        self, path: Path, inside: PurePosixPath = _TOP, depth: int = 0
    ) -> Iterator[SourceFile]:
        """The files that may belong to a voice, including those of nested archives.

        Parameters
        ----------
        inside : the archive's own place, to which its files' places are relative

        Raises
        ------
        ArchiveError : damaged, malicious, protected, or beyond the limits
        """
        name = inside.name or path.name
        if depth == 0:
            self._packed_bytes += path.stat().st_size
        with self._reading(path, name) as archive:
            members = self._checked_members(archive.infolist(), path.stat().st_size)
        for place, entry in members:
            found = self._member(path, name, inside / place, entry)
            if found.ending != ZIP_ENDING:
                yield found
            elif depth < self._limits.nesting:
                yield from self.files_in(found.fetch(), found.place, depth + 1)
            else:
                raise ArchiveError(
                    _cannot_open(name),
                    "its archives are nested too deep",
                    "unpack it yourself and choose the folder",
                )

    def is_checkpoint(self, path: Path) -> bool:
        """Whether a zip is a checkpoint by ``torch.save`` under a wrong name."""
        with self._reading(path, path.name) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist()[:100])

    def _member(
        self, path: Path, name: str, place: PurePosixPath, entry: zipfile.ZipInfo
    ) -> SourceFile:
        return SourceFile(place, entry.file_size, lambda: self._unpack(path, name, place, entry))

    def _checked_members(
        self, entries: list[zipfile.ZipInfo], archive_bytes: int
    ) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
        self._entries += len(entries)
        if self._entries > self._limits.entries:
            raise Refusal(
                Text("it contains more than {count} files", count=self._limits.entries),
                "unpack it and choose the voice",
            )
        if sum(entry.compress_size for entry in entries) > archive_bytes:
            raise Refusal("its files overlap", _BEWARE)
        places = member_places(entries)
        members: dict[str, tuple[PurePosixPath, zipfile.ZipInfo]] = {}
        for place, entry in zip(places, entries, strict=True):
            _refuse_link(place, entry)
            if entry.is_dir() or is_junk(place):
                continue
            key = str(place).casefold()
            if key in members:
                why = Text('it contains "{name}" twice', name=printable(str(place)))
                raise Refusal(why, _AGAIN)
            members[key] = (place, entry)
        wanted = [each for each in members.values() if each[0].suffix.lower() in WANTED_ENDINGS]
        for place, entry in wanted:
            _refuse_locked(place, entry)
        rest = (each for each, _ in members.values() if each.suffix.lower() not in WANTED_ENDINGS)
        self.others.extend(rest)
        return wanted

    def _unpack(self, path: Path, name: str, place: PurePosixPath, entry: zipfile.ZipInfo) -> Path:
        """Unpack one file into the scratch folder and count its bytes."""
        self._count += 1
        target = self._scratch / f"{self._count:05d}{place.suffix.lower()}"
        with self._reading(path, name) as archive:
            left_bytes = self._limits.unpacked_bytes - self._unpacked_bytes
            if entry.file_size > left_bytes:
                raise self._too_large()
            with on_disk():
                require_room(self._scratch, entry.file_size)
            done_bytes = 0
            with archive.open(entry) as packed, target.open("xb") as file:
                while piece := packed.read(PIECE_BYTES):
                    self._cancel.raise_if_cancelled()
                    done_bytes += len(piece)
                    self._unpacked_bytes += len(piece)
                    self._refuse_excess(done_bytes, entry.compress_size)
                    with on_disk():
                        file.write(piece)
            if done_bytes != entry.file_size:
                raise Refusal("it is damaged or cut short", _AGAIN)
        return target

    def _refuse_excess(self, done_bytes: int, packed_bytes: int) -> None:
        if self._unpacked_bytes > self._limits.unpacked_bytes:
            raise self._too_large()
        counts = (done_bytes, packed_bytes), (self._unpacked_bytes, self._packed_bytes)
        if any(
            done > max(self._limits.ratio_from_bytes, self._limits.ratio * packed)
            for done, packed in counts
        ):
            why = Text("it unpacks to more than {ratio} times its size", ratio=self._limits.ratio)
            raise Refusal(why, _BEWARE)

    def _too_large(self) -> Refusal:
        return Refusal(
            Text("it unpacks to more than {limit}", limit=size_text(self._limits.unpacked_bytes)),
            "unpack it yourself and choose the voice",
        )

    @contextmanager
    def _reading(self, path: Path, name: str) -> Iterator[zipfile.ZipFile]:
        """Open an archive; every failure inside the block becomes an `ArchiveError`."""
        with as_user_error(_cannot_open(name), ArchiveError), on_disk(), open_file(path) as file:
            _refuse_other_kinds(file.read(8))
            file.seek(0)
            try:
                bounded = _BoundedFile(file, self._limits.directory_bytes)
                with zipfile.ZipFile(bounded) as archive:
                    yield archive
            except DAMAGE as error:
                raise Refusal("it is damaged or cut short", _AGAIN) from error
            except OSError as error:
                if error.errno != errno.EINVAL:  # an offset before the start of the file
                    raise
                raise Refusal("it is damaged or cut short", _AGAIN) from error


class _BoundedFile(io.BufferedIOBase):
    """A file that refuses to read more at once than the allowed table of contents."""

    def __init__(self, file: io.BufferedReader, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1) -> bytes:
        # Without a size: the rest of the file, which `zipfile` reads near its end.
        asked_bytes = self._most_bytes + 1 if size is None or size < 0 else size
        data = self._file.read(min(asked_bytes, self._most_bytes + 1))
        if len(data) > self._most_bytes:
            raise Refusal("its table of contents is too long", _BEWARE)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _cannot_open(name: str) -> Text:
    return Text('Cannot open "{name}"', name=printable(name))


def _refuse_other_kinds(head: bytes) -> None:
    for start, kind in _PACKED_HEADS.items():
        if head.startswith(start):
            raise Refusal(
                Text("{kind} archives cannot be opened here", kind=kind),
                "unpack it first and choose the folder",
            )
    if head.lstrip().lower().startswith((b"<!doc", b"<html")):
        raise Refusal("it is a web page, not an archive", _AGAIN)
    if not head:
        raise Refusal("it is empty", _AGAIN)


def _refuse_link(place: PurePosixPath, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refusal(
            Text('"{name}" in it is a link or a device', name=printable(str(place))), _BEWARE
        )


def _refuse_locked(place: PurePosixPath, entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED_FLAGS:
        raise Refusal("it is protected by a password", "unpack it yourself and choose the folder")
    # LZMA may allocate 4 GB before the first byte, and bzip2 cannot be interrupted.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal(
            Text('"{name}" in it uses an unsupported compression', name=printable(str(place))),
            "unpack it yourself and choose the folder",
        )
