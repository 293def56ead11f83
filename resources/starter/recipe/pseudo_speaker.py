"""The same sentence at the same time in another voice: WORLD (Morise et al. 2016), warped.

Formants move, pitch, tilt and breathiness change; the timing stays, so that frame by frame two
voices are known to say the same.
"""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray

from recipe.speech_set import RATE_HZ, to_int16

PERIOD_MS = 5.0
F0_RANGE_HZ = (60.0, 500.0)
FORMANTS = (0.78, 1.22)
PITCHES = (0.5, 1.7)
TILT = 1.2
"""Natural logarithm of power, from the lowest to the highest frequency."""

RIPPLE = 0.8
BREATH_EXPONENTS = (0.7, 1.4)

Floats = NDArray[np.float64]


def copies(
    samples: NDArray[np.int16], count: int, chance: np.random.Generator
) -> NDArray[np.int16]:
    """``count`` pseudo-speakers, int16 [count, N]."""
    sound = samples.astype(np.float64) / 32_768
    low, high = F0_RANGE_HZ
    f0, times = pyworld.dio(sound, RATE_HZ, f0_floor=low, f0_ceil=high, frame_period=PERIOD_MS)
    f0 = pyworld.stonemask(sound, f0, times, RATE_HZ)
    envelope = pyworld.cheaptrick(sound, f0, times, RATE_HZ)
    breath = pyworld.d4c(sound, f0, times, RATE_HZ)
    made = [_spoken(f0, envelope, breath, len(sound), chance) for _ in range(count)]
    return np.stack(made)


def _spoken(
    f0: Floats, envelope: Floats, breath: Floats, n_samples: int, chance: np.random.Generator
) -> NDArray[np.int16]:
    log_envelope = _warped(np.log(envelope), _between(FORMANTS, chance))
    place = np.linspace(0.0, 1.0, envelope.shape[1])
    log_envelope = log_envelope + chance.uniform(-TILT, TILT) * (place - 0.5)
    waves, phase = chance.uniform(1, 5), chance.uniform(0, 6)
    log_envelope += chance.uniform(-RIPPLE, RIPPLE) * np.cos(np.pi * waves * place + phase)
    noisier = np.clip(breath ** chance.uniform(*BREATH_EXPONENTS), 1e-6, 1.0)
    sound = pyworld.synthesize(
        f0 * _between(PITCHES, chance),
        np.ascontiguousarray(np.exp(log_envelope)),
        np.ascontiguousarray(noisier),
        RATE_HZ,
        PERIOD_MS,
    )[:n_samples]
    return to_int16(np.pad(sound, (0, n_samples - len(sound))))


def _warped(log_envelope: Floats, factor: float) -> Floats:
    """Formants moved by a factor: the envelope at f / factor is put at f."""
    bins = log_envelope.shape[1]
    at = np.minimum(np.arange(bins) / factor, bins - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, bins - 1)
    part = at - low
    warped: Floats = log_envelope[:, low] * (1 - part) + log_envelope[:, high] * part
    return warped


def _between(limits: tuple[float, float], chance: np.random.Generator) -> float:
    """Evenly on a logarithmic scale."""
    return float(np.exp(chance.uniform(*np.log(limits))))
