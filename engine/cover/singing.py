"""The voices of a cover: the lead in another voice, the backing as it was asked for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.converter import Converter
from engine.cover.loudness import GRID_HZ, Track
from engine.cover.mix import PlacedVoice, sound_of
from engine.cover.options import CoverOptions, Part
from engine.cover.placement import VoicePlacement, delay_ms, is_double_tracked
from engine.cover.stems import Key, Stems
from engine.cover.work import Work
from engine.errors import Message, Text
from engine.options import ConversionOptions
from engine.pipeline import Region, quiet_note
from engine.voice import VoiceFiles

_MOST_DELAY_MS = 10.0
"""Envelopes of two voices alone differ by several milliseconds."""


@dataclass(frozen=True)
class Sung:
    """The voices of a cover at 44.1 kHz.

    Attributes
    ----------
    backing : None where there is none
    f0_hz : pitch of the lead, see `engine.options.ConversionResult`
    """

    lead: Track
    backing: Track | None
    f0_hz: NDArray[np.float32] | None


def sing(
    converter: Converter,
    stems: Stems,
    heard: Track | None,
    voices: tuple[VoiceFiles, VoiceFiles],
    options: ConversionOptions,
    cover: CoverOptions,
    work: Work,
) -> Sung:
    """Convert the lead of a song, and its backing voices where that is asked for.

    Parameters
    ----------
    heard : the whole song; None where the stems were not taken out of one
    voices : of the lead, and of the backing

    Raises
    ------
    UserError, ConversionCancelled : as `engine.converter.Converter.convert_sound`
    """
    backing = stems.backing
    converts = backing is not None and cover.backing == "convert"
    of = 2 if converts else 1
    work.plan_conversion(0, of)
    made, f0_hz = converted(converter, "lead", stems.lead, stems.key, voices[0], options, work)
    lead = in_place(stems.lead, made, heard, work)
    if converts and backing is not None:
        work.plan_conversion(1, of)
        moved = dataclasses.replace(options, semitones=cover.backing_semitones)
        key = backing_key(stems)
        made, _ = converted(converter, "backing", backing, key, voices[1], moved, work)
        backing = in_place(backing, made, heard, work)
    return Sung(lead, backing, f0_hz)


def backing_key(stems: Stems) -> Key:
    """Tells the backing voices from all other sounds."""
    return (*stems.key, "backing")


def converted(
    converter: Converter,
    part: Part,
    lead: Track,
    key: Key,
    voice: VoiceFiles,
    options: ConversionOptions,
    work: Work,
    region: Region | None = None,
) -> tuple[Track, NDArray[np.float32] | None]:
    """A lead in another voice at 44.1 kHz, and its pitch.

    Parameters
    ----------
    key : tells the lead from all other sounds
    region : the stretch that is wanted; None is all
    """
    stereo = is_double_tracked(lead)
    asked = dataclasses.replace(options, stereo=stereo, output_rate_hz=GRID_HZ)
    before = dict(work.stage_s)
    listener = work.follow(before)
    made, result = converter.convert_sound(
        sound_of(lead, 2),
        voice,
        asked,
        key=key,
        region=region,
        listener=listener,
        cancel=work.cancel,
    )
    for stage, seconds in result.stage_s.items():
        work.stage_s[stage] = before.get(stage, 0.0) + seconds
    for note in result.notes:
        work.note(_of_part(note, part))
    return work.watched(made), result.f0_hz


def _of_part(note: Message, part: Part) -> Message:
    """A remark on a sound that is only a part of the song; others are true for all of it."""
    if not isinstance(note, Text) or note.template != quiet_note(0).template:
        return note
    db = note.values["db"]
    if part == "lead":
        return Text("the lead is very quiet; the networks heard it {db} dB louder", db=db)
    return Text("the backing voices are very quiet; the networks heard them {db} dB louder", db=db)


def in_place(lead: Track, made: Track, heard: Track | None, work: Work) -> PlacedVoice:
    """A converted voice where its lead was in the song, at its level.

    Parameters
    ----------
    heard : see `sing`
    """
    with work.stage("mix"):
        placed = PlacedVoice(made, VoicePlacement.match(lead, made, heard))
        delay = delay_ms(lead, made)
    if delay is not None and abs(delay) > _MOST_DELAY_MS:
        template = (
            "the converted voice is about {delay} ms later than the lead"
            if delay > 0
            else "the converted voice is about {delay} ms earlier than the lead"
        )
        work.note(Text(template, delay=f"{abs(delay):.0f}"))
    return placed
