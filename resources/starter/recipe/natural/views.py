"""What the content encoder hears of each sentence: the target itself, and other speakers.

Of every utterance there are five views in the target's timing, so that the voice learns to forget
who speaks: itself, a WORLD pseudo-speaker, the sound played slower or faster, and two readings by
voices of espeak-ng; all but the first with another tilt, band limit, noise and level.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from engine.audio.resampling import resample
from engine.models.whisper import WhisperEncoder
from recipe import espeak
from recipe.natural.mel import RATE_HZ
from recipe.natural.speech import FRAME_SAMPLES, load_speech
from recipe.natural.timing import places_of, said_in
from recipe.whisper_file import encoder_tensors, load_encoder, read_model, write_encoder

HEARD_HZ = 16_000
VIEWS = ("itself", "warped", "played", "read", "read again")
READ = tuple(view.startswith("read") for view in VIEWS)
"""Which of them follow the target's timing only as well as two readings can be compared."""

TIMING_BLOCKS = 4
"""Of the Whisper by which two readings are brought to one timing: all of tiny.en's."""

ENCODER_HOP_SAMPLES = HEARD_HZ // 50
SPEEDS = (0.75, 1.45)
SHORTEST_S = 0.5
"""Of a reading: a few of espeak-ng's voices say nothing."""

SNR_DB = (18.0, 45.0)
CHUNK = 8
"""Utterances that a process takes at once."""

VARIANTS = [name for name in espeak.VARIANTS if name not in ("f4", "whisper")]
"""Without f4, which this report speaks, and without a voice that has no pitch."""

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Asked:
    """One utterance of which views are wanted: int16 samples at 24 kHz, what is said, a seed."""

    folder: Path
    samples: NDArray[np.int16]
    text: str
    seed: tuple[int, int]


def make_views(folder: Path, model: Path, workers: int = 1, seed: int = 2) -> None:
    """Write ``views.safetensors``: float16 [frames, C] for each of `VIEWS`, 50 frames a second.

    Parameters
    ----------
    model : ``model.bin`` of a Whisper, as CTranslate2 keeps it
    """
    file = folder / "views.safetensors"
    if file.exists():
        return
    whisper = read_model(model)
    write_encoder(folder / "encoder", encoder_tensors(whisper))
    write_encoder(folder / "timing", encoder_tensors(whisper, TIMING_BLOCKS))
    texts = json.loads((folder / "speech.json").read_text(encoding="utf-8"))
    asked = [
        Asked(folder, samples, text, (seed, number))
        for number, (samples, text) in enumerate(
            zip(load_speech(folder).utterances(), texts, strict=True)
        )
    ]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        made = list(pool.map(_views_of, asked, chunksize=CHUNK))
    partial = folder / "views.partial"
    each = zip(VIEWS, zip(*made, strict=True), strict=True)
    save_file({view: torch.from_numpy(np.concatenate(parts)) for view, parts in each}, partial)
    partial.replace(file)


def _views_of(asked: Asked) -> list[NDArray[np.float16]]:
    torch.set_num_threads(1)
    return [features.half().contiguous().numpy() for features in _views(asked)]


@cache
def _encoder(folder: Path) -> WhisperEncoder:
    return load_encoder(folder)


@cache
def _reader() -> espeak.Espeak:
    return espeak.Espeak()


def _views(asked: Asked) -> Iterator[Tensor]:
    from recipe.natural.pseudo_speaker import warped

    chance = np.random.default_rng(asked.seed)
    encoder = _encoder(asked.folder / "encoder")
    frames = len(asked.samples) // FRAME_SAMPLES
    sound = asked.samples.astype(np.float32) / 32_768
    heard = resample(sound, RATE_HZ, HEARD_HZ)
    yield _features(encoder, heard * np.float32(chance.uniform(0.3, 1.2)), frames)
    yield _features(encoder, _coloured(warped(heard, HEARD_HZ, chance), chance), frames)
    slower = chance.uniform(*SPEEDS)
    played = resample(sound, RATE_HZ, round(HEARD_HZ * slower))
    stretched = _features(encoder, _coloured(played, chance), round(frames * slower))
    yield F.interpolate(stretched.T[None], frames, mode="linear")[0].T
    timing = _encoder(asked.folder / "timing")
    said = said_in(timing, heard)
    for _ in range(sum(READ)):
        read = _read(asked.text, chance)
        places = places_of(said, said_in(timing, read))[:frames]
        places = np.pad(places, (0, frames - len(places)), mode="edge")
        found = _features(encoder, _coloured(read, chance), len(read) // ENCODER_HOP_SAMPLES)
        yield between(found, torch.from_numpy(places))


def _read(text: str, chance: np.random.Generator) -> Sound:
    """A text by some voice of espeak-ng, at 16 kHz."""
    reader = _reader()
    while True:
        language, variant = chance.choice(espeak.LANGUAGES), chance.choice(VARIANTS)
        manner = espeak.Manner(
            f"{language}+{variant}",
            rate=int(chance.integers(120, 210)),
            pitch=int(chance.integers(15, 80)),
            pitch_range=int(chance.integers(30, 80)),
        )
        spoken, _ = reader.speak(text, manner)
        if len(spoken) > SHORTEST_S * reader.rate_hz and spoken.any():
            return resample(spoken, reader.rate_hz, HEARD_HZ)


def between(features: Tensor, places: Tensor) -> Tensor:
    """Features [T, C] at fractional frames [N], [N, C]."""
    last = len(features) - 1
    low = places.floor().clamp(0, last)
    part = (places - low).clamp(0, 1).float()[:, None]
    before, after = (features[(low.long() + step).clamp(max=last)] for step in (0, 1))
    return torch.lerp(before, after, part)


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
