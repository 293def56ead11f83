"""Finds the pitch of files on a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from desktop.native_library import import_signal_processing, open_torch_libraries
from desktop.problems import sentence_for
from engine.errors import ConversionCancelled, UserError

_KEPT = 12
"""Tracks in memory; an hour of sound takes 3 MB."""

_Identity = tuple[Path, int, int]


@dataclass(frozen=True, eq=False)
class PitchTrack:
    """The pitch of a file at 100 frames a second.

    Attributes
    ----------
    f0_hz : float32 [T]  0 where unvoiced
    confidence : float32 [T]  0..1
    """

    f0_hz: NDArray[np.float32]
    confidence: NDArray[np.float32]


class PitchScanner(QObject):
    """Tracks the pitch of wanted files, one after the other; keeps the last few.

    Signals
    -------
    found : (Path, PitchTrack)  whoever asked for it
    sampled : (Path, PitchTrack)  of a long file, before it is found: stretches all over it, joined
    failed : (Path, str)  why there is none
    """

    found = Signal(object, object)
    sampled = Signal(object, object)
    failed = Signal(object, str)
    _ready = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wishes: dict[object, frozenset[Path]] = {}
        self._wanted: frozenset[Path] = frozenset()
        self._kept: OrderedDict[_Identity, PitchTrack] = OrderedDict()
        self._orders: queue.Queue[Path | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._may_work = threading.Event()
        self._may_work.set()
        self._ready.connect(self._keep)

    def want(self, who: object, *paths: Path) -> None:
        """Find the pitch of these files, in this order, instead of those that ``who`` wanted."""
        self._wishes[who] = frozenset(paths)
        before, self._wanted = self._wanted, frozenset().union(*self._wishes.values())
        for path in paths:
            kept = self._kept.get(_identity(path))
            if kept is not None:
                self.found.emit(path, kept)
            elif path not in before:
                self._orders.put(path)
        if paths and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="pitch", daemon=True)
            self._thread.start()

    def known(self, path: Path) -> PitchTrack | None:
        """The pitch of a file, if it was found before."""
        return self._kept.get(_identity(path))

    def hold(self, *, held: bool) -> None:
        """Leave the processor to something that is more urgent, or go on."""
        if held:
            self._may_work.clear()
        else:
            self._may_work.set()

    def forget_wishes(self) -> None:
        """Drop all requests, e.g. of a window that is going to be deleted."""
        self._wishes.clear()
        self._wanted = frozenset()

    def close(self) -> None:
        """End the thread; waits for at most one window of 30 s."""
        self._wanted = frozenset()
        self._orders.put(None)
        self._may_work.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (path := self._orders.get()) is not None:
            if path not in self._wanted:
                continue
            try:
                identity = _identity(path)
                self._ready.emit(identity, self._track(path))
            except ConversionCancelled:
                continue
            except UserError as error:
                self.failed.emit(path, sentence_for(error))
            except (OSError, MemoryError, RuntimeError, ValueError) as error:
                self.failed.emit(path, f"{path.name}: {error}")

    def _track(self, path: Path) -> PitchTrack:
        open_torch_libraries()
        import_signal_processing()
        from engine.source_pitch import sample_file, track_file

        def pause(_share: float) -> None:
            self._may_work.wait()
            if path not in self._wanted:
                raise ConversionCancelled

        sample = sample_file(path, pause)
        if sample is not None:
            self.sampled.emit(path, PitchTrack(sample.f0_hz, sample.confidence))
        frames = track_file(path, pause)
        return PitchTrack(frames.f0_hz, frames.confidence)

    @Slot(object, object)
    def _keep(self, identity: _Identity, track: PitchTrack) -> None:
        self._kept[identity] = track
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        if identity[0] in self._wanted:
            self.found.emit(identity[0], track)


def _identity(path: Path) -> _Identity:
    """Changes when the file does; zeros if it is missing, which reading it reports."""
    try:
        status = path.stat()
    except OSError:
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size
