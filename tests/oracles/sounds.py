"""Sounds that the golden files of the pitch networks were made from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import soundfile

from tests.weights_maker import GOLDEN

RATE_HZ = 16_000


@cache
def speech() -> np.ndarray:
    """Four seconds of speech, float32 [n] at 16 kHz."""
    samples, rate_hz = soundfile.read(GOLDEN.parent / "speech_slt.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


def siren() -> np.ndarray:
    """Two seconds from 40 to 2,200 Hz with harmonics, softer and softer, in noise."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    f0_hz = 40 * 55 ** (time_s / 2)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    wave = sum(np.sin(k * phase) / k * (k * f0_hz < 7600) for k in range(1, 9))
    noise = np.random.default_rng(1).standard_normal(len(time_s))
    return ((wave * 10 ** (-time_s) * 0.3) + 1e-4 * noise).astype(np.float32)


SWIFT_SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    "speech": speech,
    "siren": siren,
    "silence": lambda: np.zeros(8000, np.float32),
    **{f"first_{n}": lambda n=n: speech()[9000 : 9000 + n] for n in (1, 255, 256, 257)},  # type: ignore[misc]
    # Longer than a window of 30 s.
    "long": lambda: np.tile(speech(), 8)[: 31 * RATE_HZ],
}

FCPE_SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    "speech": speech,
    "siren": siren,
    "silence": lambda: np.zeros(4800, np.float32),
    "short": lambda: speech()[9000:9400],
}
