"""The parts of finished covers, kept in files: heard one by one, and mixed again in a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.audio.source import Sound
from engine.audio.wave_file import WaveFile
from engine.audio.writer import all_or_none, write_sound
from engine.cover.mix import Mix
from engine.cover.options import PARTS, Part
from engine.disk_cache import DiskCache, cache_dir
from engine.errors import Message, OutputFileError, Refusal, Text, as_text

PART_CACHE_BYTES = 4 * 10**9
"""Three quarters of an hour of covers of three parts."""
_RECORD_BYTES = 64 * 10**6
_SOUND_ENDING = ".wav"
_RECORD_ENDING = ".json"


@dataclass(frozen=True, kw_only=True)
class CoverFacts:
    """What is known about a cover whose parts are made.

    Attributes
    ----------
    source_s : seconds of the song
    natural_hz : rate of the result, where its file format can have it
    f0_hz, notes : as in `engine.cover.cover.CoverResult`
    """

    source_s: float
    natural_hz: int
    f0_hz: NDArray[np.float32] | None
    notes: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class CoverParts:
    """The files of the parts of a cover, which may be deleted at any time.

    Attributes
    ----------
    name : finds them again, see `PartCache.find`
    paths : float WAV files of one rate and length, by `engine.cover.options.PARTS`
    """

    name: str
    paths: Mapping[Part, Path]
    rate_hz: int
    channels: int
    n_frames: int
    facts: CoverFacts

    def open(self, gains: Mapping[Part, float]) -> Mix:
        """Their sum, from files that are open from now on.

        Parameters
        ----------
        gains : see `engine.cover.options.CoverOptions.gains`

        Raises
        ------
        OSError : one of them is not here (any more), or is another one
        """
        files: dict[Part, WaveFile] = {}
        for part, path in self.paths.items():
            files[part] = file = WaveFile(path)
            if (file.rate_hz, file.channels, len(file)) != self._shape:
                raise OSError(f"another file than expected: {path}")
        return Mix(files, gains, self.channels)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.rate_hz, self.channels, self.n_frames


@dataclass(frozen=True)
class _Record:
    """What the record of a cover's parts holds."""

    parts: list[Part]
    rate_hz: int
    channels: int
    n_frames: int
    source_s: float
    natural_hz: int
    f0_hz: bytes | None
    notes: list[dict[str, Any]]


class PartCache:
    """Keeps the parts of covers; those that were not used for longest go first.

    Parameters
    ----------
    folder : None is the user's; see `engine.disk_cache.cache_dir`
    most_bytes : of all parts; those of the last cover are kept in any case
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = PART_CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._sounds = DiskCache(cache_dir("covers", folder), _SOUND_ENDING, most_bytes)
        self._records = DiskCache(self._sounds.folder, _RECORD_ENDING, _RECORD_BYTES)

    def find(self, name: str) -> CoverParts | None:
        """Parts by their name; None where one of them is not here (any more)."""
        record = self._records.find((name,))
        if record is None:
            return None
        try:
            found = msgspec.json.decode(record.read_bytes(), type=_Record)
        except (OSError, msgspec.MsgspecError):
            return None
        paths = {part: self._sounds.find((name, part)) for part in found.parts}
        kept = {part: path for part, path in paths.items() if path is not None}
        if len(kept) < len(paths):
            return None
        facts = CoverFacts(
            source_s=found.source_s,
            natural_hz=found.natural_hz,
            f0_hz=None if found.f0_hz is None else np.frombuffer(found.f0_hz, np.float32),
            notes=tuple(map(Text.from_record, found.notes)),
        )
        return CoverParts(
            name=name, paths=kept, rate_hz=found.rate_hz, channels=found.channels,
            n_frames=found.n_frames, facts=facts,
        )  # fmt: skip

    def keep(self, name: str, sounds: Mapping[Part, Sound], facts: CoverFacts) -> CoverParts | None:
        """Write the parts of a cover; None where the disk does not take them all."""
        one = next(iter(sounds.values()))
        n_bytes = 4 * one.n_frames * one.channels
        # Those of one cover are kept together, however long it is.
        cache_bytes = max(self._most_bytes, len(PARTS) * n_bytes)
        cache = DiskCache(self._sounds.folder, _SOUND_ENDING, cache_bytes)
        with suppress(OSError, Refusal, OutputFileError), all_or_none() as written:
            for part, sound in sounds.items():
                path = cache.reserve((name, part), n_bytes)
                written.append(write_sound(path, sound, "wav", "float", overwrite=True))
            record = _Record(
                list(sounds), one.rate_hz, one.channels, one.n_frames, facts.source_s,
                facts.natural_hz, None if facts.f0_hz is None else facts.f0_hz.tobytes(),
                [as_text(note).to_record() for note in facts.notes],
            )  # fmt: skip
            self._records.write((name,), msgspec.json.encode(record))
            return self.find(name)
        return None


def name_of(key: Sequence[object]) -> str:
    """A name for everything that the parts of a cover depend on; see `PartCache.find`."""
    return hashlib.sha256(repr(tuple(key)).encode(errors="surrogateescape")).hexdigest()
