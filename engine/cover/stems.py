"""A song taken apart by networks: vocals, lead, backing voices, room; each stem is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import device as devices
from engine.cover.loudness import Track
from engine.cover.mix import Difference, energy_of, window_correlation
from engine.cover.options import CoverNetworks, CoverOptions
from engine.cover.work import Work
from engine.disk_cache import DiskCache, cache_dir
from engine.files import Digests
from engine.finding import ProbeRecord
from engine.progress import CancelToken
from engine.separation.separator import Separator
from engine.separation.settings import settings_of
from engine.separation.song import Song, separate
from engine.stopping import StopBetweenOperations

Key = tuple[object, ...]

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


@dataclass(frozen=True)
class Stems:
    """What a song was taken apart into; all at 44.1 kHz and of one length.

    Attributes
    ----------
    vocals : everything sung
    lead : what is converted, without its room where that could be removed
    key : tells the lead from all others
    backing : other voices; None where there are none
    room : what was removed from the lead; None where nothing was
    """

    vocals: Track
    lead: Track
    key: Key
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
class StemNetwork:
    """A network that takes songs apart, and how.

    Attributes
    ----------
    path : of its file
    one_pass : see `engine.separation.separator.Separator.open`
    """

    path: Path
    one_pass: bool


class _NotKeptError(Exception):
    """A stem was not made before."""


class StemMaker:
    """Takes songs apart, keeping what each network makes of a song on the disk.

    Parameters
    ----------
    networks : those that are here
    cache_folder : None is the user's
    cache_bytes : of all stems; those of one song are kept together, however long it is
    device, half, record : where and how they run, see `engine.separation.separator.Separator.to`
    make_room : frees the memory of other networks before one is loaded
    digests : of files that were read before
    """

    def __init__(
        self,
        networks: CoverNetworks,
        cache_folder: Path | None,
        cache_bytes: int,
        device: str,
        make_room: Callable[[], None],
        digests: Digests,
        *,
        half: bool = False,
        record: ProbeRecord | None = None,
    ) -> None:
        self.networks = networks
        self._device = device
        self._half = half and devices.half_type(device) is not None
        self._record = record
        self._cache_bytes = cache_bytes
        self._cache = DiskCache(cache_dir("stems", cache_folder), _STEM_ENDING, cache_bytes)
        self._make_room = make_room
        self._digests = digests

    def used(self, cover: CoverOptions) -> tuple[StemNetwork | None, ...]:
        """The networks that take a song apart: for the vocals, the lead, and the dry lead."""
        found = self.networks
        paths = (
            found.vocals if cover.source_kind == "song" else None,
            found.karaoke if cover.karaoke != "off" else None,
            found.dereverb if cover.dereverb == "auto" else None,
        )
        return tuple(None if path is None else StemNetwork(path, cover.one_pass) for path in paths)

    def kept(self, key: Key, whole: Song, cover: CoverOptions, work: Work) -> Stems | None:
        """The stems of a song, if all of them were made before."""
        try:
            return self.take_apart(key, whole, cover, work, separates=False)
        except _NotKeptError:
            return None

    def take_apart(
        self, key: Key, whole: Song, cover: CoverOptions, work: Work, *, separates: bool = True
    ) -> Stems:
        """The stems of a song; those that were made before are only read.

        Parameters
        ----------
        key : tells the song from all others
        """
        networks = self.used(cover)
        vocals, lead_network, dry_network = networks
        made_by = self._separated if separates else self._read
        first = next((each for each in networks if each is not None), None)
        known = first is None or self._kept(self._stem_key(key, first, work), whole) is not None
        count = sum(each is not None for each in networks)
        work.plan_separations(0 if known else count)
        stem, stem_key = whole, key
        if vocals is not None:
            stem, stem_key = made_by(whole, key, vocals, work)
        lead, lead_key, backing = stem, stem_key, None
        if lead_network is not None:
            # Trained on whole songs, and used on vocals too: what passes the test is taken.
            for given, given_key in ((whole, key), (stem, stem_key)):
                tried, tried_key = made_by(given, given_key, lead_network, work)
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
            return Stems(work.watched(stem), work.watched(lead), lead_key, backing)
        dry, dry_key = made_by(lead, lead_key, dry_network, work)
        watched = work.watched(lead), work.watched(dry)
        return Stems(work.watched(stem), watched[1], dry_key, backing, Difference(*watched))

    def digest(self, file: Path, cancel: CancelToken | None = None) -> str:
        """The SHA-256 of a file, found once; up to 0.9 GB are read."""
        return self._digests.of(file, cancel)

    def network_key(self, network: StemNetwork, cancel: CancelToken) -> Key:
        """What a network's result depends on beside the song."""
        digest = self.digest(network.path, cancel)
        key: Key = digest, settings_of(network.path, digest), _CACHE_VERSION
        key = (*key, "one_pass") if network.one_pass else key
        return (*key, "half", self._device) if self._half else key

    def _stem_key(self, key: Key, network: StemNetwork, work: Work) -> Key:
        return (*key, *self.network_key(network, work.cancel))

    def _kept(self, stem_key: Key, given: Song) -> Path | None:
        """A stem that was made before."""
        found = self._cache.find(stem_key)
        complete = found is not None and found.stat().st_size == len(given) * _STEM_FRAME_BYTES
        return found if complete else None

    def _read(self, given: Song, key: Key, network: StemNetwork, work: Work) -> tuple[Song, Key]:
        """A network's stem that was made before, and its key."""
        stem_key = self._stem_key(key, network, work)
        found = self._kept(stem_key, given)
        if found is None:
            raise _NotKeptError
        return Song.open(found), stem_key

    def _separated(
        self, given: Song, key: Key, network: StemNetwork, work: Work
    ) -> tuple[Song, Key]:
        """A network's stem, from the cache where it was made before, and its key."""
        with suppress(_NotKeptError):
            return self._read(given, key, network, work)
        stem_key = self._stem_key(key, network, work)
        self._make_room()
        n_bytes = len(given) * _STEM_FRAME_BYTES
        cache_bytes = max(self._cache_bytes, _MOST_STEMS * n_bytes)
        with work.separation() as tell:
            with StopBetweenOperations(work.cancelled):
                digest = self.digest(network.path, work.cancel)
                separator = Separator.open(network.path, one_pass=network.one_pass, sha256=digest)
            cache = DiskCache(self._cache.folder, _STEM_ENDING, cache_bytes)
            stem = separate(
                given,
                separator,
                cache.reserve(stem_key, n_bytes),
                device=self._device,
                half=self._half,
                record=self._record,
                progress=lambda share, _left: tell(
                    share, device=separator.device, half=separator.is_half
                ),
                cancelled=work.cancelled,
            )
        for note in separator.notes:
            work.note(note)
        return stem, stem_key
