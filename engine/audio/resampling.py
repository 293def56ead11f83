"""Change the sample rate, and bring a source to what the analysis hears."""

from __future__ import annotations

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from engine.audio.source import SourceAudio, refused

ANALYSIS_RATE_HZ = 16_000
"""What the content encoder and the pitch networks were trained on."""

_ANALYSIS_PEAK = 0.95

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


def to_analysis(source: SourceAudio) -> NDArray[np.float32]:
    """Mean of the channels at 16 kHz, made quieter where its peak is over 0.95.

    Source: formats.md section 7 step 1, as all RVC projects do it.

    Returns
    -------
    float32 [n16]  n16 = `resampled_length` of the source, at least 1

    Raises
    ------
    AudioFileError : if the sound is shorter than half a sample of 16 kHz
    """
    mono = source.samples[:, 0]
    if source.channels > 1:
        mono = source.samples.mean(axis=1)
    heard = resample(mono, source.rate_hz, ANALYSIS_RATE_HZ)
    if heard.size == 0:
        raise refused(source.path, "it holds less than 0.1 ms of sound", "choose another file")
    peak = float(max(heard.max(), -heard.min()))
    if peak > _ANALYSIS_PEAK:
        heard *= np.float32(_ANALYSIS_PEAK / peak)
    return heard
