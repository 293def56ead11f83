"""Files that FFmpeg reads: m4a, aac, mp4, mov, mkv, webm, wma, avi and damaged others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from engine.audio.headers import promised_ratio
from engine.audio.source import (
    DAMAGED_NOTE,
    AudioInfo,
    Decoded,
    Intake,
    SoundBlock,
    cut_off_note,
    refused,
)
from engine.errors import Message, Text

# These state a duration in their header; for others FFmpeg only estimates it.
_STATES_DURATION = frozenset({"mov", "matroska", "asf", "avi", "flac", "wav", "w64", "aiff", "caf"})

_CUT_S = 0.5
"""Headers round, and count padding: a smaller gap is not a cut."""

_MAX_PADDING_FRAMES = 8192
"""A gapless tag that removes more was written before the file was cut or joined."""

_EDIT_LIST_TICK_S = Fraction(1, 1000)
"""MP4 writers commonly round the edit list to the movie's milliseconds."""


# Without playlists, concatenation scripts and device formats: these can open other files or the
# network.
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,"
    "w64,wav,wv"
)
_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}

_PROTECTED_TAGS = frozenset({"drms", "enca", "aavd"})
_ASF = bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c")
_ASF_PROTECTION = bytes.fromhex("fbb31122 23bdd211 b4b700a0 c955fc6e")
_HEAD_BYTES = 1 << 16

_SEEKABLE = frozenset({"mov", "matroska"})
"""Their packets are indexed with time stamps (Matroska's are rounded to the millisecond); in
other formats a seek is inexact: these are decoded from the start."""

_SEEK_LEAD_S = 0.5
"""Decoded and dropped after a seek: codecs need what came before (AAC a packet, Opus 80 ms)."""


def probe(path: Path) -> AudioInfo:
    """Read the header.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path) as (container, stream):
        duration_s = _stated_s(stream)
        if duration_s is None and container.duration is not None:
            duration_s = Fraction(container.duration, av.time_base)
        return AudioInfo(
            path,
            _kind(container, stream),
            stream.codec_context.sample_rate,
            stream.codec_context.channels,
            None if duration_s is None else float(duration_s),
        )


def decode(path: Path, intake: Intake, *, damaged: bool = False) -> Decoded:
    """Decode the first audio stream, without damaged packets and the encoder's padding.

    The padding is cut where the file states its length.

    Parameters
    ----------
    intake : takes the sound
    damaged : True if the file is known to be damaged; then a note says so

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path) as (container, stream):
        tally = _Tally(damaged=damaged)
        rate_hz = 0
        for frame in _frames(container, stream, tally):
            if not rate_hz:
                rate_hz = frame.sample_rate
                intake.begin(rate_hz)
            if frame.sample_rate != rate_hz:
                why = Text(
                    "its sample rate changes from {before} to {after} Hz",
                    before=rate_hz,
                    after=frame.sample_rate,
                )
                raise refused(path, why, "convert it to a WAV file first")
            intake.append(_block(frame))
        if not rate_hz:
            why_none = "it is damaged throughout" if tally.damaged else "it holds no sound"
            raise refused(path, why_none, "choose another file")
        notes = _length_notes(path, container, stream, tally, intake.n_frames / rate_hz)
        intake.finish(_true_frames(container, stream, tally, rate_hz, intake.n_frames))
        return Decoded(_kind(container, stream), rate_hz, intake.n_frames, notes)


def blocks(path: Path, start_s: float) -> Iterator[SoundBlock]:
    """Decode from `start_s` on, a frame at a time; the encoder's padding at the end is kept.

    Raises
    ------
    AudioFileError : if there is no sound that can be decoded
    OSError : if the file cannot be opened
    """
    with _opened(path) as (container, stream):
        at: int | None = 0
        if start_s > _SEEK_LEAD_S and _container_name(container) in _SEEKABLE:
            at = None
            container.seek(int((start_s - _SEEK_LEAD_S) * av.time_base))
        for frame in _frames(container, stream, _Tally(damaged=False)):
            if at is None:
                at = _first_index(stream, frame)
            block = _block(frame)[max(0, round(start_s * frame.sample_rate) - at) :]
            at += frame.samples
            if len(block):
                yield SoundBlock(block, frame.sample_rate)


def _first_index(stream: AudioStream, frame: AudioFrame) -> int:
    """Which sample of the whole sound the frame begins with, by its time stamp."""
    if frame.pts is None or frame.time_base is None:
        return 0
    start_s = (stream.start_time or 0) * (stream.time_base or Fraction(0))
    return round((frame.pts * frame.time_base - start_s) * frame.sample_rate)


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
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    with path.open("rb") as file:
        try:
            container = av.open(_Nameless(file), "r", options=_OPTIONS, metadata_errors="ignore")
        except av.FFmpegError as error:
            raise _unknown(path) from error
        with container:
            yield container, _first_sound(path, container)


def _unknown(path: Path) -> Exception:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_ASF) and _ASF_PROTECTION in head:
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


def _first_sound(path: Path, container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        why = "this video has no sound" if container.streams.video else "this file has no sound"
        raise refused(path, why, "choose a file with sound")
    stream = container.streams.audio[0]
    # The type stubs are wrong: an unknown codec has no context.
    context = getattr(stream, "codec_context", None)
    if _is_protected(path, container, context):
        raise _protected(path)
    if context is None or not context.sample_rate or not context.channels:
        raise refused(
            path, "its sound is in an unknown format or damaged", "convert it to a WAV file first"
        )
    return stream


def _protected(path: Path) -> Exception:
    return refused(path, "it is copy-protected (DRM)", "use a file without protection")


def _is_protected(path: Path, container: InputContainer, context: AudioCodecContext | None) -> bool:
    if container.format.name != "asf":
        try:
            return context is not None and context.codec_tag in _PROTECTED_TAGS
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


def _true_frames(
    container: InputContainer,
    stream: AudioStream,
    tally: _Tally,
    rate_hz: int,
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
        n_tagged = int(gapless[3], 16)
        if n_tagged > 0 and n_decoded - n_tagged <= _MAX_PADDING_FRAMES:
            return n_tagged
    except (ValueError, IndexError):
        pass  # no tag, or not Apple's: use the edit list
    header_s = _stated_s(stream)
    if header_s is None or header_s <= 0:
        return None
    n_stated = round(header_s * rate_hz)
    if tally.end_ticks is None or stream.time_base is None:
        return n_stated
    n_packets = round(tally.end_ticks * stream.time_base * rate_hz)
    # The packets count samples, the edit list perhaps only milliseconds.
    return n_packets if n_packets - n_stated <= _EDIT_LIST_TICK_S * rate_hz else n_stated


def _length_notes(
    path: Path, container: InputContainer, stream: AudioStream, tally: _Tally, present_s: float
) -> tuple[Message, ...]:
    """The sentences for a file that is cut off or damaged."""
    notes: list[Message] = []
    promised_s = present_s * promised_ratio(path)
    header_s = _stated_s(stream)
    if header_s is not None and _container_name(container) in _STATES_DURATION:
        promised_s = max(promised_s, float(header_s))
    if present_s < promised_s - _CUT_S:
        notes.append(cut_off_note(promised_s, present_s))
    if tally.damaged:
        notes.append(DAMAGED_NOTE)
    return tuple(notes)
