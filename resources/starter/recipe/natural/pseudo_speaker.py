"""Other speakers with the same timing, by WORLD (Morise et al. 2016)."""

from __future__ import annotations

import numpy as np
import pyworld
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

FORMANTS, OCTAVES = (0.78, 1.18), (-1.3, 0.5)
POLES, KEY_FRAMES = (10, 17), (4, 11)
"""Of `machine`: how many poles a spectrum has, and 5 ms frames between two of them."""

_RIDGE = 1e-6

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


def machine(sound: Sound, rate_hz: int, chance: np.random.Generator) -> Sound:
    """As formant synthesis would say it: few poles, straight ways between them, pulses or noise."""
    wide = sound.astype(np.float64)
    f0, times = pyworld.dio(wide, rate_hz, f0_floor=70, f0_ceil=600)
    f0 = pyworld.stonemask(wide, f0, times, rate_hz)
    envelope = pyworld.cheaptrick(wide, f0, times, rate_hz)
    at = np.unique(np.append(np.arange(0, len(f0), chance.integers(*KEY_FRAMES)), len(f0) - 1))
    keys = np.log(_with_poles(envelope[at], int(chance.integers(*POLES))))
    keys = _moved(keys, chance.uniform(*FORMANTS))
    straight = np.stack([np.interp(np.arange(len(f0)), at, band) for band in keys.T], axis=1)
    voiced = f0 > 0
    middle = np.exp(np.log(f0[voiced]).mean()) if voiced.any() else 1.0
    falling = np.linspace(chance.uniform(0.0, 0.2), chance.uniform(-0.3, 0.0), len(f0))
    pitch = np.where(voiced, middle * 2.0 ** (chance.uniform(*OCTAVES) + falling), 0.0)
    breath = np.full(envelope.shape, chance.uniform(0.001, 0.05))
    made = pyworld.synthesize(pitch, np.exp(straight), breath, rate_hz)
    return np.asarray(made[: len(sound)], np.float32)


def _with_poles(power: NDArray[np.float64], poles: int) -> NDArray[np.float64]:
    """Power spectra [K, F] of linear prediction."""
    correlation = np.fft.irfft(power, axis=1)[:, : poles + 1]
    correlation[:, 0] *= 1 + _RIDGE
    found = np.empty_like(power)
    for row, r in enumerate(correlation):
        ways = solve_toeplitz(r[:-1], -r[1:])
        answer = np.fft.rfft(np.append(1.0, ways), 2 * (power.shape[1] - 1))
        found[row] = (r[0] + ways @ r[1:]) / np.maximum(np.abs(answer) ** 2, 1e-12)
    return np.maximum(found, 1e-16)


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
