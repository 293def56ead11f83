"""The target's speech: sentences made of frequent words, said by a small open TTS at 24 kHz."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipe.natural.mel import HOP_SAMPLES, RATE_HZ
from recipe.natural.sentences import Writer

VOICE = "heart"
SPEEDS = (0.75, 1.2)
HELD_OUT = 12
"""Utterances, the last ones, that no stage trains on."""

FRAME_SAMPLES = 2 * HOP_SAMPLES
"""Of the content encoder: an utterance is a whole number of its frames long."""

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Speech:
    """Utterances of one voice laid end to end.

    Attributes
    ----------
    samples : int16 [N]  24 kHz
    ends : int64 [U]  where each utterance ends, in samples; multiples of 480
    """

    samples: NDArray[np.int16]
    ends: NDArray[np.int64]

    def utterances(self) -> list[NDArray[np.int16]]:
        """Each alone."""
        return np.split(self.samples, self.ends[:-1])


def make_speech(folder: Path, minutes: float, seed: int = 0) -> None:
    """Write ``speech.npz`` and ``speech.json`` (the texts) into a folder, unless they are there."""
    file = folder / "speech.npz"
    if file.exists():
        return
    from hibari import Hibari

    voice = Hibari(voice=VOICE, threads=1)
    chance = random.Random(seed)
    writer = Writer(chance)
    sounds: list[NDArray[np.int16]] = []
    texts: list[str] = []
    while sum(map(len, sounds)) < minutes * 60 * RATE_HZ:
        texts.append(writer.sentence())
        said = voice.stream(
            texts[-1], speed=chance.uniform(*SPEEDS), seed=chance.randrange(1 << 30)
        )
        sounds.append(_in_frames(np.concatenate(list(said))))
    (folder / "speech.json").write_text(json.dumps(texts, indent=0), encoding="utf-8")
    ends = np.cumsum([len(sound) for sound in sounds])
    partial = folder / "speech.partial.npz"
    np.savez(partial, samples=np.concatenate(sounds), ends=ends)
    partial.replace(file)


def load_speech(folder: Path) -> Speech:
    """What `make_speech` wrote."""
    with np.load(folder / "speech.npz") as stored:
        return Speech(stored["samples"], stored["ends"])


def _in_frames(sound: Sound) -> NDArray[np.int16]:
    whole = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]
    return np.round(np.clip(whole, -1, 1) * 32_767).astype(np.int16)
