"""Tracks of made sound."""

from __future__ import annotations

import numpy as np

from engine.audio.spool import Spool
from engine.cover.loudness import GRID_HZ, Floats, Track


def track_of(samples: np.ndarray) -> Spool:
    """A track of float [n] or [n, channels]."""
    columns = samples[:, None] if samples.ndim == 1 else samples
    track = Spool(columns.shape[1])
    track.append(columns.astype(np.float32))
    return track


def samples_of(track: Track) -> Floats:
    """All of a track, float32 [n, channels]."""
    return track.read(0, len(track))


def sine(hz: float, seconds: float, peak: float, rate_hz: int = GRID_HZ) -> np.ndarray:
    """A sine, float64 [n]."""
    return peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def sung(levels: list[float], seconds: float = 1.5, silence_s: float = 0.6) -> np.ndarray:
    """A phrase of harmonics for each level, with silence between: float64 [n]."""
    time_s = np.arange(round(seconds * GRID_HZ)) / GRID_HZ
    rise = np.minimum(1, np.minimum(time_s, seconds - time_s) / 0.05)
    parts = []
    for number, level in enumerate(levels):
        f0_hz = 180 + 40 * number
        phrase = sum(np.sin(2 * np.pi * f0_hz * k * time_s) / k for k in range(1, 20))
        phrase = phrase * rise * (1 + 0.2 * np.sin(2 * np.pi * 3 * time_s))
        parts += [level * phrase / np.abs(phrase).max(), np.zeros(round(silence_s * GRID_HZ))]
    return np.concatenate(parts)
