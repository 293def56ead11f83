"""Speech and vowels with a pitch that was given to them; needs ``pyworld``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.pitch_set.item import RATE_HZ, Item, item, notes

Doubles = NDArray[np.float64]

STEP_MS = 5.0
WORK_RATE_HZ = 24_000
LONGEST_S = 5.0
SEED = 7


@dataclass(frozen=True, eq=False)
class Speech:
    """A recording taken apart: pitch [T], spectrum [T, bins], share of noise [T, bins]."""

    name: str
    f0_hz: Doubles
    spectrum: Doubles
    noise: Doubles

    def sound(self, f0_hz: Doubles, noise: Doubles | None = None) -> Doubles:
        """Put together again with another pitch, at `WORK_RATE_HZ`."""
        return synthesised(f0_hz, self.spectrum, self.noise if noise is None else noise)


def synthesised(f0_hz: Doubles, spectrum: Doubles, noise: Doubles) -> Doubles:
    import pyworld

    made: Doubles = pyworld.synthesize(f0_hz, spectrum, noise, WORK_RATE_HZ, STEP_MS)
    return made


def taken_apart(path: Path) -> Speech:
    """Frames that WORLD would make of noise are unvoiced."""
    import pyworld

    samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    x = np.ascontiguousarray(soxr.resample(samples.mean(1), rate_hz, WORK_RATE_HZ, "VHQ"))
    x = x[: round(LONGEST_S * WORK_RATE_HZ)]
    f0_hz, time_s = pyworld.harvest(x, WORK_RATE_HZ, f0_floor=60, f0_ceil=600, frame_period=STEP_MS)
    f0_hz = pyworld.stonemask(x, f0_hz, time_s, WORK_RATE_HZ)
    spectrum = pyworld.cheaptrick(x, f0_hz, time_s, WORK_RATE_HZ)
    noise = pyworld.d4c(x, f0_hz, time_s, WORK_RATE_HZ)
    power = spectrum.mean(1)
    f0_hz = np.where(noise[:, 3] > 0.99, 0, f0_hz)
    f0_hz = np.where(power < np.percentile(power, 95) * 10**-4.5, 0, f0_hz)
    return Speech(path.stem, f0_hz, spectrum, np.where((f0_hz == 0)[:, None], 1.0, noise))


def contours(speech: Speech) -> dict[str, Doubles]:
    """Pitches for a recording, by row."""
    f0_hz = speech.f0_hz
    voiced = f0_hz > 0
    middle_hz = np.exp(np.median(np.log(f0_hz[voiced])))
    time_s = np.arange(len(f0_hz)) * STEP_MS / 1000

    def around(octaves: Doubles) -> Doubles:
        return np.where(voiced, middle_hz * 2**octaves, 0.0)

    found = {
        "speech, own": f0_hz,
        "speech, flat": around(0 * time_s),
        "speech, vibrato": f0_hz * 2 ** (50 / 1200 * np.sin(2 * np.pi * 6 * time_s)),
        "glides": around(0.5 * np.sin(2 * np.pi * time_s / 1.5)),
        "octave jumps": around(np.where((time_s / 0.4).astype(int) % 2 == 0, -0.5, 0.5)),
        "+12 semitones": f0_hz * 2,
    }
    if middle_hz > 150:
        found["-12 semitones"] = np.where(voiced, np.maximum(f0_hz / 2, 46), 0)
    return found


def sung(row: str, speech: Speech, pitches_hz: list[float]) -> Item:
    """Vowels of a recording at these pitches."""
    rng = np.random.default_rng(SEED)
    voiced = np.flatnonzero(speech.f0_hz > 0)
    loudness = np.log(speech.spectrum[voiced]).mean(1)
    vowels = voiced[np.argsort(loudness)[-40:]]
    frames, gap = round(600 / STEP_MS), round(120 / STEP_MS)
    time_s = np.arange(frames) * STEP_MS / 1000
    f0_hz, spectrum, noise = [], [], []
    for pitch_hz in pitches_hz:
        vowel = vowels[rng.integers(len(vowels))]
        f0_hz += [pitch_hz * 2 ** (30 / 1200 * np.sin(2 * np.pi * 5.5 * time_s)), np.zeros(gap)]
        bins = speech.spectrum.shape[1]
        spectrum += [np.tile(speech.spectrum[vowel], (frames, 1)), np.full((gap, bins), 1e-12)]
        noise += [np.tile(0.5 * speech.noise[vowel], (frames, 1)), np.ones((gap, bins))]
    pitch = np.concatenate(f0_hz)
    sound = synthesised(pitch, np.concatenate(spectrum), np.concatenate(noise))
    return _item(row, speech.name, sound, pitch)


def fry(speech: Speech) -> Item:
    """A creaking voice."""
    wave = 2 ** (0.15 * np.sin(0.11 * np.arange(len(speech.f0_hz))))
    f0_hz = np.where(speech.f0_hz > 0, np.clip(speech.f0_hz * 0.45 * wave, 42, 70), 0)
    noise = np.clip(speech.noise * 1.5, 0, 1)
    return _item("fry 42-70 Hz", speech.name, speech.sound(f0_hz, noise), f0_hz)


def breathy(speech: Speech) -> Item:
    """A voice that is mostly breath."""
    noise = np.clip(speech.noise * 0.35 + 0.62, 0, 1)
    return _item("breathy", speech.name, speech.sound(speech.f0_hz, noise), speech.f0_hz)


def clean_items(recordings: list[Path]) -> list[Item]:
    """All items of these recordings; the first is of a high voice, the second of a low one."""
    found: list[Item] = []
    speeches = [taken_apart(path) for path in recordings]
    for speech in speeches:
        for row, f0_hz in contours(speech).items():
            found.append(_item(row, speech.name, speech.sound(f0_hz), f0_hz))
    make: Callable[[str, Speech, list[float]], Item] = sung
    for speech in speeches[:2]:
        found += [
            make("sung 50-80 Hz", speech, [50, 55, 58, 60, 62, 65, 70, 75, 80]),
            make("sung and sine 130-1040 Hz", speech, notes(130, 520, 3)),
            make("sung and sine 130-1040 Hz", speech, notes(523, 1040)),
            make("sung 1046-1320 Hz", speech, notes(1046.5, 1320) * 2),
        ]
    return [*found, fry(speeches[1]), breathy(speeches[0])]


def _item(row: str, name: str, sound: Doubles, f0_hz: Doubles) -> Item:
    samples = soxr.resample(sound, WORK_RATE_HZ, RATE_HZ, "VHQ")
    return item(row, name, samples, f0_hz[::2])
