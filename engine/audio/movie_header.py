"""What an MP4, M4A or QuickTime file says of its sound, read from its boxes.

ISO/IEC 14496-12: a file is a row of boxes, each a length of 32 bits, a name of four letters, and
its content, which may be boxes again. Nothing outside the given lengths is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FIRST_NAMES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_MAX_MOVIE_BYTES = 1 << 28
"""Of a header; that of a day of video takes some megabytes."""

_PROTECTED = frozenset({"drms", "enca", "aavd"})


@dataclass(frozen=True)
class SoundTrack:
    """The first sound of a movie file, as its header states it.

    Attributes
    ----------
    codec : its four letters, e.g. ``mp4a``
    rate_hz : sample rate
    channels : how many; 0 if it does not say
    duration_s : without the encoder's padding only where the writer took it off
    """

    codec: str
    rate_hz: int
    channels: int
    duration_s: float

    @property
    def is_protected(self) -> bool:
        """Whether it is encrypted (DRM)."""
        return self.codec in _PROTECTED


def is_movie(path: Path) -> bool:
    """Whether the file begins like one of this family.

    Raises
    ------
    OSError : if it cannot be read
    """
    with path.open("rb") as file:
        return file.read(8)[4:] in _FIRST_NAMES


def read_header(path: Path) -> bytes | None:
    """The content of the box ``moov``; None if the file ends before it.

    Raises
    ------
    OSError : if it cannot be read
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, name = struct.unpack(">I4s", head[:8])
            start = 8
            if length == 1 and len(head) == 16:
                length, start = int.from_bytes(head[8:]), 16
            length = length or size - at  # 0: to the end
            if length < start:
                return None
            if name == b"moov":
                if at + length > size or length > _MAX_MOVIE_BYTES:
                    return None
                file.seek(at + start)
                return file.read(length - start)
            at += length
    return None


def sound_track(header: bytes) -> SoundTrack | None:
    """The first track of sound; None if there is none that can be read."""
    for name, track in _boxes(header):
        media = _inside(track, b"mdia") if name == b"trak" else None
        handler = None if media is None else _inside(media, b"hdlr")
        if media is not None and handler is not None and handler[8:12] == b"soun":
            try:
                return _track(media)
            except (struct.error, ZeroDivisionError, IndexError):
                continue
    return None


def _track(media: bytes) -> SoundTrack | None:
    times = _inside(media, b"mdhd")
    table = media
    for name in (b"minf", b"stbl", b"stsd"):
        found = _inside(table, name)
        if found is None:
            return None
        table = found
    if times is None:
        return None
    scale_hz, ticks = (
        struct.unpack_from(">IQ", times, 20) if times[0] else struct.unpack_from(">II", times, 12)
    )
    codec = table[12:16].decode("latin-1")
    channels = struct.unpack_from(">H", table, 8 + 24)[0]
    rate_hz = struct.unpack_from(">I", table, 8 + 32)[0] >> 16
    # 16 bits cannot hold 96 kHz: then the time scale, which writers set to the rate, tells.
    return SoundTrack(codec, rate_hz or scale_hz, channels, ticks / scale_hz)


def _inside(content: bytes, wanted: bytes) -> bytes | None:
    return next((inner for name, inner in _boxes(content) if name == wanted), None)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if not 8 <= length <= len(content) - at:
            return
        yield name, content[at + 8 : at + length]
        at += length
