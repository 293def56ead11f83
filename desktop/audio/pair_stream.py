"""Two sounds read in step, so that one can be heard in place of the other at the same instant."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import UserError

Chunk = NDArray[np.float32]
"""float32 [n, 4]  left and right of the first sound, left and right of the second"""

CHUNK_FRAMES = 2048
_AHEAD = 16
"""Chunks read ahead: 0.7 s at 48 kHz, enough for a busy disk, 0.5 MB."""


def stereo_blocks(path: Path, rate_hz: int, start_s: float) -> Iterator[NDArray[np.float32]]:
    """A file as float32 [n, 2] at `rate_hz`; one channel goes to both sides, of more two are kept.

    Raises
    ------
    AudioFileError : as `engine.audio.reader.read_blocks`
    """
    from engine.audio.reader import read_blocks
    from engine.audio.resampling import resample_blocks

    blocks = read_blocks(path, start_s=start_s)
    first = next(blocks, None)
    if first is None:
        return

    def as_stereo() -> Iterator[NDArray[np.float32]]:
        yield _stereo(first.samples)
        for block in blocks:
            yield _stereo(block.samples)

    yield from resample_blocks(as_stereo(), first.rate_hz, rate_hz)


def pair_chunks(
    first: Path | None, second: Path | None, rate_hz: int, start_s: float
) -> Iterator[Chunk]:
    """Both sounds side by side until the longer one ends; a missing one is silence.

    Raises
    ------
    AudioFileError : if a file cannot be read
    """
    tracks = [_Regular(path, rate_hz, start_s) for path in (first, second)]
    while True:
        taken = [track.take(CHUNK_FRAMES) for track in tracks]
        n = max(len(part) for part in taken)
        if n == 0:
            return
        chunk = np.zeros((n, 4), dtype=np.float32)
        for k, part in enumerate(taken):
            chunk[: len(part), 2 * k : 2 * k + 2] = part
        yield chunk


class PairFeeder:
    """Reads ahead on a thread of its own; the sound card's callback takes what is there.

    Parameters
    ----------
    first, second : the files, or None for silence
    rate_hz : rate of the chunks
    start_s : where to begin
    """

    def __init__(
        self, first: Path | None, second: Path | None, rate_hz: int, start_s: float
    ) -> None:
        self._chunks: queue.Queue[Chunk] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self.problem: UserError | None = None
        self._thread = threading.Thread(
            target=self._work, args=(first, second, rate_hz, start_s), name="listen", daemon=True
        )
        self._thread.start()

    @property
    def exhausted(self) -> bool:
        """Whether all has been taken (or reading failed: see `problem`)."""
        return self._ended.is_set() and self._chunks.empty()

    def take(self) -> Chunk | None:
        """The next chunk, or None if none is ready; never waits."""
        try:
            return self._chunks.get_nowait()
        except queue.Empty:
            return None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the first chunk; for tests, and never on the GUI thread."""
        pause = threading.Event()
        while timeout_s > 0 and self._chunks.empty() and not self._ended.is_set():
            pause.wait(0.005)
            timeout_s -= 0.005

    def close(self) -> None:
        """Tell the thread to end; does not wait."""
        self._stop.set()

    def _work(self, first: Path | None, second: Path | None, rate_hz: int, start_s: float) -> None:
        try:
            for chunk in pair_chunks(first, second, rate_hz, start_s):
                if not self._put(chunk):
                    return
        except UserError as error:
            self.problem = error
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


class _Regular:
    """Blocks of any size given out in pieces of one size."""

    def __init__(self, path: Path | None, rate_hz: int, start_s: float) -> None:
        self._blocks = iter(()) if path is None else stereo_blocks(path, rate_hz, start_s)
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


def _stereo(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples[:, [0, min(1, samples.shape[1] - 1)]]
