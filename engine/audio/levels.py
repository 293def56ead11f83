"""Loudness: following the source, and the peak limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PEAK_LIMIT = 0.99

SILENCE_RMS = 1e-3
"""-60 dB. Quieter levels count as equal, so that silence gets gain 1: the RVC projects floor the
output's rms at 1e-6 only, which tears holes and lifts hiss where source or result is silent."""


def half_second_rms(
    read: Callable[[int, int], Floats],
    n: int,
    rate_hz: int,
    around_s: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Root mean square over windows of a second, a step of half a second apart, centred.

    The framing of ``librosa.feature.rms(frame_length=rate // 2 * 2, hop_length=rate // 2)``:
    frame k spans the half-seconds k-1 and k, with zeros beyond the ends.

    Parameters
    ----------
    read : gives samples float32 [m, channels] from start to before stop
    n : how many there are
    rate_hz : their rate
    around_s : seconds from start to stop that are needed; other values stay 0. None is all

    Returns
    -------
    float64 [channels, 1 + n // (rate // 2)]
    """
    hop = rate_hz // 2
    n_frames = 1 + n // hop
    low, high = (0, n_frames) if around_s is None else (2 * second for second in around_s)
    energies = []
    for k in range(n_frames):
        if not low - 2 <= k <= high + 2:
            energies.append([0.0] * read(0, 0).shape[1])
            continue
        part = np.ascontiguousarray(read(min(k * hop, n), min((k + 1) * hop, n)).T, np.float64)
        energies.append([channel @ channel for channel in part])
    energy = np.array([np.zeros_like(energies[0]), *energies]).T
    rms: NDArray[np.float64] = np.sqrt((energy[:, :-1] + energy[:, 1:]) / (2 * hop))
    return rms


def follow_volume(
    blocks: Iterator[Floats],
    n: int,
    rms_source: NDArray[np.float64],
    rms_output: NDArray[np.float64],
    rate: float,
    start: int = 0,
) -> Iterator[Floats]:
    """Give the result some of the source's rise and fall in volume.

    ``out * (rms_source / rms_out) ** (1 - rate)``, both rms as of `half_second_rms` at their own
    rate, stretched linearly over the output and floored at -60 dB.
    Source: formats.md section 7 step 10; the floor is ours.

    Parameters
    ----------
    blocks : float32 [m, channels], the result from sample ``start`` on
    n : length of the whole result
    rms_source, rms_output : float64 [channels, k]
    rate : 0..1; 1 leaves the result alone, 0 imposes the source's volume
    """
    for block in blocks:
        position = (np.arange(start, start + len(block)) + 0.5) / n
        gains = [
            (_floored(source, position) / _floored(output, position)) ** (1 - rate)
            for source, output in zip(rms_source, rms_output, strict=True)
        ]
        yield block * np.stack(gains, axis=1).astype(np.float32)
        start += len(block)


def _floored(rms: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rms at positions 0..1 of its length (``interpolate(align_corners=False)`` of torch)."""
    frames = position * rms.shape[0] - 0.5
    floored: NDArray[np.float64] = np.maximum(
        np.interp(frames, np.arange(rms.shape[0]), rms), SILENCE_RMS
    )
    return floored


def peak_of(blocks: Iterator[Floats]) -> float:
    """Greatest absolute value."""
    return max((float(np.abs(block).max()) for block in blocks if block.size), default=0.0)


def limit_peak(block: Floats, peak: float, limit: float = PEAK_LIMIT) -> Floats:
    """Scale a part of a sound whose peak is over the limit; otherwise return it unchanged."""
    if not peak > limit:
        return block
    limited: Floats = np.clip(block * np.float32(limit / peak), -limit, limit)
    return limited
