"""A song in, its cover out: separate, convert the lead, put it back in its place, mix."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine import device as devices
from engine.audio.names import output_path_for
from engine.audio.reader import decode_audio
from engine.audio.result_file import ResultFile
from engine.audio.source import Sound
from engine.audio.spool import Spool, temporary_disk_errors
from engine.audio.writer import (
    all_or_none,
    check_output,
    file_rate,
    write_free,
    write_sound,
)
from engine.converter import Converter
from engine.cover.limiter import limited_blocks
from engine.cover.loudness import GRID_HZ, Floats, Track
from engine.cover.mix import Mix, rendered, sound_of, spooled
from engine.cover.options import CoverNetworks, CoverOptions, Part
from engine.cover.parts import CoverFacts, CoverParts, PartCache, name_of
from engine.cover.placement import has_voice
from engine.cover.singing import Sung, sing
from engine.cover.stems import STEM_CACHE_BYTES, StemMaker, Stems
from engine.cover.work import Work
from engine.errors import Message, Text, WeightsError
from engine.files import scratch_folder
from engine.key import SourcePitch
from engine.options import ConversionOptions, all_options
from engine.paths import starter_dir
from engine.progress import CancelToken, ProgressListener
from engine.recipe import Recipe, finished
from engine.separation.song import song_of_sound
from engine.separation.stems import subtype_for
from engine.source_pitch import pitch_of_sound
from engine.voice import VoiceFiles

_OUT_OF_TUNE = Text(
    "the voice was shifted against the instruments, which stay in their key; shifts by 12 or 24 "
    "semitones fit every song"
)

_NO_VOICE = Text("no voice was found in the song, so nothing in it was converted")

_PARTS_VERSION = 1
"""Part of the name of a cover's parts; to be raised when the arithmetic of covers changes."""
_NOT_HEARD = frozenset(
    {"file_format", "subtype", "overwrite", "recipe", "video", "voice_pitch_hz", "f0_file"}
)
"""Options that the parts do not depend on, and a file whose content counts instead of its name."""


@dataclass(frozen=True, kw_only=True)
class CoverResult:
    """What a cover gave.

    Attributes
    ----------
    output_path : the cover
    stems : further files, where stems are kept
    parts : finds the parts it was mixed from, see `engine.cover.parts.PartCache.find`
    source_s : seconds of the song
    taken_s : seconds that everything took
    stage_s : seconds per stage
    semitones : by which the lead was shifted
    device, peak_memory_bytes, f0_hz, recipe : as in `engine.options.ConversionResult`, of the lead
    notes : sentences the user should see
    """

    output_path: Path
    stems: tuple[Path, ...]
    parts: str
    rate_hz: int
    source_s: float
    taken_s: float
    stage_s: dict[str, float]
    semitones: float
    device: str
    peak_memory_bytes: int
    f0_hz: NDArray[np.float32] | None
    notes: tuple[Message, ...]
    recipe: str = ""


class _Decoded:
    """Receives a decoded file; see `engine.audio.source.Receiver`."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.begin(GRID_HZ, 1)

    def begin(self, rate_hz: int, channels: int) -> None:
        self.samples, self.rate_hz = Spool(channels), rate_hz

    def append(self, block: Floats) -> None:
        self._work.pause()
        self.samples.append(block)

    @property
    def sound(self) -> Sound:
        return sound_of(self._work.watched(self.samples), self.samples.channels, self.rate_hz)


@dataclass(frozen=True)
class _Request:
    """What a cover is to be made of, and how."""

    source: Path
    voices: tuple[VoiceFiles, VoiceFiles]
    options: ConversionOptions
    cover: CoverOptions
    choose_key: Callable[[SourcePitch | None], float] | None


@dataclass(frozen=True)
class _Made:
    """A cover that only has to be written."""

    mix: Mix
    rate_hz: int
    facts: CoverFacts
    semitones: float
    name: str
    kept_stems: dict[str, Track] = field(default_factory=dict)


class Cover:
    """Makes covers with a converter, keeping stems of songs and parts of covers on the disk.

    Changing the voice or its settings never separates a song again; changing a level converts
    nothing again either, and gives the same file as if it did.

    Parameters
    ----------
    converter : converts the voices
    networks : those that are here
    cache_folder : None is the user's

    Attributes
    ----------
    stems : takes songs apart
    """

    def __init__(
        self,
        converter: Converter,
        networks: CoverNetworks,
        cache_folder: Path | None = None,
        cache_bytes: int = STEM_CACHE_BYTES,
    ) -> None:
        self.converter = converter
        self.stems = StemMaker(
            networks,
            cache_folder,
            cache_bytes,
            converter.first_use.placement.device_of("separation"),
            converter.unload,
            converter.digests,
            half=converter.optimization.use_fp16,
            record=converter.first_use.record,
        )
        self._usable: object = None
        self._parts = PartCache(None if cache_folder is None else cache_folder / "covers")

    @property
    def networks(self) -> CoverNetworks:
        """Those that separate songs."""
        return self.stems.networks

    def require_networks(self, cover: CoverOptions) -> None:
        """Refuse to begin a cover that could not be made.

        Raises
        ------
        WeightsError : the network that separates songs is not here
        """
        if cover.source_kind == "song" and self.networks.vocals is None:
            raise WeightsError(
                "Cannot separate the song",
                "the network that separates vocals from instruments is not here",
                "download it first, or give the vocals alone and an instrumental",
            )

    def make(
        self,
        source: Path,
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        cover: CoverOptions | None = None,
        *,
        backing_voice: VoiceFiles | None = None,
        choose_key: Callable[[SourcePitch | None], float] | None = None,
        output: Path | None = None,
        output_dir: Path | None = None,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> CoverResult:
        """Make the cover of a song; when this returns, the complete result is on the disk.

        Parameters
        ----------
        source : a song, or with ``source_kind="vocals"`` vocals alone
        options : of the conversion
        cover : of the separation and the mix
        backing_voice : of converted backing voices; None is ``voice``
        choose_key : gives the semitones for the lead's pitch; None takes those of ``options``
        output : the result's name; None is ``name (Voice).wav`` beside the source or in
            ``output_dir``, numbered when taken

        Raises
        ------
        WeightsError : the separation network is not here
        UserError : a subclass, with a sentence for the user; nothing was written
        ConversionCancelled : ``cancel`` was set; nothing was written
        """
        options, cover = options or ConversionOptions(), cover or CoverOptions()
        started = time.perf_counter()
        work = Work(self.converter.profiler, listener, cancel)
        target = ResultFile.plan(source, voice.title, options, output, output_dir)
        options = target.options
        self.require_networks(cover)
        voices = voice, backing_voice or voice
        with ExitStack() as stack:
            with temporary_disk_errors():
                place = stack.enter_context(scratch_folder())
            request = _Request(source, voices, options, cover, choose_key)
            made = None
            if choose_key is None and not cover.keep_stems:
                made = self._made_before(request, work)
            if made is None:
                made = self._made_now(request, place, work)
            for note in target.notes:
                work.note(note)
            with work.stage("mix"):
                mix = work.watched(made.mix)
                limited = Sound(
                    made.rate_hz, len(mix), made.mix.channels, partial(limited_blocks, mix)
                )
                recipe = None
                if self.converter.keep_recipes or options.recipe:
                    options = dataclasses.replace(options, semitones=made.semitones)
                    recipe = self.recipe(source, voice, options, cover, backing_voice, work.cancel)
                hashed = recipe is not None
                paths, sound = _written(target, limited, made.kept_stems, hashed=hashed)
            text, failed = finished(recipe, paths[0], sound, options)
            for note in failed:
                work.note(note)
            work.finish()  # what is written stays, whatever the user wants now
        return CoverResult(
            output_path=paths[0],
            stems=tuple(paths[1:]),
            parts=made.name,
            rate_hz=made.rate_hz,
            source_s=made.facts.source_s,
            taken_s=time.perf_counter() - started,
            stage_s=work.stage_s,
            semitones=made.semitones,
            device=self.converter.device.type,
            peak_memory_bytes=devices.peak_memory_bytes(self.converter.device),
            f0_hz=made.facts.f0_hz,
            notes=tuple(work.notes),
            recipe=text,
        )

    def recipe(
        self,
        source: Path,
        voice: VoiceFiles,
        options: ConversionOptions,
        cover: CoverOptions,
        backing_voice: VoiceFiles | None = None,
        cancel: CancelToken | None = None,
    ) -> Recipe:
        """What a cover would be made from now; without its sound.

        Raises
        ------
        UserError, ConversionCancelled : as `engine.converter.Converter.recipe`
        """
        networks = tuple(each.path for each in self.stems.used(cover) if each is not None)
        return self.converter.recipe(
            source, voice, options, cover, backing=backing_voice, networks=networks, cancel=cancel
        )

    def find_parts(
        self,
        source: Path,
        voices: tuple[VoiceFiles, VoiceFiles],
        options: ConversionOptions,
        cover: CoverOptions,
        cancel: CancelToken,
    ) -> CoverParts | None:
        """The parts of a cover that was made before, at whatever levels; None where there are none.

        Parameters
        ----------
        voices : of the lead and of converted backing voices

        Raises
        ------
        ConversionCancelled : ``cancel`` was set
        """
        try:
            return self._parts.find(self._name_of_parts(source, voices, options, cover, cancel))
        except OSError:  # what is missing is said when it is needed
            return None

    def _made_before(self, asked: _Request, work: Work) -> _Made | None:
        """The mix of parts that are kept, if they have the right rate."""
        options, cover = asked.options, asked.cover
        found = self.find_parts(asked.source, asked.voices, options, cover, work.cancel)
        if found is None:
            return None
        if file_rate(options.file_format, found.facts.natural_hz) != found.rate_hz:
            return None
        try:
            mix = found.open(cover.gains())
        except OSError:
            return None
        work.plan_mix()
        for note in found.facts.notes:
            work.note(note)
        return _Made(mix, found.rate_hz, found.facts, options.semitones, found.name)

    def _name_of_parts(
        self,
        source: Path,
        voices: tuple[VoiceFiles, VoiceFiles],
        options: ConversionOptions,
        cover: CoverOptions,
        cancel: CancelToken,
    ) -> str:
        """Tells the parts of a cover from all others: what a source and its settings make of it.

        Raises
        ------
        OSError : a file cannot be read
        """

        def content(path: Path | None) -> str | None:
            return None if path is None else self.stems.digest(path, cancel)

        lead, backing = ((content(each.weights), content(each.index)) for each in voices)
        asked = [
            (each.name, options.value(each.name))
            for each in all_options()
            if each.name not in _NOT_HEARD
        ]
        networks = [
            None if each is None else self.stems.network_key(each, cancel)
            for each in self.stems.used(cover)
        ]
        converted = (backing, cover.backing_semitones) if cover.backing == "convert" else None
        split = cover.source_kind, cover.karaoke, content(cover.instrumental)
        folders = [_state_of(each) for each in (self.converter.models_dir, starter_dir())]
        where = str(self.converter.device), self.converter.optimization, torch.__version__
        curve = content(options.f0_file)
        parts = content(source), lead, converted, asked, curve, split, networks, folders, where
        return name_of((_PARTS_VERSION, *parts))

    def _made_now(self, asked: _Request, place: Path, work: Work) -> _Made:
        """Separate, convert, and bring all parts to the rate of the result."""
        options, cover = asked.options, asked.cover
        with work.stage("decode"):
            song = _decoded(asked.source, work, options.track)
            own = cover.instrumental
            bed = song if cover.source_kind == "song" else None
            bed = bed if own is None else _decoded(own, work)
            whole = song_of_sound(song.sound, place / "song", cancelled=work.cancelled)
        key = (self.stems.digest(asked.source, work.cancel), options.track, len(whole))
        stems = self.stems.kept(key, whole, cover, work)
        if stems is None:
            self._require_usable(asked, work)
            stems = self.stems.take_apart(key, whole, cover, work)
        heard = work.watched(whole) if cover.source_kind == "song" else None
        sung: Sung | None = None
        if heard is not None and not has_voice(stems.vocals, heard):
            work.note(_NO_VOICE)
        else:
            if asked.choose_key is not None:
                with work.stage("pitch") as tell:
                    found = pitch_of_sound(sound_of(stems.lead, 2), tell)
                options = dataclasses.replace(options, semitones=asked.choose_key(found))
            if bed is not None and options.semitones % 12:
                work.note(_OUT_OF_TUNE)
            sung = sing(self.converter, stems, heard, asked.voices, options, cover, work)
        work.plan_mix()
        natural_hz = options.output_rate_hz or (bed or song).rate_hz
        facts = CoverFacts(
            source_s=len(song.samples) / song.rate_hz,
            natural_hz=natural_hz,
            f0_hz=None if sung is None else sung.f0_hz,
            notes=tuple(work.notes),
        )
        kept: dict[str, Track] = {}
        if cover.keep_stems:
            kept = stems.named(heard if bed is song else None)
            kept |= {} if sung is None else {"converted": sung.lead}
        rate_hz = file_rate(options.file_format, natural_hz)
        channels = max(each.samples.channels for each in (song, bed) if each is not None)
        with work.stage("mix") as tell:
            sounds = rendered(
                None if bed is None else bed.sound,
                stems.vocals if bed is song and sung is not None else None,
                _voices(stems, sung),
                rate_hz,
                channels,
            )
            name, parts = "", None
            with suppress(OSError):  # a file was deleted meanwhile
                name = self._name_of_parts(asked.source, asked.voices, options, cover, work.cancel)
                parts = self._parts.keep(name, sounds, facts)
            mix = _mix_of(sounds, parts, cover.gains())
            tell(0.5)
        return _Made(mix, rate_hz, facts, options.semitones, name, kept)

    def _require_usable(self, asked: _Request, work: Work) -> None:
        """Refuse a voice that cannot be used before its song is separated, which takes minutes."""
        wanted = asked.voices[: 2 if asked.cover.backing == "convert" else 1]
        if self._usable == (wanted, asked.options):
            return
        for voice in dict.fromkeys(wanted):
            listener = work.follow(dict(work.stage_s))
            self.converter.require_usable(voice, asked.options, listener, work.cancel)
        self._usable = wanted, asked.options


def _decoded(source: Path, work: Work, track: int | None = None) -> _Decoded:
    received = _Decoded(work)
    for note in decode_audio(source, received, channels=2, track=track).notes:
        work.note(note)
    return received


def _voices(stems: Stems, sung: Sung | None) -> dict[Part, Track]:
    """What is added to the instruments, at 44.1 kHz."""
    if sung is None:
        return {}
    found: dict[Part, Track | None] = {
        "lead": sung.lead, "room": stems.room, "backing": sung.backing,
    }  # fmt: skip
    return {part: track for part, track in found.items() if track is not None}


def _mix_of(
    sounds: Mapping[Part, Sound], kept: CoverParts | None, gains: Mapping[Part, float]
) -> Mix:
    """The sum of parts; of those that could not be kept from temporary files."""
    if kept is not None:
        with suppress(OSError):
            return kept.open(gains)
    tracks = {part: spooled(sound) for part, sound in sounds.items()}
    return Mix(tracks, gains, next(iter(sounds.values())).channels)


def _state_of(folder: Path) -> list[tuple[str, int, int]]:
    """Changes when a file in a folder does: its networks are not loaded to tell what was used."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(OSError):
            status = path.stat()
            found.append((str(path.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return found


def _written(
    target: ResultFile, cover: Sound, stems: dict[str, Track], *, hashed: bool
) -> tuple[list[Path], str]:
    """Write the cover and the stems that are kept, all of them or none; and the cover's SHA-256."""
    source, options = target.source, target.options
    with all_or_none() as paths:
        written = target.write(cover, hashed=hashed)
        paths.append(written.path)
        folder = paths[0].parent
        for stem, track in stems.items():
            free = partial(output_path_for, source, stem, folder, options.file_format)
            check_output(free(), options.file_format, options.subtype, overwrite=False)
            rate_hz = file_rate(options.file_format, GRID_HZ)
            sound = sound_of(track, 2, rate_hz)
            subtype = options.subtype or subtype_for(options.file_format, (sound,))
            write = partial(
                write_sound, sound=sound, file_format=options.file_format, subtype=subtype
            )
            paths.append(write_free(free, write))
    return paths, written.sound
