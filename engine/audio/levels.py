"""Channels into one, and loudness: follow the source, keep the peak in range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.segments import ANALYSIS_RATE_HZ

_CANCELLED = 0.01
"""Energy of the mean against that of the louder channel: -20 dB. Two channels that have nothing in
common leave -6 dB or more; with one of them turned round nothing is left."""


def cancelled(mixed_energy: float, louder_energy: float) -> bool:
    """Whether the mean of channels is next to silent though they are not."""
    return mixed_energy < _CANCELLED * louder_energy


def middle_channel(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is heard in the middle: the mean, or the louder channel where the mean is cancelled.

    Parameters
    ----------
    channels : float32 [C, n]

    Returns
    -------
    float32 [n], a part of ``channels`` where it is one of them
    """
    if len(channels) == 1:
        only: NDArray[np.float32] = channels[0]
        return only
    mean: NDArray[np.float32] = channels.mean(0)
    energies = np.einsum("cn,cn->c", channels, channels)
    loudest: NDArray[np.float32] = channels[energies.argmax()]
    return loudest if cancelled(float(mean @ mean), float(energies.max())) else mean


PEAK_LIMIT = 0.99

SILENCE_RMS = 1e-3
"""-60 dB. Below it nothing is told apart, so that silence gets gain 1: the RVC projects floor the
output's rms at 1e-6 only, which tears holes and lifts hiss where source or result is silent."""

_BLOCK_SAMPLES = 1 << 20


def half_second_rms(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """Root mean square over windows of a second, a step of half a second apart, centred.

    The framing of ``librosa.feature.rms(frame_length=rate // 2 * 2, hop_length=rate // 2)``:
    frame k spans the half-seconds k-1 and k, with zeros beyond the ends.

    Parameters
    ----------
    samples : float32 [n]
    rate_hz : their rate

    Returns
    -------
    float64 [1 + n // (rate // 2)]
    """
    hop = rate_hz // 2
    n_frames = 1 + samples.shape[0] // hop
    energy = np.zeros(n_frames + 1)
    for k in range(n_frames):
        piece = samples[k * hop : (k + 1) * hop].astype(np.float64)
        energy[k + 1] = piece @ piece
    return np.sqrt((energy[:-1] + energy[1:]) / (2 * hop))


def apply_volume_envelope(
    source16k: NDArray[np.float32], output: NDArray[np.float32], output_rate_hz: int, rate: float
) -> NDArray[np.float32]:
    """Give the result some of the source's rise and fall in volume.

    ``out * (rms_source / rms_out) ** (1 - rate)``, both rms at their own rate over half-second
    steps, stretched linearly over the output and floored at -60 dB.
    Source: formats.md section 7 step 10; the floor is ours.

    Parameters
    ----------
    source16k : float32 [n16]  what was converted, at 16 kHz
    output : float32 [n]  the result
    output_rate_hz : its rate
    rate : 0..1; 1 leaves the result alone, 0 imposes the source's volume

    Returns
    -------
    float32 [n], a new array
    """
    scaled = output.copy()
    if rate >= 1 or output.shape[0] == 0:
        return scaled
    rms_source = half_second_rms(source16k, ANALYSIS_RATE_HZ)
    rms_output = half_second_rms(output, output_rate_hz)
    n = output.shape[0]
    for start in range(0, n, _BLOCK_SAMPLES):
        block = scaled[start : start + _BLOCK_SAMPLES]
        centre = np.arange(start, start + block.shape[0]) + 0.5
        ratio = _floored(rms_source, centre / n) / _floored(rms_output, centre / n)
        block *= (ratio ** (1 - rate)).astype(np.float32)
    return scaled


def _floored(rms: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rms at positions 0..1 of its length (``interpolate(align_corners=False)`` of torch)."""
    frames = position * rms.shape[0] - 0.5
    floored: NDArray[np.float64] = np.maximum(
        np.interp(frames, np.arange(rms.shape[0]), rms), SILENCE_RMS
    )
    return floored


def limit_peak(samples: NDArray[np.float32], limit: float = PEAK_LIMIT) -> NDArray[np.float32]:
    """Scale the whole sound down where its peak is over the limit; otherwise return it as it is.

    Parameters
    ----------
    samples : float32 [n] or [n, channels]
    limit : greatest allowed absolute value
    """
    if samples.size == 0:
        return samples
    peak = float(max(samples.max(), -samples.min()))
    if not peak > limit:
        return samples
    limited: NDArray[np.float32] = np.clip(samples * np.float32(limit / peak), -limit, limit)
    return limited
