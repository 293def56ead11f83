"""Reads files for their waveforms on a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop.audio.waveform import PeakBuilder, Waveform
from desktop.audio.waveform_cache import WaveformCache
from desktop.error_text import sentence_for
from desktop.jobs.native_library import OPENING
from engine.errors import UserError

_SHOW_EVERY_S = 0.25

_STEP_FRAMES = 8192
"""The filters do not let other Python threads run: a millisecond at a time, for the GUI's sake."""


class WaveformScanner(QObject):
    """One thread that reads what was asked for last first; what nobody wants any more is left.

    Signals
    -------
    updated : (Path, Waveform)  some of it, several times, then the complete one
    failed : (Path, str)  the sentence why there is none
    """

    updated = Signal(object, object)
    failed = Signal(object, str)

    def __init__(self, cache: WaveformCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache = cache
        self._wanted: frozenset[Path] = frozenset()
        self._orders: queue.Queue[Path | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def want(self, *paths: Path) -> None:
        """Read these, in this order; stop reading any other."""
        before, self._wanted = self._wanted, frozenset(paths)
        for path in paths:
            if path not in before:
                self._orders.put(path)
        if paths and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="waveforms", daemon=True)
            self._thread.start()

    def again(self, path: Path) -> None:
        """Read a wanted file once more, e.g. because it has only now been written."""
        self._orders.put(path)

    def close(self) -> None:
        """End the thread; waits for at most one block of sound."""
        self._wanted = frozenset()
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (path := self._orders.get()) is not None:
            if path not in self._wanted:
                continue
            try:
                self._scan(path)
            except UserError as error:
                self.failed.emit(path, sentence_for(error))
            except (OSError, MemoryError, RuntimeError, ValueError) as error:
                self.failed.emit(path, f"{path.name}: {error}")

    def _scan(self, path: Path) -> None:
        waveform = self._cache.load(path)
        if waveform is None:
            waveform = self._read(path)
            if waveform is None:
                return
            self._cache.save(path, waveform)
        self.updated.emit(path, waveform)

    def _read(self, path: Path) -> Waveform | None:
        with OPENING:
            from desktop.audio.loudness import LoudnessMeter
            from engine.audio.reader import probe_audio, read_blocks

        expected_s = probe_audio(path).duration_s or 0.0
        builder: PeakBuilder | None = None
        meter: LoudnessMeter | None = None
        shown_at_s = time.monotonic()
        for samples, rate_hz in read_blocks(path):
            if builder is None or meter is None:
                builder = PeakBuilder(rate_hz, expected_s)
                meter = LoudnessMeter(rate_hz, samples.shape[1])
            if path not in self._wanted:
                return None
            for start in range(0, len(samples), _STEP_FRAMES):
                builder.add(samples[start : start + _STEP_FRAMES])
                meter.add(samples[start : start + _STEP_FRAMES])
            if time.monotonic() - shown_at_s > _SHOW_EVERY_S:
                shown_at_s = time.monotonic()
                self.updated.emit(path, builder.waveform(complete=False))
        if builder is None or meter is None:
            return None
        return builder.waveform(meter.loudness_lufs(), complete=True)
