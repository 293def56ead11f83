"""What headers state about a file's sound: its length, and the track of an MP4."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.audio.boxes import boxes, inside, movie_of_file

_MAX_CHUNKS = 1_000
_MAX_CHUNK_BYTES = 1 << 40

# Programs that write to a pipe cannot know the length and leave one of these in its place.
_UNKNOWN_FROM = 0x7FFF_F000

ASF = bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c")
"""How Windows Media files begin."""

_ASF_FILE = bytes.fromhex("a1dcab8c 47a9cf11 8ee400c0 0c205365")
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def promised_ratio(path: Path) -> float:
    """Promised size of the sound over the size that is in the file.

    Reads chunk headers only, of WAV, RF64, AIFF, AIFC, Wave64 and CAF.

    Returns
    -------
    1 if all is there, if nothing is promised, or if the file is of another kind; > 1 if cut off

    Raises
    ------
    OSError : if the file cannot be read
    """
    with path.open("rb") as file:
        found = _find_sound(file)
        file_bytes = file.seek(0, 2)
    if found is None:
        return 1.0
    start, promised_bytes = found
    present_bytes = file_bytes - start
    if promised_bytes <= present_bytes or present_bytes <= 0:
        return 1.0
    return promised_bytes / present_bytes


def is_cut_off(path: Path) -> bool:
    """Whether a movie, Matroska, AVI or Windows Media file is shorter than its own sizes say.

    Raises
    ------
    OSError : if the file cannot be read
    """
    with path.open("rb") as file:
        file_bytes = file.seek(0, 2)
        file.seek(0)
        head = file.read(64)
        if head[:4] == b"\x1aE\xdf\xa3":
            stated = _matroska_bytes(file)
        elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            stated = 8 + int.from_bytes(head[4:8], "little")
            stated = 0 if stated >= _UNKNOWN_FROM else stated
        elif head[:16] == ASF:
            found = file.read(1 << 16).find(_ASF_FILE)
            file.seek(64 + found + 40)
            stated = int.from_bytes(file.read(8), "little") if found >= 0 else 0
        else:
            return _ends_inside_box(file, file_bytes)
    return stated > file_bytes


def _matroska_bytes(file: BinaryIO) -> int:
    """Where the segment ends; 0 if it is written without a size, as streams are."""
    at = 0
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 2 or not head[0]:
            return 0
        n_id = 9 - head[0].bit_length()
        n_size = 9 - head[n_id].bit_length() if len(head) > n_id and head[n_id] else 0
        if not n_size or len(head) < n_id + n_size:
            return 0
        size = int.from_bytes(head[n_id : n_id + n_size], "big") & ((1 << 7 * n_size) - 1)
        end = at + n_id + n_size + size
        if head[:n_id] == b"\x18S\x80g":
            return 0 if size == (1 << 7 * n_size) - 1 else end
        at = end
    return 0


def _ends_inside_box(file: BinaryIO, file_bytes: int) -> bool:
    at = 0
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or not head[4:8].isalnum():
            return False
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if length < 8:
            return False
        at += length
        if at > file_bytes:
            return True
    return False


_MASK_PLACES = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR",
    "TBL", "TBC", "TBR",
)  # fmt: skip
_FLAC_PLACES = {
    3: "FL FR FC", 4: "FL FR BL BR", 5: "FL FR FC BL BR", 6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR", 8: "FL FR FC LFE BL BR SL SR",
}  # fmt: skip
_OGG_PLACES = {
    3: "FL FC FR", 4: "FL FR BL BR", 5: "FL FC FR BL BR", 6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE", 8: "FL FC FR SL SR BL BR LFE",
}  # fmt: skip


def channel_places(path: Path, kind: str, channels: int) -> tuple[str, ...] | None:
    """Where each channel is meant to sound; None where the file does not tell.

    FLAC and Ogg fix it by the number of channels, an extensible WAV has a mask.

    Parameters
    ----------
    kind : libsndfile's name of the format

    Raises
    ------
    OSError : if the file cannot be read
    """
    if channels < 3:
        return None
    if kind in ("FLAC", "OGG"):
        places = (_FLAC_PLACES if kind == "FLAC" else _OGG_PLACES).get(channels, "")
        return tuple(places.split()) or None
    with path.open("rb") as file:
        head = file.read(12)
        is_wave = head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE"
        found = _walk(file, 12, "<4sI", b"fmt ") if is_wave else None
        if found is None or found[1] < 40:
            return None
        file.seek(found[0] + 20)
        mask = int.from_bytes(file.read(4), "little")
    named = tuple(place for bit, place in enumerate(_MASK_PLACES) if mask >> bit & 1)
    return named if len(named) == channels else None


def _find_sound(file: BinaryIO) -> tuple[int, int] | None:
    """Offset of the first sample and promised bytes; None if the file promises nothing."""
    head = file.read(40)
    if head[:16] == _W64_RIFF:
        return _walk_w64(file)
    kind, form = head[:4], head[8:12]
    if kind == b"RF64" and form == b"WAVE" and head[12:16] == b"ds64":
        (data_bytes,) = struct.unpack_from("<Q", head.ljust(40, b"\0"), 28)
        found = _walk(file, 12, "<4sI", b"data")
        return None if found is None else (found[0], int(data_bytes))
    if kind == b"caff":
        found = _walk(file, 8, ">4sq", b"data")
        return None if found is None or found[1] < 0 else found
    if kind == b"RIFF" and form == b"WAVE":
        found = _walk(file, 12, "<4sI", b"data")
    elif kind == b"FORM" and form in {b"AIFF", b"AIFC"}:
        found = _walk(file, 12, ">4sI", b"SSND")
    else:
        return None
    return None if found is None or found[1] >= _UNKNOWN_FROM else found


def _walk(file: BinaryIO, at: int, layout: str, chunk: bytes) -> tuple[int, int] | None:
    header_bytes = struct.calcsize(layout)
    padded = header_bytes == 8  # the IFF family starts chunks at even places, CAF anywhere
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(header_bytes)
        if len(header) < header_bytes:
            return None
        name, size = struct.unpack(layout, header)
        if name == chunk:
            return at + header_bytes, int(size)
        if not 0 <= size < _MAX_CHUNK_BYTES:
            return None
        at += header_bytes + size + (size % 2 if padded else 0)
    return None


def _walk_w64(file: BinaryIO) -> tuple[int, int] | None:
    at = 40
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(24)
        if len(header) < 24:
            return None
        (size,) = struct.unpack_from("<Q", header, 16)
        if header[:16] == _W64_DATA:
            return at + 24, int(size) - 24
        if not 24 <= size < _MAX_CHUNK_BYTES:
            return None
        at += (size + 7) // 8 * 8
    return None


_FIRST_NAMES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_MAX_MOVIE_BYTES = 1 << 28
"""The header of a day of video takes some megabytes."""

PROTECTED = frozenset({"drms", "enca", "aavd"})
"""Codecs of encrypted sound (DRM)."""


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
        return self.codec in PROTECTED


def is_movie(path: Path) -> bool:
    """Whether the file begins like one of this family.

    Raises
    ------
    OSError : if it cannot be read
    """
    with path.open("rb") as file:
        return file.read(8)[4:] in _FIRST_NAMES


def read_header(path: Path) -> bytes | None:
    """The content of the box ``moov``; None if the file ends before it, or it is too large.

    Raises
    ------
    OSError : if it cannot be read
    """
    with path.open("rb") as file:
        movie = movie_of_file(file, _MAX_MOVIE_BYTES)
        return None if movie is None else movie.read(file)


def sound_track(header: bytes) -> SoundTrack | None:
    """The first track of sound; None if there is none that can be read."""
    for name, track in boxes(header):
        if name == b"trak" and handler(track) == b"soun":
            try:
                return _track(inside(track, b"mdia") or b"")
            except (struct.error, ZeroDivisionError, IndexError):
                continue
    return None


def handler(track: bytes) -> bytes:
    """What a track is of: ``soun``, ``vide`` and so on."""
    return (inside(track, b"mdia", b"hdlr") or b"")[8:12]


def _track(media: bytes) -> SoundTrack | None:
    times, table = inside(media, b"mdhd"), inside(media, b"minf", b"stbl", b"stsd")
    if times is None or table is None:
        return None
    scale_hz, ticks = (
        struct.unpack_from(">IQ", times, 20) if times[0] else struct.unpack_from(">II", times, 12)
    )
    codec = table[12:16].decode("latin-1")
    channels = struct.unpack_from(">H", table, 8 + 24)[0]
    rate_hz = struct.unpack_from(">I", table, 8 + 32)[0] >> 16
    # 16 bits cannot hold 96 kHz: then the time scale, which writers set to the rate, tells.
    return SoundTrack(codec, rate_hz or scale_hz, channels, ticks / scale_hz)
