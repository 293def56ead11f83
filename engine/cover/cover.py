"""A song in, its cover out: separate, convert the lead, put it back in its place, mix."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import device as devices
from engine.audio.names import output_path_for
from engine.audio.reader import decode_audio
from engine.audio.source import Sound
from engine.audio.spool import Spool, temporary_disk_errors
from engine.audio.writer import (
    all_or_none,
    check_output,
    file_rate,
    with_possible_subtype,
    write_free,
)
from engine.converter import Converter, check_target
from engine.cover.limiter import limited_blocks
from engine.cover.loudness import GRID_HZ, Floats, Track
from engine.cover.mix import (
    Difference,
    Layer,
    PlacedVoice,
    energy_of,
    mixed,
    sound_of,
    window_correlation,
)
from engine.cover.options import CoverNetworks, CoverOptions
from engine.cover.placement import VoicePlacement, delay_ms, has_voice, is_double_tracked
from engine.cover.work import Work
from engine.disk_cache import DiskCache, cache_dir
from engine.errors import Message, Text, WeightsError
from engine.files import file_sha256, scratch_folder
from engine.key import SourcePitch
from engine.options import ConversionOptions
from engine.progress import CancelToken, ProgressListener
from engine.separation.separator import Separator
from engine.separation.settings import settings_of
from engine.separation.song import Song, separate, song_of_sound
from engine.separation.stems import subtype_for
from engine.source_pitch import pitch_of_sound
from engine.stopping import StopBetweenOperations
from engine.voice import VoiceFiles

STEM_CACHE_BYTES = 4 * 10**9
"""About an hour of music with its stems."""
_CACHE_VERSION = 1
"""Part of every key; to be raised when the separation's arithmetic changes."""
_STEM_FRAME_BYTES = 8
_STEM_ENDING = ".f32"
_MOST_STEMS = 4
"""That one song can have: vocals, two attempts at the lead, and the dry lead."""

_LEAST_BACKING = 0.01
"""Energy of backing voices against all vocals; below this there are none."""
_MOST_LEAK = 0.3
"""Correlation of lead and backing: above it one voice is in both, so the split failed."""
_MOST_DELAY_MS = 10.0
"""Envelopes of two voices alone differ by several milliseconds."""

_OUT_OF_TUNE = Text(
    "the voice was shifted against the instruments, which stay in their key; shifts by 12 or 24 "
    "semitones fit every song"
)

_NO_VOICE = Text("no voice was found in the song, so nothing in it was converted")

_Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class CoverResult:
    """What a cover gave.

    Attributes
    ----------
    output_path : the cover
    stems : further files, where stems are kept
    source_s : seconds of the song
    taken_s : seconds that everything took
    stage_s : seconds per stage
    semitones : by which the lead was shifted
    device, peak_memory_bytes, f0_hz : as in `engine.options.ConversionResult`, of the lead
    notes : sentences the user should see
    """

    output_path: Path
    stems: tuple[Path, ...]
    rate_hz: int
    source_s: float
    taken_s: float
    stage_s: dict[str, float]
    semitones: float
    device: str
    peak_memory_bytes: int
    f0_hz: NDArray[np.float32] | None
    notes: tuple[Message, ...]


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
class _Stems:
    """What a song was taken apart into; all at 44.1 kHz and of one length.

    Attributes
    ----------
    vocals : everything sung
    lead : what is converted, without its room where that could be removed
    backing : other voices; None where there are none
    room : what was removed from the lead; None where nothing was
    key : tells the lead from all others
    """

    vocals: Track
    lead: Track
    key: _Key
    backing: Track | None = None
    room: Track | None = None

    def named(self, whole: Track | None) -> dict[str, Track]:
        """The stems that are worth a file, and the instruments of a song, by name."""
        tracks: dict[str, Track | None] = {"vocals": self.vocals, "backing": self.backing}
        if whole is not None:
            tracks["instrumental"] = Difference(whole, self.vocals)
        if self.backing is not None or self.room is not None:
            tracks["lead"] = self.lead
        return {name: track for name, track in tracks.items() if track is not None}


@dataclass(frozen=True)
class _Sung:
    """The voices of the cover; no backing where there is none."""

    lead: Track
    backing: Track | None
    f0_hz: NDArray[np.float32] | None


class Cover:
    """Makes covers with a converter, keeping the stems of songs on the disk.

    Changing the voice, its settings or a level never separates a song again.

    Parameters
    ----------
    converter : converts the voices
    networks : those that are here
    cache_folder : None is the user's
    """

    def __init__(
        self,
        converter: Converter,
        networks: CoverNetworks,
        cache_folder: Path | None = None,
        cache_bytes: int = STEM_CACHE_BYTES,
    ) -> None:
        self._converter = converter
        self._networks = networks
        self._cache_bytes = cache_bytes
        self._cache = DiskCache(cache_dir("stems", cache_folder), _STEM_ENDING, cache_bytes)
        self._digests: dict[tuple[Path, int, int], str] = {}

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
        work = Work(self._converter.profiler, listener, cancel)
        options, note = with_possible_subtype(options)
        if note is not None:
            work.note(note)
        overwrite = options.overwrite and output is not None
        choose = partial(output_path_for, source, voice.title, output_dir, options.file_format)
        check_target(output or choose(), source, options, overwrite=overwrite)
        if cover.source_kind == "song":
            self._vocals_network()
        with ExitStack() as stack:
            with temporary_disk_errors():
                place = stack.enter_context(scratch_folder())
            with work.stage("decode"):
                song = _decoded(source, work, options.track)
                own = cover.instrumental
                bed = song if cover.source_kind == "song" else None
                bed = bed if own is None else _decoded(own, work)
                whole = song_of_sound(song.sound, place / "song", cancelled=work.cancelled)
            key = (file_sha256(source, work.cancel), options.track, len(whole))
            stems = self._taken_apart(key, whole, cover, work)
            heard = work.watched(whole) if cover.source_kind == "song" else None
            sung: _Sung | None = None
            if heard is not None and not has_voice(stems.vocals, heard):
                work.note(_NO_VOICE)
            else:
                if choose_key is not None:
                    with work.stage("pitch") as tell:
                        found = pitch_of_sound(sound_of(stems.lead, 2), tell)
                    options = dataclasses.replace(options, semitones=choose_key(found))
                if bed is not None and options.semitones % 12:
                    work.note(_OUT_OF_TUNE)
                voices = voice, backing_voice or voice
                sung = self._sing(stems, heard, voices, options, cover, work)
            work.plan_mix()
            with work.stage("mix") as tell:
                layers = _layers(stems, sung, cover, out_of_bed=bed is song)
                channels = max(each.samples.channels for each in (song, bed) if each is not None)
                natural_hz = options.output_rate_hz or (bed or song).rate_hz
                rate_hz = file_rate(options.file_format, natural_hz)
                bed_sound = None if bed is None else bed.sound
                gain = cover.gain("instrumental")
                made = work.watched(mixed(bed_sound, gain, layers, rate_hz, channels))
                tell(0.5)
                limited = Sound(rate_hz, len(made), channels, partial(limited_blocks, made))
                kept: dict[str, Track] = {}
                if cover.keep_stems:
                    kept = stems.named(heard if bed is song else None)
                    kept |= {} if sung is None else {"converted": sung.lead}
                paths = _written(
                    source, limited, kept, output or choose, options, overwrite=overwrite
                )
            work.finish()  # what is written stays, whatever the user wants now
        return CoverResult(
            output_path=paths[0],
            stems=tuple(paths[1:]),
            rate_hz=rate_hz,
            source_s=len(song.samples) / song.rate_hz,
            taken_s=time.perf_counter() - started,
            stage_s=work.stage_s,
            semitones=options.semitones,
            device=self._converter.device.type,
            peak_memory_bytes=devices.peak_memory_bytes(self._converter.device),
            f0_hz=None if sung is None else sung.f0_hz,
            notes=tuple(work.notes),
        )

    def _vocals_network(self) -> Path:
        if self._networks.vocals is None:
            raise WeightsError(
                "Cannot separate the song",
                "the network that separates vocals from instruments is not here",
                "download it first, or give the vocals alone and an instrumental",
            )
        return self._networks.vocals

    def _taken_apart(self, key: _Key, whole: Song, cover: CoverOptions, work: Work) -> _Stems:
        networks = [self._networks.vocals if cover.source_kind == "song" else None]
        networks += [self._networks.karaoke if cover.karaoke != "off" else None]
        networks += [self._networks.dereverb if cover.dereverb == "auto" else None]
        vocals, lead_network, dry_network = networks
        first = next((each for each in networks if each is not None), None)
        known = first is None or self._kept(self._stem_key(key, first, work), whole) is not None
        count = sum(each is not None for each in networks)
        work.plan_separations(0 if known else count)
        stem, stem_key = whole, key
        if vocals is not None:
            stem, stem_key = self._separated(whole, key, vocals, work)
        lead, lead_key, backing = stem, stem_key, None
        if lead_network is not None:
            # Trained on whole songs, and used on vocals too: what passes the test is taken.
            for given, given_key in ((whole, key), (stem, stem_key)):
                tried, tried_key = self._separated(given, given_key, lead_network, work)
                watched = work.watched(stem), work.watched(tried)
                rest = Difference(*watched)
                forced = cover.karaoke == "on"
                has_backing = forced or energy_of(rest) >= _LEAST_BACKING * energy_of(watched[0])
                apart = forced or (
                    has_backing and window_correlation(watched[1], rest) <= _MOST_LEAK
                )
                if apart:
                    lead, lead_key, backing = tried, tried_key, rest
                if apart or given is stem or not has_backing:
                    break
        elif cover.karaoke == "on":
            work.note("lead and backing voices were not split: the network for it is not here")
        if dry_network is None:
            return _Stems(work.watched(stem), work.watched(lead), lead_key, backing)
        dry, dry_key = self._separated(lead, lead_key, dry_network, work)
        watched = work.watched(lead), work.watched(dry)
        return _Stems(work.watched(stem), watched[1], dry_key, backing, Difference(*watched))

    def _stem_key(self, key: _Key, network: Path, work: Work) -> _Key:
        status = network.stat()
        file = network, status.st_size, status.st_mtime_ns
        if file not in self._digests:  # up to 0.9 GB are read
            self._digests[file] = file_sha256(network, work.cancel)
        digest = self._digests[file]
        return (*key, digest, settings_of(network, digest), _CACHE_VERSION)

    def _kept(self, stem_key: _Key, given: Song) -> Path | None:
        """A stem that was made before."""
        found = self._cache.find(stem_key)
        complete = found is not None and found.stat().st_size == len(given) * _STEM_FRAME_BYTES
        return found if complete else None

    def _separated(self, given: Song, key: _Key, network: Path, work: Work) -> tuple[Song, _Key]:
        """A network's stem, from the cache where it was made before, and its key."""
        stem_key = self._stem_key(key, network, work)
        found = self._kept(stem_key, given)
        if found is not None:
            return Song.open(found), stem_key
        self._converter.unload()  # one network at a time
        n_bytes = len(given) * _STEM_FRAME_BYTES
        # The stems of one song are kept together, however long it is.
        cache_bytes = max(self._cache_bytes, _MOST_STEMS * n_bytes)
        device = str(self._converter.device)
        with work.separation(device) as tell:
            with StopBetweenOperations(work.cancelled):
                separator = Separator.open(network)

            cache = DiskCache(self._cache.folder, _STEM_ENDING, cache_bytes)
            stem = separate(
                given,
                separator,
                cache.reserve(stem_key, n_bytes),
                device=device,
                progress=lambda share, _left: tell(share),
                cancelled=work.cancelled,
            )
        for note in separator.notes:
            work.note(note)
        return stem, stem_key

    def _sing(
        self,
        stems: _Stems,
        heard: Track | None,
        voices: tuple[VoiceFiles, VoiceFiles],
        options: ConversionOptions,
        cover: CoverOptions,
        work: Work,
    ) -> _Sung:
        """The voices of a song: the lead in another one, the backing as it was asked for."""
        backing = stems.backing
        converts = backing is not None and cover.backing == "convert"
        of = 2 if converts else 1
        work.plan_conversion(0, of)
        lead, f0_hz = self._converted(stems.lead, stems.key, heard, voices[0], options, work)
        if converts and backing is not None:
            work.plan_conversion(1, of)
            moved = dataclasses.replace(options, semitones=cover.backing_semitones)
            key = (*stems.key, "backing")
            backing, _ = self._converted(backing, key, heard, voices[1], moved, work)
        return _Sung(lead, backing, f0_hz)

    def _converted(
        self,
        lead: Track,
        key: _Key,
        heard: Track | None,
        voice: VoiceFiles,
        options: ConversionOptions,
        work: Work,
    ) -> tuple[PlacedVoice, NDArray[np.float32] | None]:
        """A lead in another voice, at its place in the song, and its pitch."""
        stereo = is_double_tracked(lead)
        asked = dataclasses.replace(options, stereo=stereo, output_rate_hz=GRID_HZ)
        before = dict(work.stage_s)
        listener = work.follow(before)
        made, result = self._converter.convert_sound(
            sound_of(lead, 2), voice, asked, key=key, listener=listener, cancel=work.cancel
        )
        for stage, seconds in result.stage_s.items():
            work.stage_s[stage] = before.get(stage, 0.0) + seconds
        for note in result.notes:
            work.note(note)
        with work.stage("mix"):
            voiced = work.watched(made)
            placed = PlacedVoice(voiced, VoicePlacement.match(lead, voiced, heard))
            delay = delay_ms(lead, voiced)
        if delay is not None and abs(delay) > _MOST_DELAY_MS:
            template = (
                "the converted voice is about {delay} ms later than the lead"
                if delay > 0
                else "the converted voice is about {delay} ms earlier than the lead"
            )
            work.note(Text(template, delay=f"{abs(delay):.0f}"))
        return placed, result.f0_hz


def _decoded(source: Path, work: Work, track: int | None = None) -> _Decoded:
    received = _Decoded(work)
    for note in decode_audio(source, received, channels=2, track=track).notes:
        work.note(note)
    return received


def _layers(
    stems: _Stems, sung: _Sung | None, cover: CoverOptions, *, out_of_bed: bool
) -> list[Layer]:
    """What is added to the bed: the new voices, less the old ones where they are in it."""
    if sung is None:
        return []
    layers = [Layer(sung.lead, cover.gain("lead"))]
    if stems.room is not None:
        layers.append(Layer(stems.room, cover.gain("room")))
    if sung.backing is not None and cover.backing != "mute":
        layers.append(Layer(sung.backing, cover.gain("backing")))
    if out_of_bed:
        layers.append(Layer(stems.vocals, -cover.gain("instrumental")))
    return layers


def _written(
    source: Path,
    cover: Sound,
    stems: dict[str, Track],
    name: Path | Callable[[], Path],
    options: ConversionOptions,
    *,
    overwrite: bool,
) -> list[Path]:
    """Write the cover and the stems that are kept; all of them or none."""
    with all_or_none() as paths:
        paths.append(write_free(name, cover, options, overwrite=overwrite))
        folder = paths[0].parent
        for stem, track in stems.items():
            free = partial(output_path_for, source, stem, folder, options.file_format)
            check_output(free(), options.file_format, options.subtype, overwrite=False)
            rate_hz = file_rate(options.file_format, GRID_HZ)
            sound = sound_of(track, 2, rate_hz)
            as_asked = dataclasses.replace(
                options, subtype=options.subtype or subtype_for(options.file_format, (sound,))
            )
            paths.append(write_free(free, sound, as_asked, overwrite=False))
    return paths
