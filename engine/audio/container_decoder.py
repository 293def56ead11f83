"""Files that FFmpeg reads: m4a, aac, mp4, mov, mkv, webm, wma, avi and damaged others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from engine.audio.headers import ASF, PROTECTED, is_cut_off, promised_ratio
from engine.audio.source import (
    DAMAGED_NOTE,
    SILENT_PEAK,
    AudioInfo,
    Decoded,
    Intake,
    SoundBlock,
    VideoFacts,
    VideoFamily,
    cut_off_note,
    no_such_track,
    refused,
)
from engine.audio.spool import BLOCK_FRAMES
from engine.audio.timeline import Timeline
from engine.errors import AudioFileError, Message, Text

_CUT_S = 0.5
"""Headers round, and count padding: a smaller gap is not a cut."""

_MAX_PADDING_FRAMES = 8192
"""A gapless tag that removes more was written before the file was cut or joined."""

_EDIT_LIST_TICK_S = Fraction(1, 1000)
"""MP4 writers commonly round the edit list to the movie's milliseconds."""

_TIMED = frozenset({"mov", "matroska", "mpegts", "mpeg", "flv"})
"""Their time stamps are meant, and as exact as they say."""
_MAX_NAME = 40

# Without playlists, concatenation scripts and device formats: these can open other files or the
# network.
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,"
    "w64,wav,wv"
)
_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}

_ASF_PROTECTION = bytes.fromhex("fbb31122 23bdd211 b4b700a0 c955fc6e")
_HEAD_BYTES = 1 << 16

_SEEKABLE = frozenset({"mov", "matroska"})
"""Their packets are indexed with time stamps (Matroska's are rounded to the millisecond); in
other formats a seek is inexact: these are decoded from the start."""

_SEEK_LEAD_S = 0.5
"""Decoded and dropped after a seek: codecs need what came before (AAC a packet, Opus 80 ms)."""


def probe(path: Path, track: int | None = None) -> AudioInfo:
    """Read the header.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path, track) as (container, stream):
        duration_s, stated_s = None, _stated_s(stream)
        if stated_s is not None:
            duration_s = float(stated_s) + _late_s(stream, _timeline(container, stream))
        elif container.duration is not None:
            duration_s = container.duration / av.time_base
        return AudioInfo(
            path,
            _kind(container, stream),
            stream.codec_context.sample_rate,
            stream.codec_context.channels,
            duration_s,
        )


def decode(
    path: Path, intake: Intake, track: int | None = None, *, damaged: bool = False
) -> Decoded:
    """Decode an audio stream, without damaged packets and the encoder's padding.

    The padding is cut where the file states its length.

    Parameters
    ----------
    intake : takes the sound
    track : which one, from 1; None takes the first one that has sound, the default one before
    damaged : True if the file is known to be damaged; then a note says so

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path, track) as (container, stream):
        tally = _Tally(damaged=damaged)
        timeline = _timeline(container, stream)
        intake.take(block for _, block in _placed(container, stream, timeline, tally))
        if not intake.rate_hz:
            why_none = "it is damaged throughout" if tally.damaged else "it holds no sound"
            raise refused(path, why_none, "choose another file")
        notes = _length_notes(path, stream, tally, timeline, intake)
        intake.finish(_true_frames(container, stream, tally, timeline, intake.n_frames))
        if track is None:
            notes = (*_track_notes(container, stream), *notes)
        return Decoded(_kind(container, stream), intake.rate_hz, intake.n_frames, notes)


def blocks(path: Path, start_s: float, track: int | None = None) -> Iterator[SoundBlock]:
    """Decode from `start_s` on, a frame at a time; without the padding, like `decode`.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path, track) as (container, stream):
        timeline = _timeline(container, stream)
        if start_s > _SEEK_LEAD_S and _container_name(container) in _SEEKABLE:
            timeline.begin_at(start_s)
            container.seek(int((start_s + timeline.origin_s - _SEEK_LEAD_S) * av.time_base))
        tally = _Tally(damaged=False)
        held: deque[tuple[int, SoundBlock]] = deque()  # until it is known to be no padding
        for place in _placed(container, stream, timeline, tally):
            held.append(place)
            while held[-1][0] - held[0][0] > _MAX_PADDING_FRAMES:
                yield from _part(*held.popleft(), round(start_s * timeline.rate_hz))
        end = _true_frames(container, stream, tally, timeline, timeline.n_frames)
        for at, block in held:
            yield from _part(at, block, round(start_s * timeline.rate_hz), end)


def starts_anywhere(path: Path) -> bool:
    """Whether `blocks` can go to its start at once.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path, None) as (container, _):
        return _container_name(container) in _SEEKABLE


def video_facts(path: Path, track: int | None = None) -> VideoFacts:
    """What is to be known for another sound beside its picture.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path, track) as (container, stream):
        families: dict[str, VideoFamily] = {"mov": "movie", "matroska": "matroska"}
        family = families.get(_container_name(container), "")
        pictures = (each.disposition & Disposition.attached_pic for each in container.streams.video)
        timeline = _timeline(container, stream)
        starts_s = timeline.first_origin_s
        if not timeline.late_s:  # codecs may begin before the first sample that counts
            frame = next(_frames(container, stream, _Tally(damaged=False)), None)
            if frame is not None and frame.pts is not None and frame.time_base is not None:
                starts_s = float(frame.pts * frame.time_base)
        number = container.streams.audio.index(stream) + 1
        return VideoFacts(family, not all(pictures), number, starts_s)


def metadata(path: Path) -> tuple[dict[str, str], list[bytes]]:
    """What a file says about itself, by FFmpeg's names, and its attached pictures; never fails."""
    values: dict[str, str] = {}
    images: list[bytes] = []
    with suppress(AudioFileError, OSError, av.FFmpegError), opened_container(path) as container:
        for stream in container.streams.audio:
            values |= stream.metadata
        values |= container.metadata
        attached = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        for packet in container.demux(attached) if attached else ():
            if packet.size and len(images) < len(attached):
                images.append(bytes(packet))
    return values, images


def _part(at: int, block: SoundBlock, start: int, stop: int | None = None) -> Iterator[SoundBlock]:
    """What of a block lies between two positions."""
    end = len(block.samples) if stop is None else max(0, stop - at)
    kept = block.samples[max(0, start - at) : end]
    if len(kept):
        yield block._replace(samples=kept)


def _timeline(container: InputContainer, stream: AudioStream) -> Timeline:
    return Timeline(container, stream, is_timed=_container_name(container) in _TIMED)


def _placed(
    container: InputContainer, stream: AudioStream, timeline: Timeline, tally: _Tally
) -> Iterator[tuple[int, SoundBlock]]:
    """Blocks, silence among them, and the position of each."""
    for frame in _frames(container, stream, tally):
        n_silent, n_dropped, sound_at = timeline.place(frame)
        samples = _block(frame)
        layout = tuple(channel.name for channel in frame.layout.channels)
        while n_silent > 0:
            n = min(n_silent, BLOCK_FRAMES)
            silence = np.zeros((n, samples.shape[1]), np.float32)
            yield sound_at - n_silent, SoundBlock(silence, timeline.rate_hz, layout)
            n_silent -= n
        if n_dropped < len(samples):
            yield sound_at, SoundBlock(samples[n_dropped:], frame.sample_rate, layout)


class _Nameless:
    """A file without its name: FFmpeg then goes by the content and cannot open other files."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like a file's, but -1 for the impossible places that a damaged header points to."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


@contextmanager
def _opened(path: Path, track: int | None) -> Iterator[tuple[InputContainer, AudioStream]]:
    with opened_container(path) as container:
        streams = _playable(path, container)
        if track is None and len(streams) > 1:
            status = path.stat()
            track = _audible_track(path, status.st_mtime_ns, status.st_size)
        if track is None:
            yield container, streams[0]
            return
        found = [each for each in streams if container.streams.audio.index(each) == track - 1]
        if not found:
            raise no_such_track(path, track, len(container.streams.audio))
        yield container, found[0]


@contextmanager
def opened_container(path: Path) -> Iterator[InputContainer]:
    """A file opened by FFmpeg, by its content alone.

    Raises
    ------
    AudioFileError : it is of no known kind
    OSError : it cannot be opened
    """
    with path.open("rb") as file:
        try:
            container = av.open(_Nameless(file), "r", options=_OPTIONS, metadata_errors="ignore")
        except av.FFmpegError as error:
            raise _unknown(path) from error
        with container:
            yield container


@lru_cache(maxsize=64)
def _audible_track(path: Path, _: int, __: int) -> int:
    """The first track that has sound, from 1; the default one where none has."""
    with opened_container(path) as container:
        numbers = [container.streams.audio.index(each) + 1 for each in _playable(path, container)]
    for number in numbers:
        with _opened(path, number) as (container, stream):
            for frame in _frames(container, stream, _Tally(damaged=False)):
                block = _block(frame)
                if float((block.max(axis=0) - block.min(axis=0)).max()) > 2 * SILENT_PEAK:
                    return number
    return numbers[0]


def _track_notes(container: InputContainer, stream: AudioStream) -> tuple[Message, ...]:
    """The sentence for a file with several sound tracks."""
    count = len(container.streams.audio)
    if count < 2:
        return ()
    number = container.streams.audio.index(stream) + 1
    name = "".join(c for c in stream.metadata.get("title", "") if c.isprintable()).strip()
    if not name:
        return (
            Text(
                "it has {count} sound tracks; number {number} is used", count=count, number=number
            ),
        )
    return (
        Text(
            'it has {count} sound tracks; number {number}, "{name}", is used',
            count=count,
            number=number,
            name=name[:_MAX_NAME],
        ),
    )


def _unknown(path: Path) -> Exception:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(ASF) and _ASF_PROTECTION in head:
        return _protected(path)
    if b"ftyp" in head[:12]:
        return refused(
            path, "it is an unfinished or cut-off video or audio file", "get or record it again"
        )
    return refused(
        path,
        "it isn't an audio or video file we can read, or it is damaged",
        "choose another file",
    )


def _playable(path: Path, container: InputContainer) -> list[AudioStream]:
    """The sound tracks that can be decoded, default ones first."""
    if not container.streams.audio:
        why = "this video has no sound" if container.streams.video else "this file has no sound"
        raise refused(path, why, "choose a file with sound")
    playable = []
    for stream in container.streams.audio:
        # The type stubs are wrong: an unknown codec has no context.
        context = getattr(stream, "codec_context", None)
        if _is_protected(path, container, context):
            raise _protected(path)
        if context is not None and context.sample_rate and context.channels:
            playable.append(stream)
    if not playable:
        raise refused(
            path, "its sound is in an unknown format or damaged", "convert it to a WAV file first"
        )
    return sorted(playable, key=lambda stream: not stream.disposition & Disposition.default)


def _protected(path: Path) -> Exception:
    return refused(path, "it is copy-protected (DRM)", "use a file without protection")


def _is_protected(path: Path, container: InputContainer, context: AudioCodecContext | None) -> bool:
    if container.format.name != "asf":
        try:
            return context is not None and context.codec_tag in PROTECTED
        except UnicodeDecodeError:  # PyAV reads the tag as ASCII
            return False
    with path.open("rb") as file:
        return _ASF_PROTECTION in file.read(_HEAD_BYTES)


def _kind(container: InputContainer, stream: AudioStream) -> str:
    return f"{_container_name(container)} ({stream.codec_context.name})"


def _frames(container: InputContainer, stream: AudioStream, tally: _Tally) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            tally.damaged = True
            return
        if packet is None:
            return
        if packet.pts is not None and packet.duration:
            tally.end_ticks = max(packet.pts + packet.duration, tally.end_ticks or 0)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            tally.damaged = True
            continue
        for frame in frames:
            if isinstance(frame, AudioFrame) and frame.samples:
                yield frame


def _block(frame: AudioFrame) -> NDArray[np.float32]:
    """float32 [n, channels] of a frame in any of FFmpeg's sample formats."""
    values: NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - np.float32(128)) / np.float32(128)
    if values.dtype.kind == "i":
        full_scale = float(1 << (8 * values.dtype.itemsize - 1))
        return (values / full_scale).astype(np.float32)
    return values.astype(np.float32)


@dataclass
class _Tally:
    """Notes taken while decoding: damage, and the end of the last packet."""

    damaged: bool
    end_ticks: int | None = None


def _container_name(container: InputContainer) -> str:
    """The first of FFmpeg's names of the format, e.g. ``mov``, ``matroska``."""
    return container.format.name.split(",")[0]


def _stated_s(stream: AudioStream) -> Fraction | None:
    """Duration of the stream as the header states it."""
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


def _late_s(stream: AudioStream, timeline: Timeline) -> float:
    """What is to be added to a stated duration: Matroska's tag counts from the file's beginning.

    Unless it is of mkvmerge, which writes the track's own length.
    """
    if stream.duration is None and not any("STATISTICS" in name for name in stream.metadata):
        return 0.0
    return timeline.late_s


def _true_frames(
    container: InputContainer,
    stream: AudioStream,
    tally: _Tally,
    timeline: Timeline,
    n_decoded: int,
) -> int | None:
    """Frames without the encoder's padding, where an MP4 states it.

    A bare AAC stream (``.aac``) states nothing: everything decoded counts as sound, as players
    play it.
    """
    if _container_name(container) != "mov":
        return None
    gapless = container.metadata.get("iTunSMPB", "").split()
    try:
        n_tagged = int(gapless[3], 16) + timeline.n_silent
        if n_tagged > timeline.n_silent and n_decoded - n_tagged <= _MAX_PADDING_FRAMES:
            return n_tagged
    except (ValueError, IndexError):
        pass  # no tag, or not Apple's: use the edit list
    header_s = _stated_s(stream)
    if header_s is None or header_s <= 0:
        return None
    n_stated = round((float(header_s) + _late_s(stream, timeline)) * timeline.rate_hz)
    if tally.end_ticks is None or stream.time_base is None:
        return n_stated
    end_s = float(tally.end_ticks * stream.time_base) - timeline.first_origin_s
    n_packets = round(end_s * timeline.rate_hz)
    # The packets count samples, the edit list perhaps only milliseconds.
    return n_packets if n_packets - n_stated <= _EDIT_LIST_TICK_S * timeline.rate_hz else n_stated


def _length_notes(
    path: Path, stream: AudioStream, tally: _Tally, timeline: Timeline, intake: Intake
) -> tuple[Message, ...]:
    """The sentences for a file that is cut off or damaged."""
    notes: list[Message] = []
    present_s = intake.n_frames / intake.rate_hz
    promised_s = present_s * promised_ratio(path)
    header_s = _stated_s(stream)
    if header_s is not None and is_cut_off(path):
        promised_s = max(promised_s, float(header_s) + _late_s(stream, timeline))
    if present_s < promised_s - _CUT_S:
        notes.append(cut_off_note(promised_s, present_s))
    if tally.damaged:
        notes.append(DAMAGED_NOTE)
    return tuple(notes)
