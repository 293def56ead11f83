"""Files that may belong to a voice, wherever they lie: on the disk or in an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

VOICE_ENDINGS = frozenset({".pth", ".safetensors"})
INDEX_ENDING = ".index"
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
ZIP_ENDING = ".zip"
PACKED_ENDINGS = frozenset({".rar", ".7z", ".tar", ".gz", ".tgz", ".xz", ".bz2"})
WANTED_ENDINGS = VOICE_ENDINGS | PICTURE_ENDINGS | {INDEX_ENDING, ZIP_ENDING}

_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, eq=False)
class Found:
    """One file.

    Attributes
    ----------
    place : where it lies in the folder or archive that was chosen; only shown and compared
    size_bytes : as stated; the archive may lie
    fetch : gives it as a file on this disk, unpacking it if need be
    """

    place: PurePosixPath
    size_bytes: int
    fetch: Callable[[], Path]

    @property
    def ending(self) -> str:
        """In lower case, with its dot."""
        return self.place.suffix.lower()


def is_junk(place: PurePosixPath) -> bool:
    """Whether a system left it there (``__MACOSX``, ``._aria.pth``) or it is hidden."""
    return any(part.startswith(".") or part.casefold() in _JUNK for part in place.parts)
