"""What the content encoder hears of each sentence: the target itself, and other speakers.

Of every utterance there are five views with the same timing, so that the voice learns to forget
who speaks: itself, a WORLD pseudo-speaker, the sound played slower or faster, and two readings by
formant synthesis (their features brought to the target's timing); all but the first then with
another tilt, band limit, noise and level.
"""

from __future__ import annotations

import json
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
from recipe.natural.formant import FormantReader
from recipe.natural.mel import RATE_HZ
from recipe.natural.speech import FRAME_SAMPLES, load_speech
from recipe.natural.timing import moved, same_moments

HEARD_HZ = 16_000
HEARD_SAMPLES = FRAME_SAMPLES * HEARD_HZ // RATE_HZ
"""Of one frame of the encoder."""

VIEWS = ("itself", "warped", "played", "formant", "formant again")
FORMANT_READINGS = 2
SPEEDS = (0.75, 1.45)
SNR_DB = (18.0, 45.0)

Sound = NDArray[np.float32]


def make_views(folder: Path, encoder: WhisperEncoder, whole: WhisperEncoder, seed: int = 2) -> None:
    """Write ``views.safetensors``: float16 [frames, C] for each of `VIEWS`, 50 frames a second.

    Parameters
    ----------
    encoder : the first blocks of a Whisper, which hear the views
    whole : all its blocks, for the timing of the formant readings
    """
    file = folder / "views.safetensors"
    if file.exists():
        return
    chance = np.random.default_rng(seed)
    found: dict[str, list[Tensor]] = {view: [] for view in VIEWS}
    formant = FormantViews(encoder, whole, chance)
    texts = json.loads((folder / "speech.json").read_text(encoding="utf-8"))
    for samples, text in zip(load_speech(folder).utterances(), texts, strict=True):
        frames = len(samples) // FRAME_SAMPLES
        sound = samples.astype(np.float32) / 32_768
        views = (*_views(sound, frames, encoder, chance), *formant.of(text, sound))
        for view, features in zip(VIEWS, views, strict=True):
            found[view].append(features.half())
    partial = folder / "views.partial"
    save_file({view: torch.cat(parts) for view, parts in found.items()}, partial)
    partial.replace(file)


class FormantViews:
    """Readings by formant synthesis, in the target's timing.

    Parameters
    ----------
    encoder : whose features are wanted
    whole : all blocks of the same Whisper, which tell better what is said where
    """

    def __init__(
        self, encoder: WhisperEncoder, whole: WhisperEncoder, chance: np.random.Generator
    ) -> None:
        self._encoder, self._whole, self._chance = encoder, whole, chance
        self._reader = FormantReader()

    def of(self, text: str, sound: Sound) -> Iterator[Tensor]:
        """`FORMANT_READINGS` times float32 [T, C] for a target's sound at 24 kHz."""
        frames = len(sound) // FRAME_SAMPLES
        there = _features(self._whole, resample(sound, RATE_HZ, HEARD_HZ), frames)
        for _ in range(FORMANT_READINGS):
            read = _coloured(self._reader.read(text, HEARD_HZ, self._chance), self._chance)
            own, deep = (
                _features(each, read, len(read) // HEARD_SAMPLES)
                for each in (self._encoder, self._whole)
            )
            yield moved(own, same_moments(deep, there))


def _views(
    sound: Sound, frames: int, encoder: WhisperEncoder, chance: np.random.Generator
) -> Iterator[Tensor]:
    from recipe.natural.pseudo_speaker import warped

    heard = resample(sound, RATE_HZ, HEARD_HZ)
    yield _features(encoder, heard * np.float32(chance.uniform(0.3, 1.2)), frames)
    yield _features(encoder, _coloured(warped(heard, HEARD_HZ, chance), chance), frames)
    slower = chance.uniform(*SPEEDS)
    played = resample(sound, RATE_HZ, round(HEARD_HZ * slower))
    stretched = _features(encoder, _coloured(played, chance), round(frames * slower))
    yield F.interpolate(stretched.T[None], frames, mode="linear")[0].T


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
