"""The target at other pitches: WORLD (Morise et al. 2016) moves f0 and keeps the formants.

Trained on the target's own pitch alone, the predicted mel ignores any other; so half of what is
trained on is sung or spoken -14 to +14 semitones away, some of it on held or vibrating notes.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyworld
from numpy.typing import NDArray

from recipe.natural.mel import HOP_SAMPLES, RATE_HZ
from recipe.natural.speech import Sound, load_speech

F0_RANGE_HZ = (60.0, 700.0)
PERIOD_MS = 5.0
FARTHEST_SEMITONES = 14.0
VIBRATO_SEMITONES, VIBRATO_HZ = 0.7, (4.0, 7.0)
HELD = 0.3
"""Share of the utterances whose melody is flattened almost to one note."""

CHUNK = 8
"""Utterances that a process takes at once."""

Floats = NDArray[np.float64]
Version = tuple[NDArray[np.int16], NDArray[np.float32]]


def make_targets(folder: Path, workers: int = 1) -> None:
    """Write ``targets.npz``: every utterance as spoken, every second one also sung; with f0."""
    file = folder / "targets.npz"
    if file.exists():
        return
    sounds, pitches, origins = [], [], []
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        made = pool.map(_versions, enumerate(load_speech(folder).utterances()), chunksize=CHUNK)
        for number, versions in enumerate(made):
            for samples, f0_hz in versions:
                sounds.append(samples)
                pitches.append(f0_hz)
                origins.append(number)
    partial = folder / "targets.partial.npz"
    np.savez(
        partial,
        samples=np.concatenate(sounds),
        f0_hz=np.concatenate(pitches),
        ends=np.cumsum([len(each) for each in sounds]),
        origins=np.array(origins),
    )
    partial.replace(file)


def _versions(numbered: tuple[int, NDArray[np.int16]]) -> list[Version]:
    number, spoken = numbered
    sound = spoken.astype(np.float32) / 32_768
    versions = [(spoken, pitch_of(sound))]
    if number % 2 == 0:
        versions.append(sung(sound, np.random.default_rng((1, number))))
    return versions


def sung(
    sound: NDArray[np.float32], chance: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """One utterance at another pitch: int16 samples and f0 of each 10 ms, as long as before."""
    wide = sound.astype(np.float64)
    f0, times = pyworld.dio(wide, RATE_HZ, f0_floor=70, f0_ceil=600, frame_period=PERIOD_MS)
    f0 = pyworld.stonemask(wide, f0, times, RATE_HZ)
    envelope = pyworld.cheaptrick(wide, f0, times, RATE_HZ)
    breath = pyworld.d4c(wide, f0, times, RATE_HZ)
    moved = _moved(f0, times, chance)
    made = pyworld.synthesize(moved, envelope, breath, RATE_HZ, PERIOD_MS)[: len(sound)]
    made = np.pad(made, (0, len(sound) - len(made)))
    frames = len(sound) * 100 // RATE_HZ
    f0_hz = moved[::2][:frames]
    f0_hz = np.pad(f0_hz, (0, frames - len(f0_hz))).astype(np.float32)
    return np.round(np.clip(made, -1, 1) * 32_767).astype(np.int16), f0_hz


def _moved(f0: Floats, times: Floats, chance: np.random.Generator) -> Floats:
    voiced = f0 > 0
    if not voiced.any():
        return f0
    melody = 12 * np.log2(np.where(voiced, f0, 1.0))
    middle = melody[voiced].mean()
    span = 0.1 if chance.random() < HELD else chance.uniform(0.6, 1.4)
    vibrato = chance.choice([0.0, 0.0, VIBRATO_SEMITONES])
    wave = vibrato * np.sin(2 * np.pi * chance.uniform(*VIBRATO_HZ) * times)
    away = chance.uniform(-FARTHEST_SEMITONES, FARTHEST_SEMITONES)
    notes = middle + (melody - middle) * span + wave + away
    return np.where(voiced, np.clip(2.0 ** (notes / 12), 50.0, 1000.0), 0.0)


def pitch_of(sound: Sound) -> Sound:
    """Pitch in Hz of 24 kHz sound, float32 [N // 240], 0 where unvoiced."""
    wide = sound.astype(np.float64)
    low, high = F0_RANGE_HZ
    f0, times = pyworld.dio(wide, RATE_HZ, f0_floor=low, f0_ceil=high, frame_period=10.0)
    found = pyworld.stonemask(wide, f0, times, RATE_HZ)[: len(sound) // HOP_SAMPLES]
    return np.asarray(found, np.float32)
