"""The recordings of an mp3, Ogg or FLAC file, one after the other, and how long each really is.

Such files are often several written one after the other (``cat a b``, radio), start in the middle,
or carry a length from before a cut. libsndfile believes the first header. Here the frames and pages
themselves are counted, so that each recording can be read to its end, with a true header.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

_CHUNK_BYTES = 1 << 20
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Recording:
    """A part of a file that libsndfile reads like a file of its own.

    Attributes
    ----------
    start, stop : its bytes
    head : is read before them: a header that states the true length
    n_samples : its length, where libsndfile does not know it from the header; 0 if nobody does
    promised : the length that its own header states over the true one, where that is more
    is_cut : whether it ends inside a frame or page
    """

    start: int
    stop: int
    head: bytes = b""
    n_samples: int | None = None
    promised: float = 1.0
    is_cut: bool = False


def recordings_in(path: Path) -> tuple[Recording, ...] | None:
    """The recordings of an mp3, Ogg or FLAC file; None for other files.

    Raises
    ------
    OSError : if the file cannot be read
    """
    status = path.stat()
    return _recordings(path, status.st_mtime_ns, status.st_size)


class RecordingFile(io.BufferedReader):
    """The bytes of a recording as a file.

    Raises
    ------
    OSError : if the file cannot be opened
    """

    def __init__(self, path: Path, recording: Recording) -> None:
        self._part = _Part(path, recording)
        super().__init__(self._part, _READ_BYTES)

    @property
    def problem(self) -> OSError | None:
        """What the disk reported; reading then ended there."""
        return self._part.problem

    @property
    def is_consumed(self) -> bool:
        """Whether everything has been read."""
        return self.tell() >= self._part.n_bytes

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like a file's, but -1 for the impossible places that a damaged header points to."""
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


class _Part(io.RawIOBase):
    """Some bytes, then a part of a file."""

    def __init__(self, path: Path, recording: Recording) -> None:
        self._file = path.open("rb", buffering=0)
        self._head = recording.head
        self._start = recording.start
        self.n_bytes = len(recording.head) + recording.stop - recording.start
        self._at = 0
        self.problem: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self.n_bytes)[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer
        if self._at < len(self._head):
            content = self._head[self._at : self._at + len(buffer)]
            buffer[: len(content)] = content
            n = len(content)
        else:
            left = max(0, min(len(buffer), self.n_bytes - self._at))
            try:
                self._file.seek(self._start + self._at - len(self._head))
                n = self._file.readinto(buffer[:left]) or 0
            except OSError as error:  # cannot pass through libsndfile
                self.problem, n = error, 0
        self._at += n
        return n

    def close(self) -> None:
        self._file.close()
        super().close()


@lru_cache(maxsize=64)
def _recordings(path: Path, _: int, size: int) -> tuple[Recording, ...] | None:
    with path.open("rb") as file:
        at = _after_id3(file, 0)
        file.seek(at)
        head = file.read(12)
        found: Iterable[Recording]
        if head[:4] == b"OggS":
            found = _ogg_recordings(file, at, size)
        elif head[:4] == b"fLaC":
            found = _flac_recordings(file, at, size)
        elif _may_be_mpeg(head):
            found = _mpeg_recordings(file, at, size)
        else:
            return None
        return tuple(found) or None


def _after_id3(file: BinaryIO, at: int) -> int:
    """Where the tags in front of the sound end."""
    while True:
        file.seek(at)
        head = file.read(10)
        if (size := _id3_bytes(head)) is None:
            return at
        at += size + (10 if head[5] & 0x10 else 0)


def _id3_bytes(head: bytes) -> int | None:
    """Size of the ID3v2 tag that begins like this, without its footer; None if it is no tag."""
    if head[:3] != b"ID3" or len(head) < 10 or max(head[6:10]) > 0x7F:
        return None
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


# FLAC

_FLAC_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_FLAC_HEAD_BYTES = 42


def _flac_recordings(file: BinaryIO, at: int, size: int) -> Iterator[Recording]:
    """Split where another header follows; a stated length is replaced by the greatest one.

    libFLAC then reads to the end of the recording, and still seeks well.
    """
    starts = [at, *_flac_headers(file, at + 1, size)]
    for start, stop in zip(starts, [*starts[1:], size], strict=True):
        file.seek(start)
        head = bytearray(file.read(_FLAC_HEAD_BYTES))
        if len(head) < _FLAC_HEAD_BYTES:
            return
        n_samples = (head[21] & 0x0F) << 32 | int.from_bytes(head[22:26], "big")
        head[21] |= 0x0F
        head[22:26] = b"\xff" * 4
        yield Recording(start + len(head), stop, bytes(head), n_samples)


def _flac_headers(file: BinaryIO, at: int, size: int) -> Iterator[int]:
    overlap = len(_FLAC_STARTS[0]) - 1
    for low in range(at, size, _CHUNK_BYTES):
        file.seek(low)
        content = file.read(_CHUNK_BYTES + overlap)
        yield from sorted(
            low + place for start in _FLAC_STARTS for place in _places(content, start)
        )


def _places(content: bytes, wanted: bytes) -> Iterator[int]:
    place = content.find(wanted)
    while place >= 0:
        yield place
        place = content.find(wanted, place + 1)


# Ogg

_OGG_HEAD_BYTES = 27
_OGG_FIRST = 2


def _ogg_recordings(file: BinaryIO, at: int, size: int) -> Iterator[Recording]:
    """Split where first pages of streams follow other pages (a chained stream)."""
    start, in_header, end = at, True, at
    for page in _ogg_pages(file, at, size):
        if page.is_first and not in_header:
            yield Recording(start, page.start)
            start = page.start
        in_header, end = page.is_first, page.stop
    yield Recording(start, size, is_cut=end > size)


class _Page(NamedTuple):
    start: int
    stop: int
    is_first: bool


def _ogg_pages(file: BinaryIO, at: int, size: int) -> Iterator[_Page]:
    """All pages; the last one may be cut off, and damage between them is passed over."""
    while at + _OGG_HEAD_BYTES <= size:
        file.seek(at)
        head = file.read(_OGG_HEAD_BYTES + 255)
        if head[:5] != b"OggS\0":
            at = _next_place(file, b"OggS\0", at + 1, size)
            continue
        n_segments = head[26]
        body = sum(head[_OGG_HEAD_BYTES : _OGG_HEAD_BYTES + n_segments])
        stop = at + _OGG_HEAD_BYTES + n_segments + body
        yield _Page(at, stop, bool(head[5] & _OGG_FIRST))
        at = stop


def _next_place(file: BinaryIO, wanted: bytes, at: int, size: int) -> int:
    while at < size:
        file.seek(at)
        content = file.read(_CHUNK_BYTES)
        place = content.find(wanted)
        if place >= 0:
            return at + place
        at += max(1, len(content) - len(wanted) + 1)
    return size


# MPEG audio: mp3, mp2

_V1 = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_V2 = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    *((0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),) * 2,
)
"""kbit/s by layer and code (ISO/IEC 11172-3, 13818-3)."""
_RATES_HZ = (44_100, 48_000, 32_000)

_OTHERS = (b"RIFF", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"\x1aE\xdf\xa3", b"\x00\x00\x01")
_MAX_LEAD_BYTES = 1 << 16
"""A capture may begin inside a frame; many players also pad tags with zeros."""
_CONFIRMED = 3
"""So many frames in a row are no accident."""
_FRAMES_SHARE = 0.9
"""Of the bytes: with less it is another format, or mostly damage."""
_MOST_CUT_BYTES = 1 << 12
_TAG_BYTES = 192
_DOUBTFUL_FRAMES = 1_000
_LAYER_3 = 3


class _Frame(NamedTuple):
    """What the four bytes of a frame's header tell.

    Attributes
    ----------
    kind : version, layer, rate and whether mono: the same for all frames of a recording
    """

    n_bytes: int
    n_samples: int
    kind: tuple[int, int, int, bool]


def _may_be_mpeg(head: bytes) -> bool:
    return not head.startswith(_OTHERS) and head[4:8] != b"ftyp"


def _frame(head: bytes) -> _Frame | None:
    """Of the first four bytes; None if they are no header (or of a free bit rate)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    is_v1 = version == 3
    kbit_s = (_V1 if is_v1 else _V2)[layer - 1][bitrate]
    rate_hz = _RATES_HZ[rate] >> (0 if is_v1 else 1 if version == 2 else 2)
    padding = head[2] >> 1 & 1
    kind = (version, layer, rate, head[3] >> 6 == 3)
    if layer == 1:
        return _Frame((12_000 * kbit_s // rate_hz + padding) * 4, 384, kind)
    n_samples = 1152 if is_v1 or layer == 2 else 576
    return _Frame(125 * n_samples * kbit_s // rate_hz + padding, n_samples, kind)


class _Bytes:
    """Random access to a file, a large chunk at a time."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._low, self._content = 0, b""

    def read(self, at: int, n: int) -> bytes:
        """Bytes from a place on; fewer at the end."""
        if not self._low <= at <= at + n <= self._low + len(self._content):
            self._file.seek(at)
            self._low, self._content = at, self._file.read(max(n, _CHUNK_BYTES))
        return self._content[at - self._low : at - self._low + n]


class _Place(NamedTuple):
    """A frame in a file, and whether tags or damage lie between it and the one before."""

    at: int
    frame: _Frame
    after_tag: bool
    junk_bytes: int


def _mpeg_places(source: _Bytes, at: int) -> Iterator[_Place]:
    """All frames, the last one perhaps cut off; tags and damage between them are passed over."""
    kind, after_tag, junk_bytes, in_step = None, False, 0, False
    while at < source.size:
        frame = _frame(source.read(at, 4))
        if frame is not None and (
            (in_step and frame.kind == kind) or _goes_on(source, at + frame.n_bytes, frame.kind)
        ):
            yield _Place(at, frame, after_tag, junk_bytes)
            kind, after_tag, junk_bytes, in_step = frame.kind, False, 0, True
            at += frame.n_bytes
            continue
        after = _after_mpeg_tag(source, at)
        if after is None:
            in_step = False
            chunk = source.read(at + 1, _READ_BYTES)
            found = chunk.find(b"\xff")
            after = at + 1 + (found if found >= 0 else max(1, len(chunk)))
            junk_bytes += after - at
            if kind is None and junk_bytes > _MAX_LEAD_BYTES:
                return
        else:
            after_tag = True
        at = after


def _goes_on(source: _Bytes, at: int, kind: object) -> bool:
    """Whether more frames of a kind follow, or the file or a tag after the last one."""
    for _ in range(_CONFIRMED - 1):
        if at >= source.size:
            return at - source.size < _MOST_CUT_BYTES
        frame = _frame(source.read(at, 4))
        if frame is None:
            return _after_mpeg_tag(source, at) is not None
        if frame.kind != kind:
            return False
        at += frame.n_bytes
    return True


def _after_mpeg_tag(source: _Bytes, at: int) -> int | None:
    """Where a tag ends; None if there is none."""
    head = source.read(at, 16)
    if (size := _id3_bytes(head)) is not None:
        return at + size
    if head[:3] == b"TAG":
        return at + 128
    if head[:8] == b"APETAGEX" and len(head) == 16:
        return at + 32 + int.from_bytes(head[12:16], "little")
    return None


@dataclass
class _Run:
    """Frames that belong together. ``tag`` is the beginning of one that only holds facts."""

    start: int
    frame: _Frame
    first: bytes
    tag: bytes | None
    n_frames: int = 0
    is_clean: bool = True


def _mpeg_recordings(file: BinaryIO, at: int, size: int) -> list[Recording]:
    """All recordings; none if it is another format."""
    source = _Bytes(file, size)
    runs: list[_Run] = []
    sound_bytes = junk_bytes = end = 0
    for place in _mpeg_places(source, at):
        content = source.read(place.at, _TAG_BYTES)
        tag = content if _facts_at(content) is not None else None
        known = runs[-1] if runs else None
        if known is None or place.after_tag or tag or known.frame.kind != place.frame.kind:
            known = _Run(place.at, place.frame, content[:4], tag)
            runs.append(known)
        elif place.junk_bytes:
            known.is_clean = False
        end = place.at + place.frame.n_bytes
        known.n_frames += tag is None and end <= size
        sound_bytes += place.frame.n_bytes
        junk_bytes += place.junk_bytes
    junk_bytes += max(0, size - end - _MAX_LEAD_BYTES)
    if sound_bytes < _FRAMES_SHARE * (sound_bytes + junk_bytes):
        return []
    runs = [run for run in runs if run.n_frames]
    if not runs:
        return []
    stops = [*(run.start for run in runs[1:]), size]
    return [
        _mpeg_recording(run, stop, is_cut=end > size and run is runs[-1])
        for run, stop in zip(runs, stops, strict=True)
    ]


def _mpeg_recording(run: _Run, stop: int, *, is_cut: bool) -> Recording:
    """With a tag that states the true number of frames; libsndfile guesses without one."""
    stated = _stated_frames(run.tag) if run.tag is not None else 0
    promised = max(1.0, stated / run.n_frames)
    if run.frame.kind[1] != _LAYER_3 or (run.is_clean and stated == run.n_frames):
        return Recording(run.start, stop, promised=promised, is_cut=is_cut)
    # Where there is damage, libsndfile may find frames that were passed over here.
    n_frames = run.n_frames if run.is_clean else run.n_frames + _DOUBTFUL_FRAMES
    n_samples = None if run.is_clean else run.n_frames * run.frame.n_samples
    start, head = run.start, b""
    if run.tag is not None:
        keeps_padding = run.is_clean and stated < n_frames
        head = _corrected(run.tag, n_frames, stop - run.start, keeps_padding=keeps_padding)
        start += len(head) or run.frame.n_bytes
    head = head or _tag_frame(run.first, n_frames)
    return Recording(start, stop, head, n_samples, promised, is_cut)


def _facts_at(content: bytes) -> int | None:
    """Where a frame's header is followed by a Xing, Info or VBRI tag instead of sound."""
    start = _tag_place(content)
    for at in (start, start if content[1] & 1 else start + 2):  # there may be a checksum before it
        if content[at : at + 4] in (b"Xing", b"Info"):
            return at
    return 36 if content[36:40] == b"VBRI" else None


def _tag_place(header: bytes) -> int:
    """Where a frame of layer III without a checksum has its tag: after the side information."""
    return 4 + (9, 17, 17, 32)[2 * (header[1] >> 3 & 1) + (header[3] >> 6 != 3)]


def _stated_frames(tag: bytes) -> int:
    at = _facts_at(tag) or 0
    if tag[at : at + 4] == b"VBRI":
        return int.from_bytes(tag[at + 14 : at + 18], "big")
    return int.from_bytes(tag[at + 8 : at + 12], "big") if tag[at + 7] & 1 else 0


def _corrected(tag: bytes, n_frames: int, n_bytes: int, *, keeps_padding: bool) -> bytes:
    """The tag with the true number of frames and bytes; empty if it has no place for them.

    The padding at the end, which the tag states too, is not there where the end was cut off.
    """
    at = _facts_at(tag) or 0
    flags = tag[at + 7] if tag[at : at + 4] != b"VBRI" else 0
    if not flags & 1 or len(tag) < _TAG_BYTES:
        return b""
    made = bytearray(tag)
    made[at + 8 : at + 12] = n_frames.to_bytes(4, "big")
    if flags & 2:
        made[at + 12 : at + 16] = n_bytes.to_bytes(4, "big")
    encoder = at + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
    if not keeps_padding and encoder + 24 <= len(made):
        made[encoder + 22] &= 0xF0
        made[encoder + 23] = 0
    return bytes(made)


def _tag_frame(first: bytes, n_frames: int) -> bytes:
    """A frame that holds nothing but the number of frames that follow."""
    header = bytearray(first)
    header[1] |= 1  # without a checksum
    header[2] = 0x90 | header[2] & 0x0C
    if (frame := _frame(bytes(header))) is None:
        return b""
    content = bytearray(frame.n_bytes)
    content[:4] = header
    struct.pack_into(">4sII", content, _tag_place(first), b"Xing", 1, n_frames)
    return bytes(content)
