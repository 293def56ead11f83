"""What a zip behind a link holds, by its table of contents, which lies at its end."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from engine.library.archive import DAMAGE
from engine.library.download.file_end import fetch_end
from engine.library.download.link import VoiceOffer
from engine.library.member_name import MemberNameError, member_places
from engine.library.source_file import ZIP_ENDING, is_junk
from engine.progress import CancelToken

_END_BYTES = 1 << 16
"""Room for the table of a few hundred files; a voice has a handful."""

_MOST_OFFERS = 4
"""Of a repository with more, only names and sizes are asked for: one request, not hundreds."""

_MOST_NAMES = 12


def looked_into(offers: Sequence[VoiceOffer], cancel: CancelToken) -> tuple[VoiceOffer, ...]:
    """The offers, with the names of the files in their zips where these can be told.

    Raises
    ------
    ConversionCancelled : if cancelled
    """
    if len(offers) > _MOST_OFFERS:
        return tuple(offers)
    return tuple(replace(offer, contents=_names_in(offer, cancel)) for offer in offers)


def _names_in(offer: VoiceOffer, cancel: CancelToken) -> tuple[str, ...]:
    file = offer.files[0]
    size_bytes = file.size_bytes
    if size_bytes is None or not file.name.lower().endswith(ZIP_ENDING):
        return ()
    end = fetch_end(file, _END_BYTES, cancel=cancel)
    with suppress(*DAMAGE, OSError, MemberNameError):
        with zipfile.ZipFile(_EndOfFile(end, size_bytes)) as archive:
            entries = archive.infolist()
        places = zip(member_places(entries), entries, strict=True)
        files = [place for place, entry in places if not entry.is_dir() and not is_junk(place)]
        names = [place.name for place in files[:_MOST_NAMES]]
        return tuple(names) if len(files) <= _MOST_NAMES else (*names, "…")
    return ()


class _EndOfFile(io.BufferedIOBase):
    """A file of which only the end is there; elsewhere it gives nothing."""

    def __init__(self, end: bytes, size_bytes: int) -> None:
        self._end = end
        self._first = size_bytes - len(end)
        self._size_bytes = size_bytes
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        start = self._at - self._first
        if start < 0:
            return b""
        stop = len(self._end) if size is None or size < 0 else start + size
        data = self._end[start:stop]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise OSError("before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
