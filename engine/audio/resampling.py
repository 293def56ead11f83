"""Change the sample rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

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
    n_out : wanted length; `resampled_length` by default. What lies beyond the sound is zero

    Returns
    -------
    float32 [n_out] or [n_out, channels]; the very samples, copied, where the rates are equal
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


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], from_hz: int, to_hz: int
) -> Iterator[NDArray[np.float32]]:
    """Resample sound that comes in pieces: the same samples as in one (soxr, VHQ).

    Parameters
    ----------
    blocks : float32 [n, channels]  all with the same number of channels
    from_hz, to_hz : rates

    Yields
    ------
    float32 [m, channels]  m >= 1
    """
    stream: soxr.ResampleStream | None = None
    channels = 0
    for block in blocks:
        if from_hz == to_hz:
            yield block
            continue
        if stream is None:
            channels = block.shape[1]
            stream = soxr.ResampleStream(from_hz, to_hz, channels, "float32", _QUALITY)
        out = stream.resample_chunk(np.ascontiguousarray(block))
        if len(out):
            yield out
    if stream is not None:
        rest = stream.resample_chunk(np.zeros((0, channels), dtype=np.float32), last=True)
        if len(rest):
            yield rest
