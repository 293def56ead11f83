"""Sounds whose pitch is known exactly, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

RATE_HZ = 16_000
HOP_SAMPLES = 160
PEAK = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Item:
    """One sound.

    Attributes
    ----------
    row : of the table that it counts for
    name : within the row
    samples : float32 [n]  16 kHz
    f0_hz : float32 [n // 160 + 1]  0 where unvoiced
    """

    row: str
    name: str
    samples: Floats
    f0_hz: Floats


def item(row: str, name: str, samples: NDArray[np.floating], f0_hz: NDArray[np.floating]) -> Item:
    """An item with the usual peak; the pitch is cut or filled with unvoiced frames."""
    scaled = samples * (PEAK / max(float(np.abs(samples).max(initial=0.0)), 1e-9))
    frames = np.zeros(len(samples) // HOP_SAMPLES + 1, np.float32)
    known = f0_hz[: len(frames)]
    frames[: len(known)] = known
    return Item(row, name, scaled.astype(np.float32), frames)


def notes(low_hz: float, high_hz: float, step_semitones: int = 1) -> list[float]:
    """Pitches of a scale."""
    count = int(12 * np.log2(high_hz / low_hz) // step_semitones) + 1
    return [low_hz * 2 ** (k * step_semitones / 12) for k in range(count)]


def tones(
    row: str,
    name: str,
    pitches_hz: list[float],
    harmonics: tuple[float, ...] = (1.0, 0.25, 0.08),
    seed: int = 7,
) -> Item:
    """Notes of 0.6 s with a little vibrato and breath, and gaps of 0.12 s between."""
    time_s = np.arange(round(0.6 * RATE_HZ)) / RATE_HZ
    gap = np.zeros(round(0.12 * RATE_HZ))
    fade = np.minimum(1, np.minimum(time_s, 0.6 - time_s) / 0.02)
    sound, pitch = [], []
    for note_hz in pitches_hz:
        f0_hz = note_hz * 2 ** (20 / 1200 * np.sin(2 * np.pi * 5.5 * time_s))
        phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
        heard = [(k, level) for k, level in enumerate(harmonics, 1) if k * note_hz < 7600]
        sound += [fade * sum(level * np.sin(k * phase) for k, level in heard), gap]
        pitch += [f0_hz[::HOP_SAMPLES], gap[::HOP_SAMPLES]]
    whole = np.concatenate(sound)
    breath = np.random.default_rng(seed).standard_normal(len(whole))
    return item(row, name, whole + 0.01 * np.abs(whole).max() * breath, np.concatenate(pitch))


def sines() -> list[Item]:
    """The items that need no speech: whistles, and a soprano as bright as a sawtooth."""
    saw = tuple(1 / k for k in range(1, 8))
    return [
        tones("sung and sine 130-1040 Hz", "sine", notes(698, 1040)),
        tones("whistle 1046-1975 Hz", "sine", notes(1046.5, 1976)),
        tones("sung 1046-1320 Hz", "saw", notes(1046.5, 1320), saw),
    ]


def _level(samples: Floats) -> float:
    heard = samples[np.abs(samples) > 1e-3]
    return float(np.sqrt(np.square(heard, dtype=np.float64).mean()))


def with_noise(clean: Item, snr_db: float, seed: int = 7) -> Item:
    """White noise behind it."""
    noise = np.random.default_rng(seed).standard_normal(len(clean.samples))
    noise *= _level(clean.samples) * 10 ** (-snr_db / 20)
    return _changed(clean, f"noise {snr_db:g} dB", clean.samples + noise)


def with_reverb(clean: Item, decay_s: float, seed: int = 7) -> Item:
    """A room whose sound falls by 60 dB in this time, half as loud as the voice."""
    time_s = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    response = np.random.default_rng(seed).standard_normal(len(time_s))
    response *= 10 ** (-3 * time_s / decay_s)
    response /= np.sqrt(np.square(response).sum())
    delay = np.zeros(round(0.012 * RATE_HZ))
    wet = np.concatenate((delay, fftconvolve(clean.samples, response)))[: len(clean.samples)]
    mixed = clean.samples + 0.5 * wet
    return _changed(clean, f"reverb {decay_s:g} s", mixed * (PEAK / np.abs(mixed).max()))


def with_bleed(clean: Item, level_db: float, seed: int = 7) -> Item:
    """Chords of an accompaniment behind it."""
    rng = np.random.default_rng(seed)
    n = len(clean.samples)
    time_s, chords = np.arange(n) / RATE_HZ, np.zeros(n)
    for quarter, root_hz in enumerate((220.0, 196.0, 174.6, 196.0)):
        part = slice(quarter * n // 4, (quarter + 1) * n // 4)
        for ratio in (1.0, 1.26, 1.498, 2.0):
            for harmonic in range(1, 8):
                phase = 2 * np.pi * root_hz * ratio * harmonic * time_s[part]
                chords[part] += np.sin(phase + rng.uniform(0, 2 * np.pi)) / harmonic**1.3
    chords *= _level(clean.samples) * 10 ** (level_db / 20) / np.sqrt(np.square(chords).mean())
    return _changed(clean, f"bleed {level_db:g} dB", clean.samples + chords)


def quiet(clean: Item, peak_dbfs: float = -40.0) -> Item:
    """Recorded with 16 bits at this peak."""
    scaled = clean.samples / np.abs(clean.samples).max() * 10 ** (peak_dbfs / 20)
    return _changed(clean, f"peak {peak_dbfs:g} dBFS", np.round(scaled * 32768) / 32768)


def clipped(clean: Item) -> Item:
    """Twelve decibels and more over."""
    return _changed(clean, "clipped", np.clip(clean.samples * 6, -PEAK, PEAK))


def degraded(clean: Item) -> list[Item]:
    """Everything that is done to a clean item."""
    return [
        *(with_noise(clean, snr_db) for snr_db in (20, 10, 0)),
        *(with_reverb(clean, decay_s) for decay_s in (0.3, 1.0)),
        *(with_bleed(clean, level_db) for level_db in (-20, -10)),
        quiet(clean),
        clipped(clean),
    ]


def _changed(clean: Item, row: str, samples: NDArray[np.floating]) -> Item:
    return replace(
        clean, row=row, name=f"{clean.row}: {clean.name}", samples=samples.astype(np.float32)
    )
