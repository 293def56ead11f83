"""Change the sample rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from engine.audio.spool import BLOCK_FRAMES

_QUALITY = "VHQ"


def resampled_length(n_samples: int, from_hz: int, to_hz: int) -> int:
    """``n_samples * to_hz / from_hz`` rounded, halves up, in exact integers."""
    return (2 * n_samples * to_hz + from_hz) // (2 * from_hz)


def resample(
    samples: NDArray[np.float32], from_hz: int, to_hz: int, n_out: int | None = None
) -> NDArray[np.float32]:
    """Resample with linear phase; sample 0 stays at time 0 (soxr, VHQ).

    Parameters
    ----------
    samples : float32 [n] or [n, channels]
    from_hz, to_hz : rates
    n_out : length of the result, `resampled_length` by default; filled up with zeros

    Returns
    -------
    float32 [n_out] or [n_out, channels]; a copy where the rates are equal
    """
    if n_out is None:
        n_out = resampled_length(samples.shape[0], from_hz, to_hz)
    if from_hz == to_hz or samples.shape[0] == 0:
        out = samples
    else:
        out = soxr.resample(samples, from_hz, to_hz, quality=_QUALITY)
    fitted = np.zeros((n_out, *samples.shape[1:]), dtype=np.float32)
    n_kept = min(n_out, out.shape[0])
    fitted[:n_kept] = out[:n_kept]
    return fitted


class Resampler:
    """Resamples sound that comes block by block: the same samples as `resample` at once.

    Parameters
    ----------
    from_hz, to_hz : rates
    channels : of all blocks
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int) -> None:
        self._end = np.zeros((0, channels), np.float32)
        self._stream = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, channels, "float32", _QUALITY)

    def resample(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready after float32 [n, channels], perhaps nothing."""
        if self._stream is None:
            return block
        ready: NDArray[np.float32] = self._stream.resample_chunk(np.ascontiguousarray(block))
        return ready

    def finish(self) -> NDArray[np.float32]:
        """The rest."""
        if self._stream is None:
            return self._end
        rest: NDArray[np.float32] = self._stream.resample_chunk(self._end, last=True)
        return rest


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], from_hz: int, to_hz: int
) -> Iterator[NDArray[np.float32]]:
    """Resample blocks float32 [n, channels]; yields float32 [m, channels], m >= 1."""
    resampler: Resampler | None = None
    for block in blocks:
        resampler = resampler or Resampler(from_hz, to_hz, block.shape[1])
        ready = resampler.resample(block)
        if len(ready):
            yield ready
    if resampler is not None and len(rest := resampler.finish()):
        yield rest


def fit_length(
    blocks: Iterable[NDArray[np.float32]], n: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Cut blocks float32 [m, channels], perhaps none, to ``n`` frames in all, or add zeros."""
    for block in blocks:
        if n > 0:
            yield block[:n]
        n -= len(block)
    for start in range(0, n, BLOCK_FRAMES):
        yield np.zeros((min(BLOCK_FRAMES, n - start), channels), np.float32)
