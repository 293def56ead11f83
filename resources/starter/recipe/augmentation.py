"""What a microphone, a room and a mouth do to speech without changing its words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EQUALISER_DB = 4.0
ECHO_SAMPLES = (400, 2400)
NOISE_DB = (10.0, 40.0)
PINK_CORNER = 20
CLIP_AT_DEVIATIONS = 1.5
PEAKS = (0.1, 0.9)
_ROOM = 2048


def recorded(sound: Floats, chance: np.random.Generator) -> NDArray[np.float32]:
    """The same speech through another channel, sample for sample in time."""
    n = len(sound)
    spectrum = np.fft.rfft(sound, n + _ROOM)
    points = chance.integers(4, 13)
    place = np.linspace(0, 1, len(spectrum))
    gain_db = np.interp(place, np.linspace(0, 1, points), chance.normal(0, EQUALISER_DB, points))
    spectrum *= 10 ** (gain_db / 20)
    if chance.random() < 0.3:
        spectrum *= np.fft.rfft(_echo(chance), n + _ROOM)
    heard = np.fft.irfft(spectrum, n + _ROOM)[:n]
    deviation = heard.std() + 1e-6
    if chance.random() < 0.6:
        level = 10 ** (-chance.uniform(*NOISE_DB) / 20)
        heard = heard + _noise(n, chance) * (deviation * level)
    if chance.random() < 0.1:
        heard = heard.clip(-CLIP_AT_DEVIATIONS * deviation, CLIP_AT_DEVIATIONS * deviation)
    loud = chance.uniform(*PEAKS) / (np.abs(heard).max() + 1e-6)
    louder: NDArray[np.float32] = (heard * loud).astype(np.float32)
    return louder


def _echo(chance: np.random.Generator) -> Floats:
    length = chance.integers(*ECHO_SAMPLES)
    tail = np.exp(-5 * np.arange(length) / length) * chance.uniform(0.02, 0.15)
    echo = chance.normal(size=length) * tail
    echo[0] = 1.0
    return echo


def _noise(n: int, chance: np.random.Generator) -> Floats:
    white = chance.normal(size=n)
    if chance.random() < 0.5:
        return white
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + PINK_CORNER), n)
    level: Floats = pink / pink.std()
    return level
