"""What a file says about its sound that stays true of another voice, and its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Field(NamedTuple):
    """A row of the table of fields: what each format calls it; "" where it has no such field.

    Attributes
    ----------
    name : in Vorbis comments, and here
    id3, id3_short : frames of ID3 2.3 and 2.4, and of 2.2
    mp4 : the atom, in Latin-1
    info : in the INFO list of a WAV file
    """

    name: str
    id3: str
    id3_short: str
    mp4: str = ""
    info: str = ""


FIELDS = (
    Field("TITLE", "TIT2", "TT2", "©nam", "INAM"),
    Field("ARTIST", "TPE1", "TP1", "©ART", "IART"),
    Field("ALBUM", "TALB", "TAL", "©alb", "IPRD"),
    Field("ALBUMARTIST", "TPE2", "TP2", "aART"),
    Field("TRACKNUMBER", "TRCK", "TRK", "trkn", "ITRK"),
    Field("DISCNUMBER", "TPOS", "TPA", "disk"),
    Field("DATE", "TDRC", "TYE", "©day", "ICRD"),
    Field("GENRE", "TCON", "TCO", "©gen", "IGNR"),
    Field("COMPOSER", "TCOM", "TCM", "©wrt", "IMUS"),
    Field("LYRICIST", "TEXT", "TXT"),
    Field("CONDUCTOR", "TPE3", "TP3"),
    Field("COMMENT", "COMM", "COM", "©cmt", "ICMT"),
    Field("LYRICS", "USLT", "ULT", "©lyr"),
    Field("COPYRIGHT", "TCOP", "TCR", "cprt", "ICOP"),
    Field("GROUPING", "TIT1", "TT1", "©grp"),
    Field("PUBLISHER", "TPUB", "TPB"),
    Field("LANGUAGE", "TLAN", "TLA"),
    Field("TITLESORT", "TSOT", "TST", "sonm"),
    Field("ARTISTSORT", "TSOP", "TSP", "soar"),
    Field("ALBUMSORT", "TSOA", "TSA", "soal"),
)
"""Nothing else is kept: loudness, length, encoder, padding, fingerprints and identifiers of the
recording would be wrong."""

NUMBERS = ("TRACKNUMBER", "DISCNUMBER")
"""Their values are ``3`` or ``3/12``."""

MOST_BYTES = 64 << 20
"""Larger tags are left alone."""
_MOST_PICTURE_BYTES = (1 << 24) - (1 << 16)
"""What a block of a FLAC file can hold."""
_MOST_PICTURES = 8
_MOST_VALUES = 50
_MOST_CHARACTERS = 1 << 16
FRONT_COVER = 3

_IMAGES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
)


@dataclass(frozen=True)
class Picture:
    """An image file in a tag.

    Attributes
    ----------
    kind : as ID3 numbers them; 3 is the front cover
    """

    data: bytes
    kind: int = FRONT_COVER
    description: str = ""

    @property
    def mime(self) -> str:
        """By the content; "" for what is no image of a known kind."""
        found = (kind for at, mark, kind in _IMAGES if self.data[at : at + len(mark)] == mark)
        return next(found, "")


@dataclass(frozen=True)
class Tags:
    """Values by the names of `FIELDS`, and pictures."""

    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.texts or self.pictures)

    @classmethod
    def of(cls, values: Iterable[tuple[str, str]], pictures: Iterable[Picture] = ()) -> Tags:
        """Those that are known, not empty, and of a sensible size."""
        found: dict[str, list[str]] = {}
        known = {each.name for each in FIELDS}
        for name, value in values:
            text = value.replace("\0", "").strip()[:_MOST_CHARACTERS]
            kept = found.setdefault(name, []) if name in known and text else None
            if kept is not None and len(kept) < _MOST_VALUES and text not in kept:
                kept.append(text)
        images = [p for p in pictures if p.mime and len(p.data) <= _MOST_PICTURE_BYTES]
        return cls({name: tuple(kept) for name, kept in found.items()}, (*images[:_MOST_PICTURES],))

    def or_else(self, other: Tags) -> Tags:
        """These, and from another one what is missing here."""
        return Tags({**other.texts, **self.texts}, self.pictures or other.pictures)

    def titled(self, addition: str) -> Tags:
        """The same with something added to the title, if there is one."""
        titles = self.texts.get("TITLE", ())
        if not titles or not addition:
            return self
        return replace(self, texts={**self.texts, "TITLE": (f"{titles[0]} {addition}",)})

    def number(self, name: str) -> tuple[int, int]:
        """A number and of how many, of one of `NUMBERS`; 0 where it is not stated."""
        first, _, last = (self.texts.get(name) or ("",))[0].partition("/")
        values = [int(each) if each.isascii() and each.isdigit() else 0 for each in (first, last)]
        return min(values[0], 0xFFFF), min(values[1], 0xFFFF)
