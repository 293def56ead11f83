"""Other speakers with the same timing, by WORLD (Morise et al. 2016)."""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray

FORMANTS, OCTAVES = (0.78, 1.18), (-1.3, 0.5)

Sound = NDArray[np.float32]


def warped(sound: Sound, rate_hz: int, chance: np.random.Generator) -> Sound:
    """Formants, pitch, melody and breath moved; float32 [N], as long as the sound."""
    wide = sound.astype(np.float64)
    f0, times = pyworld.dio(wide, rate_hz, f0_floor=70, f0_ceil=600)
    f0 = pyworld.stonemask(wide, f0, times, rate_hz)
    envelope = np.log(pyworld.cheaptrick(wide, f0, times, rate_hz))
    breath = pyworld.d4c(wide, f0, times, rate_hz)
    factor = chance.uniform(*FORMANTS)
    envelope, breath = np.exp(_moved(envelope, factor)), _moved(breath, factor)
    voiced = f0 > 0
    middle = np.exp(np.log(f0[voiced]).mean()) if voiced.any() else 1.0
    melody = (np.where(voiced, f0, middle) / middle) ** chance.uniform(0.5, 1.5)
    pitch = np.where(voiced, middle * 2.0 ** chance.uniform(*OCTAVES) * melody, 0.0)
    breath = np.clip(breath ** chance.uniform(0.6, 1.3), 0.0, 1.0)
    made = pyworld.synthesize(
        pitch, np.ascontiguousarray(envelope), np.ascontiguousarray(breath), rate_hz
    )
    return np.asarray(made[: len(sound)], np.float32)


def _moved(envelope: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Formants moved by a factor: the envelope at f / factor is put at f."""
    last = envelope.shape[1] - 1
    at = np.minimum(np.arange(last + 1) / factor, last)
    low = at.astype(int)
    part = at - low
    mixed: NDArray[np.float64] = (
        envelope[:, low] * (1 - part) + envelope[:, np.minimum(low + 1, last)] * part
    )
    return mixed
