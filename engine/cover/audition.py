"""A stretch of a cover, to listen to: only that stretch is separated and converted, in pieces."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.audio.reader import probe_audio
from engine.audio.source import ends_before
from engine.audio.spool import Spool, temporary_disk_errors
from engine.cover.cover import Cover
from engine.cover.limiter import limited_blocks, limited_stretch
from engine.cover.loudness import GRID_HZ, Cut, Floats, Track, blocks_of
from engine.cover.mix import Mix, rendered, sound_of, spooled
from engine.cover.options import CoverOptions, Part
from engine.cover.placement import has_voice
from engine.cover.singing import backing_key, converted, in_place
from engine.cover.stems import Key, Stems
from engine.cover.work import Work
from engine.files import scratch_folder
from engine.options import ConversionOptions
from engine.pipeline import Region
from engine.progress import CancelToken
from engine.separation.song import part_of_song, song_of, song_of_sound
from engine.voice import VoiceFiles

_MARGIN_S = 2
_MARGIN_SAMPLES = _MARGIN_S * GRID_HZ
"""Separated and converted around the stretch: networks need something before and after it."""

_READ_WHOLE_S = 900.0
"""Of a longer song only the stretch is read; stems that are kept of all of it are not looked for,
since their key holds its true length."""


@dataclass(frozen=True)
class CoverPiece:
    """Part of a cover.

    Attributes
    ----------
    start_s : where in the song it begins
    samples : float32 [n, channels]
    """

    start_s: float
    samples: Floats
    rate_hz: int


@dataclass(frozen=True)
class _Wanted:
    """What is to be heard; as in `Cover.make`."""

    voices: tuple[VoiceFiles, VoiceFiles]
    options: ConversionOptions
    cover: CoverOptions


@dataclass(frozen=True)
class _Stretch:
    """What a stretch of a song was taken apart into, with a margin; all at 44.1 kHz.

    Attributes
    ----------
    start : where in the song it begins, in samples
    bed : what the voices are added to; None where there is nothing
    heard : the song; None where the file is vocals alone
    sings : whether there is a voice in it
    """

    start: int
    bed: Track | None
    heard: Track | None
    stems: Stems
    sings: bool

    def __len__(self) -> int:
        return len(self.stems.vocals)


class CoverAudition:
    """Makes stretches of covers, and writes nothing.

    The parts of finished covers and the stems of whole songs are used where they are kept. What
    the last stretch was taken apart into stays in memory: other settings only convert it again.
    Levels are matched within the stretch, so they may differ a little from those of the cover.
    """

    def __init__(self, covers: Cover) -> None:
        self.covers = covers
        self._last: tuple[Key, _Stretch] | None = None

    def pieces(
        self,
        source: Path,
        region: Region,
        voice: VoiceFiles,
        options: ConversionOptions,
        cover: CoverOptions,
        *,
        backing_voice: VoiceFiles | None = None,
        first_s: float = 0.0,
        cancel: CancelToken | None = None,
    ) -> Iterator[CoverPiece]:
        """A stretch of a cover, in pieces as soon as they are made; at last all of it.

        Parameters
        ----------
        first_s : the instant whose piece is made first

        Raises
        ------
        OptionError : the song ends before the stretch begins
        UserError, ConversionCancelled : as `engine.cover.cover.Cover.make`
        """
        wanted = _Wanted((voice, backing_voice or voice), options, cover)
        work = Work(self.covers.converter.profiler, None, cancel)
        self.covers.require_networks(cover)
        made = self._made_before(source, region, wanted, work)
        if made is not None:
            yield made
            return
        stretch = self._stretch(source, region, wanted, work)
        start = round(region.start_s * GRID_HZ) - stretch.start
        stop = min(round(region.stop_s * GRID_HZ) - stretch.start, len(stretch))
        sung: dict[Part, Spool] = {}
        done: list[tuple[int, int]] = []
        for piece in Region(start / GRID_HZ, stop / GRID_HZ).pieces(
            first_s - stretch.start / GRID_HZ
        ):
            low, high = piece.samples(GRID_HZ, len(stretch))
            if stretch.sings:
                self._sing(stretch, low, high, wanted, sung, work)
            done.append((low, high))
            yield self._heard(stretch, low, high, wanted, sung, work)
        if len(done) > 1:  # the level of each piece was matched by itself so far
            yield self._heard(stretch, start, stop, wanted, sung, work)

    def _made_before(
        self, source: Path, region: Region, wanted: _Wanted, work: Work
    ) -> CoverPiece | None:
        """The stretch of a cover whose parts are kept."""
        asked = wanted.options, wanted.cover
        parts = self.covers.find_parts(source, wanted.voices, *asked, work.cancel)
        if parts is None:
            return None
        with suppress(OSError), work.stage("mix"):
            mix = parts.open(wanted.cover.gains())
            start, stop = region.samples(parts.rate_hz, len(mix))
            if start < stop:
                samples = limited_stretch(work.watched(mix), start, stop)
                return CoverPiece(region.start_s, samples, parts.rate_hz)
        return None

    def _stretch(self, source: Path, region: Region, wanted: _Wanted, work: Work) -> _Stretch:
        """What the stretch is taken apart into, if it is another one than the last."""
        track, cover, stems = wanted.options.track, wanted.cover, self.covers.stems
        networks = [
            None if each is None else stems.network_key(each, work.cancel)
            for each in stems.used(cover)
        ]
        key: Key | None = None
        with suppress(OSError):  # a file that is missing is said when it is decoded
            own = cover.instrumental and stems.digest(cover.instrumental, work.cancel)
            split = own, cover.source_kind, cover.karaoke, *networks
            key = stems.digest(source, work.cancel), track, region, split
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        self._last = None
        with ExitStack() as stack:
            with temporary_disk_errors():
                place = stack.enter_context(scratch_folder())
            found = self._taken_apart(source, region, wanted, place, work)
        if key is not None:
            self._last = key, found
        return found

    def _taken_apart(
        self, source: Path, region: Region, wanted: _Wanted, place: Path, work: Work
    ) -> _Stretch:
        cover, maker = wanted.cover, self.covers.stems
        track, path, first_s = wanted.options.track, place / "song", 0
        is_long = (probe_audio(source, track=track).duration_s or 0.0) > _READ_WHOLE_S
        with work.stage("decode"):
            if is_long:
                first_s = max(math.floor(region.start_s) - _MARGIN_S, 0)
                stop_s = region.stop_s + _MARGIN_S
                whole = part_of_song(
                    source, first_s, stop_s, path, track=track, cancelled=work.cancelled
                )
            else:
                whole, _ = song_of(source, path, track=track, cancelled=work.cancelled)
        first, region = first_s * GRID_HZ, region.earlier(first_s)
        start, stop = region.samples(GRID_HZ, len(whole))
        if start >= stop:
            raise ends_before(source)
        low, high = max(start - _MARGIN_SAMPLES, 0), min(stop + _MARGIN_SAMPLES, len(whole))
        song_key: Key = maker.digest(source, work.cancel), track, len(whole)
        if is_long:
            song_key = (*song_key, first_s)

        def cut(track: Track) -> Spool:
            return spooled(sound_of(Cut(track, low, high), 2))

        stems = maker.kept(song_key, whole, cover, work)
        if stems is not None:
            stems = _held(stems, (*stems.key, "stretch", low, high), cut)
        else:
            part = song_of_sound(
                sound_of(Cut(whole, low, high), 2), place / "stretch", cancelled=work.cancelled
            )
            stems = maker.take_apart((*song_key, "stretch", low, high), part, cover, work)
            stems = _held(stems, stems.key, lambda track: spooled(sound_of(track, 2)))
        heard = cut(whole) if cover.source_kind == "song" else None
        bed: Track | None = heard
        if cover.instrumental is not None:
            own, _ = song_of(cover.instrumental, place / "bed", cancelled=work.cancelled)
            bed = spooled(sound_of(Cut(own, first + low, first + high), 2))
        sings = heard is None or has_voice(stems.vocals, heard)
        return _Stretch(first + low, bed, heard, stems, sings)

    def _sing(
        self,
        stretch: _Stretch,
        low: int,
        high: int,
        wanted: _Wanted,
        sung: dict[Part, Spool],
        work: Work,
    ) -> None:
        """Convert a part of the stretch, and put it beside what is converted already."""
        stems, cover = stretch.stems, wanted.cover
        region = Region(low / GRID_HZ, high / GRID_HZ)
        moved = dataclasses.replace(wanted.options, semitones=cover.backing_semitones)
        lead = stems.lead, stems.key, wanted.voices[0], wanted.options
        tasks: dict[Part, tuple[Track, Key, VoiceFiles, ConversionOptions]] = {"lead": lead}
        if stems.backing is not None and cover.backing == "convert":
            tasks["backing"] = stems.backing, backing_key(stems), wanted.voices[1], moved
        for part, (track, key, voice, options) in tasks.items():
            made, _ = converted(
                self.covers.converter, part, track, key, voice, options, work, region
            )
            at = low
            for block in blocks_of(made):
                sung.setdefault(part, Spool(block.shape[1])).write(at, block)
                at += len(block)

    def _heard(
        self,
        stretch: _Stretch,
        low: int,
        high: int,
        wanted: _Wanted,
        sung: dict[Part, Spool],
        work: Work,
    ) -> CoverPiece:
        """The mix of a part of the stretch."""

        def cut(track: Track) -> Cut:
            return Cut(track, low, high)

        stems = stretch.stems
        voices: dict[Part, Track] = {}
        if sung:
            heard = None if stretch.heard is None else cut(stretch.heard)
            voices["lead"] = in_place(cut(stems.lead), cut(sung["lead"]), heard, work)
            if stems.room is not None:
                voices["room"] = cut(stems.room)
            if stems.backing is not None:
                voices["backing"] = cut(stems.backing)
                if "backing" in sung:
                    made = cut(sung["backing"])
                    voices["backing"] = in_place(cut(stems.backing), made, heard, work)
        bed = None if stretch.bed is None else sound_of(cut(stretch.bed), 2)
        removed = cut(stems.vocals) if sung and stretch.bed is stretch.heard else None
        with work.stage("mix"):
            sounds = rendered(bed, None if bed is None else removed, voices, GRID_HZ, 2)
            parts = {part: spooled(sound) for part, sound in sounds.items()}
            mix = work.watched(Mix(parts, wanted.cover.gains(), 2))
            samples = np.concatenate([*limited_blocks(mix)])
        return CoverPiece((stretch.start + low) / GRID_HZ, samples, GRID_HZ)


def _held(stems: Stems, key: Key, load: Callable[[Track], Track]) -> Stems:
    """Stems in memory."""
    return Stems(
        load(stems.vocals),
        load(stems.lead),
        key,
        None if stems.backing is None else load(stems.backing),
        None if stems.room is None else load(stems.room),
    )
