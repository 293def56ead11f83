"""How long the sound is in a file that FFmpeg reads: as stated, without padding, and if cut off."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer

from engine.audio.header import promised_ratio
from engine.audio.source import cut_off_note

# These state a duration in their header; the others only let FFmpeg guess one.
_STATES_DURATION = frozenset({"mov", "matroska", "asf", "avi", "flac", "wav", "w64", "aiff", "caf"})

_CUT_S = 0.5
"""Headers round, and count padding: only a larger gap is called a cut."""

_MAX_PADDING_FRAMES = 8192
"""A gapless tag that takes off more is a leftover from before the file was cut or joined."""

_EDIT_LIST_TICK_S = Fraction(1, 1000)
"""MP4 writers commonly round the edit list to the movie's milliseconds."""


@dataclass
class Tally:
    """What went by while decoding: any damage, and the end of the last packet."""

    damaged: bool
    end_ticks: int | None = None


def container_name(container: InputContainer) -> str:
    """The first of FFmpeg's names of the format, e.g. ``mov``, ``matroska``."""
    return container.format.name.split(",")[0]


def stated_s(stream: AudioStream) -> Fraction | None:
    """Duration of the stream as the header states it."""
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


def true_frames(
    container: InputContainer,
    stream: AudioStream,
    tally: Tally,
    rate_hz: int,
    n_decoded: int,
) -> int | None:
    """How many frames are sound and not the encoder's padding, where an MP4 tells it.

    A bare AAC stream (``.aac``) tells nothing: all that is decoded counts as sound, so that a
    result lies on its source in every player that plays such a file whole.
    """
    if container_name(container) != "mov":
        return None
    gapless = container.metadata.get("iTunSMPB", "").split()
    try:
        n_tagged = int(gapless[3], 16)
        if n_tagged > 0 and n_decoded - n_tagged <= _MAX_PADDING_FRAMES:
            return n_tagged
    except (ValueError, IndexError):
        pass  # no tag, or none of Apple's: the edit list knows
    header_s = stated_s(stream)
    if header_s is None or header_s <= 0:
        return None
    n_stated = round(header_s * rate_hz)
    if tally.end_ticks is None or stream.time_base is None:
        return n_stated
    n_packets = round(tally.end_ticks * stream.time_base * rate_hz)
    # The packets count samples, the edit list perhaps only milliseconds.
    return n_packets if n_packets - n_stated <= _EDIT_LIST_TICK_S * rate_hz else n_stated


def length_notes(
    path: Path, container: InputContainer, stream: AudioStream, tally: Tally, present_s: float
) -> tuple[str, ...]:
    """The sentences for a file that is cut off or damaged."""
    notes = []
    promised_s = present_s * promised_ratio(path)
    header_s = stated_s(stream)
    if header_s is not None and container_name(container) in _STATES_DURATION:
        promised_s = max(promised_s, float(header_s))
    if present_s < promised_s - _CUT_S:
        notes.append(cut_off_note(promised_s, present_s))
    if tally.damaged:
        notes.append("parts of the file are damaged and were left out")
    return tuple(notes)
