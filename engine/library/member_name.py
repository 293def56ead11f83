"""Names inside a zip: bytes of an unknown encoding, which may also be meant to do harm."""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""Info-ZIP's extra field with the name in UTF-8."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_NAME = 1024
_DEEPEST = 32

# Bytes of the most frequent characters (level 1) of each set, as (lead, trail) ranges.
_FREQUENT = {
    "gb18030": [((0xB0, 0xD7), (0xA1, 0xFE))],
    "big5hkscs": [((0xA4, 0xC6), (0x40, 0x7E)), ((0xA4, 0xC6), (0xA1, 0xFE))],
    "shift_jis": [((0x82, 0x83), (0x40, 0xF1)), ((0x88, 0x97), (0x40, 0xFC))],
    "euc_kr": [((0xB0, 0xC8), (0xA1, 0xFE))],
}


class MemberNameError(ValueError):
    """What is wrong with a name, as the cause of a sentence."""


def member_places(entries: Iterable[zipfile.ZipInfo]) -> list[PurePosixPath]:
    """The places of the entries, in order, as their author meant and saw them.

    Raises
    ------
    MemberNameError : a name leads out of the archive, or could not be one of a file
    """
    raws = [_raw(entry) for entry in entries]
    encoding = guess_encoding([raw for raw in raws if isinstance(raw, bytes)])
    texts = [raw if isinstance(raw, str) else raw.decode(encoding, "replace") for raw in raws]
    return [_checked(text) for text in texts]


def guess_encoding(names: list[bytes]) -> str:
    """The encoding of names that no flag explains; all of an archive have the same one."""
    foreign = [name for name in names if not name.isascii()]
    text = b"/".join(foreign)
    if not foreign or _decodes(text, "utf-8"):
        return "utf-8"
    scores = {
        encoding: _familiar(text, encoding) for encoding in _FREQUENT if _decodes(text, encoding)
    }
    best = max(scores, key=lambda encoding: scores[encoding], default="cp437")
    # Single accented letters (cp437, as DOS wrote "é") seldom make frequent pairs by chance.
    return best if scores.get(best, 0.0) >= 0.5 else "cp437"


def _raw(entry: zipfile.ZipInfo) -> str | bytes:
    """The name as text where the zip says it is UTF-8, else its bytes."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.orig_filename
    stated = _unicode_path(entry.extra)
    return stated if stated is not None else entry.orig_filename.encode("cp437")


def _unicode_path(extra: bytes) -> str | None:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(body) == length > 5 and body[0] == 1:
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _checked(text: str) -> PurePosixPath:
    """A relative place without tricks; Windows' backslashes count as slashes."""
    if "\0" in text or len(text) > _LONGEST_NAME:
        raise MemberNameError("a name in it is no name of a file")
    path = text.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise MemberNameError(f"{quoted(text)} in it wants to be put at a fixed place of the disk")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MemberNameError(f"{quoted(text)} in it leads out of the archive")
    if len(parts) > _DEEPEST:
        raise MemberNameError("its folders lie too deep in each other")
    if any(_DEVICES.fullmatch(part) for part in parts):
        raise MemberNameError(f"{quoted(text)} in it is the name of a device")
    return PurePosixPath(unicodedata.normalize("NFC", "/".join(parts)))


def quoted(name: str) -> str:
    """A name from the archive, fit for a sentence."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name[-80:])
    return f'"{clean}"'


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _familiar(text: bytes, encoding: str) -> float:
    """How many of the foreign characters are frequent ones, 0..1."""
    pairs = list(_pairs(text, encoding))
    if not pairs:
        return 0.0
    ranges = _FREQUENT[encoding]
    hits = sum(
        any(low <= lead <= high and first <= trail <= last for (low, high), (first, last) in ranges)
        for lead, trail in pairs
    )
    return hits / len(pairs)


def _pairs(text: bytes, encoding: str) -> Iterator[tuple[int, int]]:
    """Each foreign character's first two bytes; a half-width kana of Shift-JIS has one."""
    for letter in text.decode(encoding):
        data = letter.encode(encoding)
        if data[0] >= 0x80:
            yield data[0], data[1] if len(data) > 1 else 0
