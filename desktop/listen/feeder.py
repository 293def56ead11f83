"""Reads several sounds in sync on a thread, ahead of the sound card."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from desktop.listen.stretch import Stretch
from engine.errors import UserError

Chunk = NDArray[np.float32]
"""float32 [n, sounds, 2]  left and right of each sound"""

_CHUNK_FRAMES = 2048
_AHEAD = 16
"""Chunks read ahead: 0.7 s at 48 kHz, enough for a busy disk, 0.25 MB for each sound."""

KEPT_S = 10.0
"""A loop that is this short is kept in memory: opening its files again could take too long."""
_SEAM_S = 0.005
"""Faded out and in where a loop begins again, so that it does not click."""


class PlayedFile(NamedTuple):
    """A file to be played, and which of its sound tracks; None is the one conversions use."""

    path: Path
    track: int | None = None


class Feeder:
    """Reads ahead on a thread; the sound card's callback takes what is ready.

    A file that cannot be read is silent.

    Parameters
    ----------
    files : read at the same time, until the longest ends
    rate_hz : rate of the chunks
    start_s : start position
    loop : repeated once its end is reached; None plays to the end
    """

    def __init__(
        self,
        files: Sequence[PlayedFile],
        rate_hz: int,
        start_s: float,
        loop: Stretch | None = None,
    ) -> None:
        self._chunks: queue.Queue[Chunk] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._problems: dict[int, UserError] = {}
        source = _looped(files, rate_hz, start_s, loop, self._problems, self._stop)
        self._thread = threading.Thread(
            target=self._work, args=(source,), name="listen", daemon=True
        )
        self._thread.start()

    @property
    def exhausted(self) -> bool:
        """Whether everything was taken."""
        return self._ended.is_set() and self._chunks.empty()

    def problem(self, weights: Sequence[float]) -> UserError | None:
        """Why one of the sounds with a weight cannot be read, if so."""
        found = self._problems
        return next((found[k] for k, weight in enumerate(weights) if weight and k in found), None)

    def take(self) -> Chunk | None:
        """The next chunk, or None if none is ready; never waits."""
        try:
            return self._chunks.get_nowait()
        except queue.Empty:
            return None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the first chunk; not on the GUI thread."""
        pause = threading.Event()
        while timeout_s > 0 and self._chunks.empty() and not self._ended.is_set():
            pause.wait(0.005)
            timeout_s -= 0.005

    def close(self) -> None:
        """Ask the thread to end; does not wait."""
        self._stop.set()

    def _work(self, chunks: Iterator[Chunk]) -> None:
        try:
            for chunk in chunks:
                if not self._put(chunk):
                    return
        finally:
            self._ended.set()

    def _put(self, chunk: Chunk) -> bool:
        while not self._stop.is_set():
            try:
                self._chunks.put(chunk, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


def _looped(
    files: Sequence[PlayedFile],
    rate_hz: int,
    start_s: float,
    loop: Stretch | None,
    problems: dict[int, UserError],
    stop: threading.Event,
) -> Iterator[Chunk]:
    """Chunks from a position on; a loop is repeated without end."""
    if loop is None or start_s >= loop[1]:
        yield from _chunks(files, rate_hz, start_s, None, problems, stop)
        return
    n_first = max(1, round((loop[1] - start_s) * rate_hz))
    first = _chunks(files, rate_hz, start_s, n_first, problems, stop)
    yield from _softened(first, n_first, rate_hz, begins=False)
    n_frames = max(1, round((loop[1] - loop[0]) * rate_hz))
    kept: list[Chunk] = []
    while not stop.is_set():  # from then on each turn is empty: it would never end, nor pause
        again = _chunks(files, rate_hz, loop[0], n_frames, problems, stop)
        turn = _softened(again, n_frames, rate_hz, begins=True)
        if n_frames <= KEPT_S * rate_hz:
            kept = kept or list(turn)
            yield from kept
        else:
            yield from turn


def _chunks(
    files: Sequence[PlayedFile],
    rate_hz: int,
    start_s: float,
    n_frames: int | None,
    problems: dict[int, UserError],
    stop: threading.Event,
) -> Iterator[Chunk]:
    """All sounds, `n_frames` of them, or until the longest ends; silence where one is shorter.

    Nothing more once `stop` is set: while a user seeks, no file is opened for a place left again.
    """
    sounds = [_Regular(file, rate_hz, start_s) for file in files]
    for done in count(0, _CHUNK_FRAMES):
        n = _CHUNK_FRAMES if n_frames is None else min(_CHUNK_FRAMES, n_frames - done)
        if n <= 0:
            return
        chunk = np.zeros((n, len(sounds), 2), dtype=np.float32)
        longest = 0
        for k, sound in enumerate(sounds):
            if stop.is_set():
                return
            if k in problems:
                continue
            try:
                taken = sound.take(n)
            except UserError as error:
                problems[k] = error
                continue
            chunk[: len(taken), k] = taken
            longest = max(longest, len(taken))
        if n_frames is None:
            if longest == 0:
                return
            chunk = chunk[:longest]
        yield chunk


def _softened(
    chunks: Iterator[Chunk], n_frames: int, rate_hz: int, *, begins: bool
) -> Iterator[Chunk]:
    """The same, faded out at its end, and in where it ``begins`` a turn."""
    n_fade = max(1, min(round(_SEAM_S * rate_hz), n_frames // 2))
    at = 0
    for chunk in chunks:
        places = np.arange(at, at + len(chunk), dtype=np.float32)
        gain = np.minimum((n_frames - places) / n_fade, 1)
        if begins:
            gain = np.minimum(gain, (places + 1) / n_fade)
        yield chunk * gain[:, None, None].astype(np.float32)
        at += len(chunk)


def _stereo_blocks(file: PlayedFile, rate_hz: int, start_s: float) -> Iterator[NDArray[np.float32]]:
    """A file as float32 [n, 2] at `rate_hz`; mono is duplicated, surround mixed by its layout."""
    from engine.audio.mixdown import usual_mix
    from engine.audio.reader import read_blocks
    from engine.audio.resampling import resample_blocks

    blocks = read_blocks(file.path, start_s=start_s, track=file.track)
    first = next(blocks, None)
    if first is None:
        return

    mix = usual_mix(first.samples.shape[1], first.layout, 2)

    def as_stereo() -> Iterator[NDArray[np.float32]]:
        for block in chain([first], blocks):
            samples = block.samples
            yield np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else mix.apply(samples, 0)

    yield from resample_blocks(as_stereo(), first.rate_hz, rate_hz)


class _Regular:
    """Turns blocks of any size into blocks of one size."""

    def __init__(self, file: PlayedFile, rate_hz: int, start_s: float) -> None:
        self._blocks = _stereo_blocks(file, rate_hz, start_s)
        self._rest = np.zeros((0, 2), dtype=np.float32)

    def take(self, n_frames: int) -> NDArray[np.float32]:
        """float32 [m, 2]  m is `n_frames`, less at the end, then 0."""
        while len(self._rest) < n_frames:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest = np.concatenate([self._rest, block])
        taken, self._rest = self._rest[:n_frames], self._rest[n_frames:]
        return taken
