"""What the content encoder hears of each sentence: the target itself, and pseudo-speakers.

Of every utterance there are three views with the same timing, so that the voice learns to forget
who speaks: itself, a WORLD pseudo-speaker, and the sound played slower or faster (its features
brought back to the target's timing); both then with another tilt, band limit, noise and level.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyworld
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from engine.audio.resampling import resample
from engine.models.whisper import WhisperEncoder
from recipe.natural.mel import RATE_HZ
from recipe.natural.speech import FRAME_SAMPLES, load_speech

HEARD_HZ = 16_000
VIEWS = ("itself", "warped", "played")
FORMANTS, OCTAVES = (0.78, 1.18), (-1.3, 0.5)
SPEEDS = (0.75, 1.45)
SNR_DB = (18.0, 45.0)

Sound = NDArray[np.float32]


def make_views(folder: Path, encoder: WhisperEncoder, seed: int = 2) -> None:
    """Write ``views.safetensors``: float16 [frames, C] for each of `VIEWS`, 50 frames a second."""
    file = folder / "views.safetensors"
    if file.exists():
        return
    chance = np.random.default_rng(seed)
    found: dict[str, list[Tensor]] = {view: [] for view in VIEWS}
    for samples in load_speech(folder).utterances():
        frames = len(samples) // FRAME_SAMPLES
        sound = samples.astype(np.float32) / 32_768
        for view, features in zip(VIEWS, _views(sound, frames, encoder, chance), strict=True):
            found[view].append(features.half())
    partial = folder / "views.partial"
    save_file({view: torch.cat(parts) for view, parts in found.items()}, partial)
    partial.replace(file)


def _views(
    sound: Sound, frames: int, encoder: WhisperEncoder, chance: np.random.Generator
) -> Iterator[Tensor]:
    heard = resample(sound, RATE_HZ, HEARD_HZ)
    yield _features(encoder, heard * np.float32(chance.uniform(0.3, 1.2)), frames)
    yield _features(encoder, _coloured(_warped(heard, chance), chance), frames)
    slower = chance.uniform(*SPEEDS)
    played = resample(sound, RATE_HZ, round(HEARD_HZ * slower))
    stretched = _features(encoder, _coloured(played, chance), round(frames * slower))
    yield F.interpolate(stretched.T[None], frames, mode="linear")[0].T


def _features(encoder: WhisperEncoder, sound: Sound, frames: int) -> Tensor:
    found = encoder(torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None])[0, :frames]
    return F.pad(found, (0, 0, 0, frames - len(found)))


def _warped(sound: Sound, chance: np.random.Generator) -> Sound:
    """Another speaker: formants, pitch, melody and breath moved."""
    wide = sound.astype(np.float64)
    f0, times = pyworld.dio(wide, HEARD_HZ, f0_floor=70, f0_ceil=600)
    f0 = pyworld.stonemask(wide, f0, times, HEARD_HZ)
    envelope = np.log(pyworld.cheaptrick(wide, f0, times, HEARD_HZ))
    breath = pyworld.d4c(wide, f0, times, HEARD_HZ)
    factor = chance.uniform(*FORMANTS)
    envelope, breath = np.exp(_moved(envelope, factor)), _moved(breath, factor)
    voiced = f0 > 0
    middle = np.exp(np.log(f0[voiced]).mean()) if voiced.any() else 1.0
    melody = (np.where(voiced, f0, middle) / middle) ** chance.uniform(0.5, 1.5)
    pitch = np.where(voiced, middle * 2.0 ** chance.uniform(*OCTAVES) * melody, 0.0)
    breath = np.clip(breath ** chance.uniform(0.6, 1.3), 0.0, 1.0)
    made = pyworld.synthesize(
        pitch, np.ascontiguousarray(envelope), np.ascontiguousarray(breath), HEARD_HZ
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


def _coloured(sound: Sound, chance: np.random.Generator) -> Sound:
    """Another microphone and room: tilt and broad peaks, sometimes a band limit, noise, level."""
    n = len(sound)
    hz = np.fft.rfftfreq(n, 1 / HEARD_HZ)
    octaves = np.log2(np.maximum(hz, 50.0))
    gain_db = chance.uniform(-5, 5) * np.log2(np.maximum(hz, 100) / 1000) / 3
    for centre in (8.5, 10.0, 11.5, 12.5):
        gain_db += chance.uniform(-4, 4) * np.exp(-0.5 * ((octaves - centre) / 0.5) ** 2)
    spectrum = np.fft.rfft(sound) * 10 ** (gain_db / 20)
    if chance.random() < 0.3:
        spectrum /= np.sqrt(1 + (hz / chance.uniform(3400, 7500)) ** 16)
    made = np.fft.irfft(spectrum, n)
    made *= chance.uniform(0.1, 0.95) / max(float(np.abs(made).max()), 1e-6)
    if chance.random() < 0.5:
        level = float(made.std()) * 10 ** (-chance.uniform(*SNR_DB) / 20)
        made = made + chance.standard_normal(n) * level
    return made.astype(np.float32)
