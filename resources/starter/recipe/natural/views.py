"""What the content encoder hears of each sentence: the target itself, and other speakers.

Of every utterance there are four views with the same timing, so that the voice learns to forget
who speaks: itself, a WORLD pseudo-speaker, the sound played slower or faster (its features brought
back to the target's timing), and as a machine would say it; all but the first then with another
tilt, band limit, noise and level.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
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
VIEWS = ("itself", "warped", "played", "machine")
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
    from recipe.natural.pseudo_speaker import machine, warped

    heard = resample(sound, RATE_HZ, HEARD_HZ)
    yield _features(encoder, heard * np.float32(chance.uniform(0.3, 1.2)), frames)
    yield _features(encoder, _coloured(warped(heard, HEARD_HZ, chance), chance), frames)
    slower = chance.uniform(*SPEEDS)
    played = resample(sound, RATE_HZ, round(HEARD_HZ * slower))
    stretched = _features(encoder, _coloured(played, chance), round(frames * slower))
    yield F.interpolate(stretched.T[None], frames, mode="linear")[0].T
    yield _features(encoder, _coloured(machine(heard, HEARD_HZ, chance), chance), frames)


def _features(encoder: WhisperEncoder, sound: Sound, frames: int) -> Tensor:
    found = encoder(torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None])[0, :frames]
    return F.pad(found, (0, 0, 0, frames - len(found)))


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
