"""From float samples to the whole numbers of a 16- or 24-bit file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DITHER_SEED = 0
"""Fixed: the same sound makes the same file."""


def to_16_bit(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int16]:
    """Round to 16 bits with triangular dither of one step either way.

    Dither turns the distortion of fading notes into even noise at -96 dB. Samples of exactly 0
    stay 0, so that digital silence stays silent. Out of range clips, never wraps.

    Parameters
    ----------
    samples : float32 [n, channels]  full scale is 1
    rng : where the dither comes from
    """
    dither = rng.random(samples.shape) - rng.random(samples.shape)
    steps = np.rint(samples * 32768.0 + np.where(samples == 0, 0.0, dither))
    clipped: NDArray[np.int16] = np.clip(steps, -32768, 32767).astype(np.int16)
    return clipped


def to_24_bit(samples: NDArray[np.float32]) -> NDArray[np.int32]:
    """Round to 24 bits, left-justified in 32 as libsndfile wants it; clips, never wraps.

    No dither: its noise would lie at -144 dB, below that of the float32 sound itself.
    """
    steps = np.rint(samples.astype(np.float64) * 8388608.0)
    return np.clip(steps, -8388608, 8388607).astype(np.int32) << 8
