"""Speech, and measures of sound, that tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.audio.reader import read_audio
from engine.audio.resampling import resample
from engine.paths import starter_dir


def starter_speech(rate_hz: int = 16_000) -> NDArray[np.float32]:
    """More than four seconds of it, [n]: the sample that ships, at any rate."""
    sample = read_audio(starter_dir() / "sample.wav", mono=True)
    return resample(sample.samples[:, 0], sample.rate_hz, rate_hz)


def agreement_db(found: ArrayLike, reference: ArrayLike) -> float:
    """Energy of the reference over that of the difference."""
    wanted = np.asarray(reference, np.float64)
    error = np.asarray(found, np.float64) - wanted
    return float(10 * np.log10((wanted**2).sum() / max((error**2).sum(), 1e-30)))


def signal_to_error_db(reference: ArrayLike, found: ArrayLike) -> float:
    """The same of both without their mean."""
    wanted, other = np.asarray(reference, np.float64), np.asarray(found, np.float64)
    return agreement_db(other - other.mean(), wanted - wanted.mean())
