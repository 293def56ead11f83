"""Copy a video by FFmpeg, with another sound: for Matroska, and for MP4 files in fragments."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from engine.audio.container_decoder import opened_container
from engine.errors import Refusal

_FORMATS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska"}
_OWN = frozenset(
    {"MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "ENCODER", "ITUNSMPB", "DURATION"}
)
"""Of the file or its sound, which are others now."""
_EXACT = {"movie_timescale": "48000"}
"""Of MP4: milliseconds by itself."""


def write(
    file: io.FileIO, source: Path, number: int, sound: Path, starts_s: float, ending: str
) -> None:
    """Write a video with another sound; packets of all other tracks are copied.

    Parameters
    ----------
    file : open and empty
    number : of the sound track that is replaced, from 1
    sound : encoded for this container
    starts_s : the time stamp of its first sample
    ending : of the result: ``mp4``, ``m4v``, ``mov`` or ``mkv``

    Raises
    ------
    Refusal : FFmpeg cannot write it
    AudioFileError, OSError : a file cannot be read
    """
    options = {} if ending == "mkv" else _EXACT
    try:
        with (
            opened_container(source) as old,
            opened_container(sound) as coded,
            av.open(file, "w", format=_FORMATS[ending], options=options) as new,
        ):
            _copy(old, coded, new, number, starts_s)
    except (av.FFmpegError, ValueError) as error:
        raise Refusal(
            "its picture cannot be copied", "convert it without keeping the picture"
        ) from error


def _copy(
    old: InputContainer, coded: InputContainer, new: OutputContainer, number: int, starts_s: float
) -> None:
    replaced = old.streams.audio[number - 1]
    new.metadata.update(_kept(old.metadata))
    new.set_chapters(old.chapters())
    places: dict[int, Any] = {}
    for stream in old.streams:
        if stream.type in ("data", "unknown"):  # MP4's chapters are among these; see above
            continue
        template = coded.streams.audio[0] if stream is replaced else stream
        made = new.add_stream_from_template(template)
        made.metadata.update(_kept(stream.metadata))
        made.disposition = stream.disposition
        if stream is not replaced and stream.time_base is not None:
            made.time_base = stream.time_base
        places[stream.index] = made
    sounds = _packets(coded, {coded.streams.audio[0].index: places.pop(replaced.index)}, starts_s)
    pictures = _packets(old, places, 0.0)
    packet: Any = next(pictures, None)
    sound: Any = next(sounds, None)
    while packet is not None or sound is not None:
        if sound is None or (packet is not None and _time(packet) <= _time(sound)):
            new.mux(packet)
            packet = next(pictures, None)
        else:
            new.mux(sound)
            sound = next(sounds, None)


def _packets(container: InputContainer, places: dict[int, Any], later_s: float) -> Iterator[Any]:
    """The packets of some streams, for those of the new file; attachments have none."""
    streams = [
        stream
        for stream in container.streams
        if stream.index in places and stream.type != "attachment"
    ]
    last: dict[int, int] = {}
    for packet in container.demux(streams):
        if not packet.size:
            continue
        at = packet.stream.index
        if packet.dts is None and packet.pts is not None:
            # Before pictures that are decoded ahead; what counts is that none goes backwards.
            packet.dts = min(packet.pts, last.get(at, packet.pts))
        last[at] = packet.dts or 0
        if later_s:
            ticks = round(Fraction(later_s) / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) + ticks, (packet.dts or 0) + ticks
        packet.stream = places[at]
        yield packet


def _time(packet: Any) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts or 0
    return Fraction(stamp * packet.time_base)


def _kept(values: dict[str, str]) -> dict[str, str]:
    """What a file or track says about itself that is still true."""
    return {
        name: value
        for name, value in values.items()
        if name.upper() not in _OWN and "STATISTICS" not in name.upper()
    }
