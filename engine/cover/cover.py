"""A song in, its cover out: separate, convert the lead, put it back in its place, mix."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.audio.names import output_path_for
from engine.audio.reader import decode_audio
from engine.audio.source import Sound
from engine.audio.spool import Spool, temporary_disk_errors
from engine.audio.writer import check_output, file_rate, write_free
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
from engine.cover.options import CoverOptions
from engine.cover.placement import VoicePlacement, delay_ms, is_double_tracked
from engine.disk_cache import DiskCache, cache_dir
from engine.errors import Message, Text, WeightsError
from engine.files import file_sha256
from engine.key import SourcePitch
from engine.options import ConversionOptions
from engine.progress import CancelToken, ProgressListener, StageProgress
from engine.separation.separator import Separator
from engine.separation.song import Song, separate, song_of_sound
from engine.source_pitch import pitch_of_sound
from engine.voice import VoiceFiles

STEM_CACHE_BYTES = 4 * 10**9
"""About an hour of music with its stems."""
_CACHE_VERSION = 1
"""Part of every key; to be raised when the separation's arithmetic changes."""
_STEM_FRAME_BYTES = 8

_LEAST_BACKING = 0.01
"""Energy of backing voices against all vocals; below this there are none."""
_MOST_LEAK = 0.3
"""Correlation of lead and backing: above it one voice is in both, so the split failed."""
_MOST_DELAY_MS = 2.0

_OUT_OF_TUNE = Text(
    "the voice was shifted against the instruments, which stay in their key; shifts by 12 or 24 "
    "semitones fit every song"
)

_Key = tuple[object, ...]

_SEPARATED_FRACTION = 0.7
_CONVERTED_FRACTION = 0.95


@dataclass(frozen=True)
class CoverNetworks:
    """Files of the separation networks; None where a network is not here.

    Attributes
    ----------
    vocals : separates vocals from the instruments
    karaoke : separates the lead from backing voices
    dereverb : removes the room from the lead
    """

    vocals: Path | None = None
    karaoke: Path | None = None
    dereverb: Path | None = None


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
    notes : sentences the user should see
    """

    output_path: Path
    stems: tuple[Path, ...]
    rate_hz: int
    source_s: float
    taken_s: float
    stage_s: dict[str, float]
    semitones: float
    notes: tuple[Message, ...]


class _Decoded:
    """Receives a decoded file; see `engine.audio.source.Receiver`."""

    def __init__(self) -> None:
        self.begin(GRID_HZ, 1)

    def begin(self, rate_hz: int, channels: int) -> None:
        self.samples, self.rate_hz = Spool(channels), rate_hz

    def append(self, block: Floats) -> None:
        self.samples.append(block)

    @property
    def sound(self) -> Sound:
        return sound_of(self.samples, self.samples.channels, self.rate_hz)


class _Work:
    """Times, progress and notes of one cover."""

    def __init__(self, listener: ProgressListener | None, cancel: CancelToken | None) -> None:
        self.cancel = cancel or CancelToken()
        self.stage_s: dict[str, float] = {}
        self.notes: list[Message] = []
        self._listener = listener
        self._low, self._high = 0.0, 0.0
        self._step, self._most = 0.0, 0.0

    def cancelled(self) -> bool:
        """Whether the user wants to stop."""
        return self.cancel.cancelled

    def plan(self, high: float, separations: int) -> None:
        """The next separations together bring the whole to the share ``high``."""
        self._step = high / max(separations, 1)
        self._most = high
        self.expect(self._step if separations else 0.0)

    def end_separation(self) -> None:
        """One separation is over."""
        self.expect(min(self._high + self._step, self._most))

    def expect(self, high: float) -> None:
        """The next work brings the whole from where it is to the share ``high``."""
        self._low, self._high = self._high, high

    @contextmanager
    def stage(self, name: str, device: str = "cpu") -> Iterator[Callable[[float], None]]:
        """Time a stage; gives a function that takes the share 0..1 of it that is done."""
        self.cancel.raise_if_cancelled()
        started, before = time.perf_counter(), self.stage_s.get(name, 0.0)

        def tell(share: float) -> None:
            self.cancel.raise_if_cancelled()
            self.stage_s[name] = before + time.perf_counter() - started
            self.show(StageProgress(name, self.stage_s[name], device, share))

        try:
            yield tell
        finally:
            self.stage_s[name] = before + time.perf_counter() - started

    def show(self, progress: StageProgress) -> None:
        """Pass on the progress of a part of the work as that of the whole."""
        if self._listener is not None:
            span = self._high - self._low
            share = self._low + span * progress.fraction
            self._listener(dataclasses.replace(progress, fraction=share))

    def note(self, sentence: Message) -> None:
        """Tell the user something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


@dataclass(frozen=True)
class _Stems:
    """What a song was taken apart into; all at 44.1 kHz and of one length.

    Attributes
    ----------
    vocals : everything sung
    lead : what is converted, without its room where that could be removed
    backing : other voices; None where there are none
    room : what was removed from the lead; None where nothing was
    """

    vocals: Track
    lead: Track
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
        self._cache = DiskCache(cache_dir("stems", cache_folder), ".f32", cache_bytes)

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
        started, work = time.perf_counter(), _Work(listener, cancel)
        overwrite = options.overwrite and output is not None
        choose = partial(output_path_for, source, voice.title, output_dir, options.file_format)
        check_target(output or choose(), source, options, overwrite=overwrite)
        if cover.source_kind == "song":
            self._vocals_network()
        with temporary_disk_errors():
            folder = tempfile.TemporaryDirectory(prefix="urvc-", ignore_cleanup_errors=True)
        with folder as place:
            with work.stage("decode"):
                song = _decoded(source, work)
                own = cover.instrumental
                bed = song if cover.source_kind == "song" else None
                bed = bed if own is None else _decoded(own, work)
                whole = song_of_sound(song.sound, Path(place, "song"), cancelled=work.cancelled)
            stems = self._taken_apart(source, whole, cover, work)
            if choose_key is not None:
                with work.stage("pitch") as tell:
                    found = pitch_of_sound(sound_of(stems.lead, 2), tell)
                options = dataclasses.replace(options, semitones=choose_key(found))
            if bed is not None and options.semitones % 12:
                work.note(_OUT_OF_TUNE)
            work.expect(_CONVERTED_FRACTION)
            lead = self._sung(stems.lead, voice, options, work)
            backing = stems.backing
            if backing is not None and cover.backing == "convert":
                moved = dataclasses.replace(options, semitones=cover.backing_semitones)
                backing = self._sung(backing, backing_voice or voice, moved, work)
            work.expect(1.0)
            with work.stage("mix") as tell:
                layers = _layers(stems, lead, backing, cover, out_of_bed=bed is song)
                channels = max(each.samples.channels for each in (song, bed) if each is not None)
                natural_hz = options.output_rate_hz or (bed or song).rate_hz
                rate_hz = file_rate(options.file_format, natural_hz)
                bed_sound = None if bed is None else bed.sound
                made = mixed(bed_sound, cover.gain("instrumental"), layers, rate_hz, channels)
                tell(0.5)
                limited = Sound(rate_hz, len(made), channels, partial(limited_blocks, made))
                kept: dict[str, Track] = {}
                if cover.keep_stems:
                    kept = stems.named(whole if bed is song else None) | {"converted": lead}
                paths = _written(
                    source, limited, kept, output or choose, options, overwrite=overwrite
                )
                tell(1.0)
        return CoverResult(
            output_path=paths[0],
            stems=tuple(paths[1:]),
            rate_hz=rate_hz,
            source_s=len(song.samples) / song.rate_hz,
            taken_s=time.perf_counter() - started,
            stage_s=work.stage_s,
            semitones=options.semitones,
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

    def _taken_apart(self, source: Path, whole: Song, cover: CoverOptions, work: _Work) -> _Stems:
        key: _Key = (file_sha256(source, work.cancel), len(whole))
        networks = [self._networks.vocals if cover.source_kind == "song" else None]
        networks += [self._networks.karaoke if cover.karaoke != "off" else None]
        networks += [self._networks.dereverb if cover.dereverb == "auto" else None]
        work.plan(_SEPARATED_FRACTION, sum(each is not None for each in networks))
        vocals, lead_network, dry_network = networks
        stem, stem_key = whole, key
        if vocals is not None:
            stem, stem_key = self._separated(whole, key, vocals, work)
        lead, lead_key, backing = stem, stem_key, None
        if lead_network is not None:
            # Trained on whole songs, and used on vocals too: what passes the test is taken.
            for given, given_key in ((whole, key), (stem, stem_key)):
                tried, tried_key = self._separated(given, given_key, lead_network, work)
                rest = Difference(stem, tried)
                if _splits(stem, tried, rest, forced=cover.karaoke == "on"):
                    lead, lead_key, backing = tried, tried_key, rest
                    break
                if given is stem or energy_of(rest) < _LEAST_BACKING * energy_of(stem):
                    break
        elif cover.karaoke == "on":
            work.note("lead and backing voices were not split: the network for it is not here")
        if dry_network is None:
            return _Stems(stem, lead, backing)
        dry, _ = self._separated(lead, lead_key, dry_network, work)
        return _Stems(stem, dry, backing, Difference(lead, dry))

    def _separated(self, given: Song, key: _Key, network: Path, work: _Work) -> tuple[Song, _Key]:
        """A network's stem, from the cache where it was made before, and its key."""
        made_by = file_sha256(network, work.cancel)
        stem_key = (*key, made_by, _CACHE_VERSION)
        n_bytes = len(given) * _STEM_FRAME_BYTES
        found = self._cache.find(stem_key)
        if found is not None and found.stat().st_size == n_bytes:
            work.end_separation()
            return Song.open(found), stem_key
        self._converter.unload()  # one network at a time
        separator = Separator.open(network)
        device = str(self._converter.device)
        with work.stage("separate", device) as tell:

            def make(path: Path) -> None:
                separate(
                    given,
                    separator,
                    path,
                    device=device,
                    progress=lambda share, _left: tell(share),
                    cancelled=work.cancelled,
                )

            path = self._cache.keep(stem_key, n_bytes, make)
        work.end_separation()
        for note in separator.notes:
            work.note(note)
        return Song.open(path), stem_key

    def _sung(
        self, lead: Track, voice: VoiceFiles, options: ConversionOptions, work: _Work
    ) -> Track:
        """A lead in another voice, at its place in the song."""
        stereo = is_double_tracked(lead)
        asked = dataclasses.replace(options, stereo=stereo, output_rate_hz=GRID_HZ)
        before = dict(work.stage_s)
        made, result = self._converter.convert_sound(
            sound_of(lead, 2), voice, asked, listener=work.show, cancel=work.cancel
        )
        for stage, seconds in result.stage_s.items():
            work.stage_s[stage] = before.get(stage, 0.0) + seconds
        for note in result.notes:
            work.note(note)
        with work.stage("mix"):
            placed = PlacedVoice(made, VoicePlacement.match(lead, made))
            delay = delay_ms(lead, made)
        if delay is not None and abs(delay) > _MOST_DELAY_MS:
            work.note(
                Text("the converted voice is {delay} ms later than the lead", delay=f"{delay:+.0f}")
            )
        return placed


def _decoded(source: Path, work: _Work) -> _Decoded:
    received = _Decoded()
    for note in decode_audio(source, received, channels=2).notes:
        work.note(note)
    return received


def _splits(vocals: Track, lead: Track, backing: Track, *, forced: bool) -> bool:
    """Whether a network really told lead and backing voices apart."""
    if forced:
        return True
    if energy_of(backing) < _LEAST_BACKING * energy_of(vocals):
        return False
    return window_correlation(lead, backing) <= _MOST_LEAK


def _layers(
    stems: _Stems, lead: Track, backing: Track | None, cover: CoverOptions, *, out_of_bed: bool
) -> list[Layer]:
    """What is added to the bed: the new voices, less the old ones where they are in it."""
    layers = [Layer(lead, cover.gain("lead"))]
    if stems.room is not None:
        layers.append(Layer(stems.room, cover.gain("room")))
    if backing is not None and cover.backing != "mute":
        layers.append(Layer(backing, cover.gain("backing")))
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
    paths: list[Path] = []
    try:
        paths.append(write_free(name, cover, options, overwrite=overwrite))
        folder = paths[0].parent
        for stem, track in stems.items():
            free = partial(output_path_for, source, stem, folder, options.file_format)
            check_output(free(), options.file_format, options.subtype, overwrite=False)
            rate_hz = file_rate(options.file_format, GRID_HZ)
            paths.append(write_free(free, sound_of(track, 2, rate_hz), options, overwrite=False))
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink()
        raise
    return paths
