"""What the first stages made of a source, so that another take runs only the others.

Three things are kept: the filtered source at 16 kHz, its pitch, and its content features. The key
of each holds everything that it depends on: the file or the samples themselves, the networks, the
device and its settings, and every option that is not declared to matter later only (see
``Option.affects``).
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engine.analysis import AnalysisSignal
from engine.audio.source import Decoded
from engine.disk_cache import DiskCache
from engine.errors import Refusal
from engine.networks import Models
from engine.option import CachedStage
from engine.options import ConversionOptions, all_options

MEMORY_BYTES = 256 * 10**6
"""About half an hour of content features."""
DISK_BYTES = 2 * 10**9

_MOST_SIGNALS = 2
_NAME = "result"

_VERSION = 2
"""Part of every key; to be raised when a stage's arithmetic changes. So is torch's version."""

Key = tuple[object, ...]


class StageCache:
    """Results of stages, in memory and, if a folder is given, on the disk.

    Parameters
    ----------
    folder : None keeps nothing on the disk
    memory_bytes, disk_bytes : at most so much of pitch and features; two sources are kept besides
    """

    def __init__(
        self,
        folder: Path | None = None,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self._disk = None if folder is None else DiskCache(folder, ".safetensors", disk_bytes)
        self._memory_bytes = memory_bytes
        self._tensors: OrderedDict[Key, Tensor] = OrderedDict()
        self._held_bytes = 0
        self._signals: OrderedDict[Key, tuple[Decoded, AnalysisSignal]] = OrderedDict()

    def find_signal(self, key: Key) -> tuple[Decoded, AnalysisSignal] | None:
        """A filtered source; None if it is not here."""
        found = self._signals.get(key)
        if found is not None:
            self._signals.move_to_end(key)
        return found

    def keep_signal(self, key: Key, decoded: Decoded, signal: AnalysisSignal) -> None:
        """Keep a filtered source, and drop all but the last two."""
        self._signals[key] = decoded, signal
        self._signals.move_to_end(key)
        while len(self._signals) > _MOST_SIGNALS:
            self._signals.popitem(last=False)

    def find(self, key: Key) -> Tensor | None:
        """A result on the CPU, which must not be changed; None if it is not here."""
        found = self._tensors.get(key)
        if found is not None:
            self._tensors.move_to_end(key)
            return found
        path = None if self._disk is None else self._disk.find(key)
        if path is None:
            return None
        try:
            # Not mapped: a file that is cut off meanwhile would end the process.
            found = load(path.read_bytes())[_NAME]
        except (OSError, KeyError, SafetensorError):
            with suppress(OSError):
                path.unlink()
            return None
        self._remember(key, found)
        return found

    def keep(self, key: Key, result: Tensor) -> None:
        """Keep a result; on the disk only if that works."""
        kept = result.detach().cpu().contiguous()
        if kept.data_ptr() == result.data_ptr():
            kept = kept.clone()
        self._remember(key, kept)
        if self._disk is None:
            return
        with suppress(OSError, Refusal):
            self._disk.write(key, save({_NAME: kept}))

    def clear(self) -> None:
        """Forget everything, on the disk too."""
        self.forget_memory()
        if self._disk is not None:
            self._disk.clear()

    def forget_memory(self) -> None:
        """Free the memory; what is on the disk stays."""
        self._tensors.clear()
        self._signals.clear()
        self._held_bytes = 0

    def _remember(self, key: Key, result: Tensor) -> None:
        previous = self._tensors.pop(key, None)
        if previous is not None:
            self._held_bytes -= previous.nbytes
        self._tensors[key] = result
        self._held_bytes += result.nbytes
        while self._held_bytes > self._memory_bytes and self._tensors:
            _, dropped = self._tensors.popitem(last=False)
            self._held_bytes -= dropped.nbytes


class SourceCache:
    """The part of a cache that belongs to one source and the options of one conversion."""

    def __init__(
        self, cache: StageCache, signal: AnalysisSignal, options: ConversionOptions
    ) -> None:
        self._cache = cache
        self._digest = signal.digest
        self._options = options

    def find(self, stage: CachedStage, models: Models, place: str, part: Key) -> Tensor | None:
        """What a stage made of a part of the source by these networks at a place."""
        return self._cache.find(self._key(stage, models, place, part))

    def keep(
        self, stage: CachedStage, models: Models, place: str, part: Key, result: Tensor
    ) -> None:
        """Keep what a stage made of a part of the source."""
        self._cache.keep(self._key(stage, models, place, part), result)

    def _key(self, stage: CachedStage, models: Models, place: str, part: Key) -> Key:
        networks = models.identities[stage]
        options = options_key(self._options, stage)
        versions = _VERSION, str(torch.__version__)
        return (versions, stage, self._digest, networks, place, part, options)


def options_key(options: ConversionOptions, stage: CachedStage) -> Key:
    """The values of all options that a stage's result depends on."""
    return tuple(
        (each.name, options.value(each.name)) for each in all_options() if stage in each.affects
    )
