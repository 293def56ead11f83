"""The shape of a sound of any length: peaks in bounded memory, read and kept on the disk."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from desktop.listen.feeder import PlayedFile
from desktop.native_library import OPENING
from desktop.problems import sentence_for
from engine.errors import UserError

Peaks = NDArray[np.float32]
"""float32 [n, 2]  lowest and highest sample of each bin, over all channels"""

_FIRST_BIN_FRAMES = 128
MAX_BINS = 1 << 19
"""4 MiB. Above it neighbours are merged: an hour at 48 kHz has bins of 11 ms."""

_LEVEL_STEP = 4


@dataclass(frozen=True)
class Waveform:
    """Peaks of a sound at several resolutions.

    Attributes
    ----------
    levels : finest first, each a quarter of the size
    bin_frames : frames per bin of the finest level
    n_frames : frames read so far
    rate_hz : sample rate
    expected_s : expected duration, from the file's header
    loudness_lufs : None if silent or not known yet
    complete : False while the file is still being read
    """

    levels: tuple[Peaks, ...]
    bin_frames: int
    n_frames: int
    rate_hz: int
    expected_s: float
    loudness_lufs: float | None
    complete: bool

    @property
    def duration_s(self) -> float:
        """Length of the time axis; constant while the file is being read."""
        known_s = self.n_frames / self.rate_hz
        return known_s if self.complete else max(known_s, self.expected_s)

    def columns(self, n_columns: int, start_s: float = 0.0, stop_s: float | None = None) -> Peaks:
        """A part of the sound as `n_columns` columns; 0 where not read yet, and beyond the end.

        Parameters
        ----------
        start_s, stop_s : the part; None is the end of the sound

        Returns
        -------
        float32 [n_columns, 2]  lowest ≤ 0 and highest ≥ 0
        """
        shown = np.zeros((n_columns, 2), dtype=np.float32)
        finest = self.levels[0]
        stop_s = self.duration_s if stop_s is None else stop_s
        if not len(finest) or n_columns < 1 or stop_s <= start_s:
            return shown
        bins_per_s = self.rate_hz / self.bin_frames
        per_column = (stop_s - start_s) * bins_per_s / n_columns
        level, scale = 0, 1
        while level + 1 < len(self.levels) and per_column >= 2 * scale * _LEVEL_STEP:
            level, scale = level + 1, scale * _LEVEL_STEP
        peaks = self.levels[level]
        edges = (start_s * bins_per_s + np.arange(n_columns + 1) * per_column) / scale
        first = np.floor(edges).astype(np.int64)
        n_known = int(np.searchsorted(first[:-1], len(peaks)))
        if n_known:
            # The last column ends where the part does, not where the sound does.
            stop = min(max(int(first[n_known]), int(first[n_known - 1]) + 1), len(peaks))
            for side, ufunc in enumerate((np.minimum, np.maximum)):
                shown[:n_known, side] = ufunc.reduceat(peaks[:stop, side], first[:n_known])
        return shown


class PeakBuilder:
    """Computes the peaks of a sound block by block.

    Parameters
    ----------
    rate_hz : sample rate
    expected_s : duration in the file's header, 0 if unknown
    """

    def __init__(self, rate_hz: int, expected_s: float = 0.0) -> None:
        self._rate_hz = rate_hz
        self._expected_s = expected_s
        self._bin_frames = _FIRST_BIN_FRAMES
        self._bins: Peaks = np.zeros((MAX_BINS, 2), dtype=np.float32)
        self._n_bins = 0
        self._n_frames = 0
        self._rest = np.zeros((0, 1), dtype=np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        """Add a block, float32 [n, channels]."""
        self._n_frames += len(block)
        if self._rest.size:
            block = np.concatenate([self._rest, block])
        while n_new := min(len(block) // self._bin_frames, MAX_BINS - self._n_bins):
            pieces = block[: n_new * self._bin_frames].reshape(n_new, -1)
            end = self._n_bins + n_new
            self._bins[self._n_bins : end, 0] = pieces.min(axis=1, initial=0)
            self._bins[self._n_bins : end, 1] = pieces.max(axis=1, initial=0)
            self._n_bins = end
            block = block[n_new * self._bin_frames :]
            if self._n_bins == MAX_BINS:
                self._merge_pairs()
        self._rest = block.copy()

    def waveform(self, loudness_lufs: float | None = None, *, complete: bool = True) -> Waveform:
        """The waveform so far; more may be added."""
        finest = self._bins[: self._n_bins].copy()
        if complete and len(self._rest):
            last = [[min(0.0, self._rest.min()), max(0.0, self._rest.max())]]
            finest = np.concatenate([finest, np.array(last, dtype=np.float32)])
        return Waveform(
            _pyramid(finest),
            self._bin_frames,
            self._n_frames,
            self._rate_hz,
            self._expected_s,
            loudness_lufs,
            complete,
        )

    def _merge_pairs(self) -> None:
        self._n_bins //= 2
        self._bins[: self._n_bins] = _reduced(self._bins, 2)
        self._bin_frames *= 2


def _pyramid(finest: Peaks) -> tuple[Peaks, ...]:
    """The finest level and coarser ones, each with a quarter of the bins."""
    levels = [finest]
    while len(levels[-1]) > 64:
        levels.append(_reduced(levels[-1], _LEVEL_STEP))
    return tuple(levels)


def _reduced(peaks: Peaks, step: int) -> Peaks:
    starts = np.arange(0, len(peaks), step)
    return np.stack(
        [np.minimum.reduceat(peaks[:, 0], starts), np.maximum.reduceat(peaks[:, 1], starts)], axis=1
    )


_FORMAT = 2
"""To be raised when files are decoded differently, too."""
_MAX_FILES = 200
"""A few hundred kilobytes each; the oldest are deleted."""


class WaveformCache:
    """Complete waveforms in a folder, by path, date and size of their file.

    Parameters
    ----------
    folder : created when first needed
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source: Path, track: int | None = None) -> Waveform | None:
        """The cached waveform of the file; None if missing, outdated or damaged."""
        try:
            with np.load(self._place(source, track), allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                peaks = stored["peaks"]
            if facts["format"] != _FORMAT or peaks.ndim != 2 or peaks.dtype != np.float32:
                return None
            return Waveform(
                _pyramid(peaks),
                int(facts["bin_frames"]),
                int(facts["n_frames"]),
                int(facts["rate_hz"]),
                0.0,
                facts["loudness_lufs"],
                complete=True,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, source: Path, waveform: Waveform, track: int | None = None) -> None:
        """Save a complete waveform; ignores a full or protected disk."""
        facts = {
            "format": _FORMAT,
            "bin_frames": waveform.bin_frames,
            "n_frames": waveform.n_frames,
            "rate_hz": waveform.rate_hz,
            "loudness_lufs": waveform.loudness_lufs,
        }
        try:
            place = self._place(source, track)
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_suffix(".part.npz")
            np.savez_compressed(temporary, peaks=waveform.levels[0], facts=json.dumps(facts))
            temporary.replace(place)
            self._forget_oldest()
        except OSError:
            return

    def _place(self, source: Path, track: int | None) -> Path:
        status = source.stat()
        identity = f"{source.absolute()}\0{status.st_mtime_ns}\0{status.st_size}"
        identity += "" if track is None else f"\0{track}"
        digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.npz"

    def _forget_oldest(self) -> None:
        files = sorted(self._folder.glob("*.npz"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_MAX_FILES]:
            file.unlink(missing_ok=True)


_SHOW_EVERY_S = 0.25

_STEP_FRAMES = 8192
"""The filters hold Python's lock: a millisecond at a time keeps the GUI responsive."""


class WaveformScanner(QObject):
    """Reads files on one thread; a later `want` replaces the files that were not read yet.

    Signals
    -------
    updated : (PlayedFile, Waveform)  partial ones, then the complete one
    failed : (PlayedFile, str)  why there is none
    """

    updated = Signal(object, object)
    failed = Signal(object, str)

    def __init__(self, cache: WaveformCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cache = cache
        self._wanted: frozenset[PlayedFile] = frozenset()
        self._orders: queue.Queue[PlayedFile | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def want(self, *files: PlayedFile) -> None:
        """Read these files, in this order, and no others."""
        before, self._wanted = self._wanted, frozenset(files)
        for file in files:
            if file not in before:
                self._orders.put(file)
        if files and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="waveforms", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; waits for at most one block."""
        self._wanted = frozenset()
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (file := self._orders.get()) is not None:
            if file not in self._wanted:
                continue
            try:
                self._scan(file)
            except UserError as error:
                self.failed.emit(file, sentence_for(error))
            except (OSError, MemoryError, RuntimeError, ValueError) as error:
                self.failed.emit(file, f"{file.path.name}: {error}")

    def _scan(self, file: PlayedFile) -> None:
        waveform = self._cache.load(*file)
        if waveform is None:
            waveform = self._read(file)
            if waveform is None:
                return
            self._cache.save(file.path, waveform, file.track)
        if file in self._wanted:
            self.updated.emit(file, waveform)

    def _read(self, file: PlayedFile) -> Waveform | None:
        with OPENING:
            from desktop.listen.loudness import LoudnessMeter
            from engine.audio.reader import probe_audio, read_blocks

        expected_s = probe_audio(file.path, track=file.track).duration_s or 0.0
        builder: PeakBuilder | None = None
        meter: LoudnessMeter | None = None
        shown_at_s = time.monotonic()
        for samples, rate_hz, _ in read_blocks(file.path, track=file.track):
            if builder is None or meter is None:
                builder = PeakBuilder(rate_hz, expected_s)
                meter = LoudnessMeter(rate_hz, samples.shape[1])
            if file not in self._wanted:
                return None
            for start in range(0, len(samples), _STEP_FRAMES):
                builder.add(samples[start : start + _STEP_FRAMES])
                meter.add(samples[start : start + _STEP_FRAMES])
            if time.monotonic() - shown_at_s > _SHOW_EVERY_S:
                shown_at_s = time.monotonic()
                self.updated.emit(file, builder.waveform(complete=False))
        if builder is None or meter is None:
            return None
        return builder.waveform(meter.loudness_lufs(), complete=True)
