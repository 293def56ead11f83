"""Everything that is spoken for the training: made here, by programs of Debian, from seeds."""

from __future__ import annotations

import logging
import random
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.reader import read_audio
from engine.audio.resampling import resample, resampled_length
from engine.pitch.yin import track_yin
from recipe import espeak, flite
from recipe.speech_set import HOP_SAMPLES, RATE_HZ, Utterance, load_set, save_set, to_int16
from recipe.text import sentence

TARGET = "slt"
OTHERS = ("awb", "rms")
ESPEAK = "espeak"
HELD_OUT = "kal16"
"""Never trained on: the encoder's curve shows how many of its phonemes are found."""

HELD_OUT_COUNT, HELD_OUT_SEED = 30, 99
OWN_F0_HZ = {"slt": 170.0, "awb": 130.0, "rms": 100.0, HELD_OUT: 105.0}
SHORTEST_S = 0.6

ESPEAK_LANGUAGES = (*["en-us"] * 5, "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
ESPEAK_VARIANTS = (
    "Alicia Andy Annie Denis Gene Hugo Jacky Lee Marco Mario Mike Mr adam anika antonio aunty"
    " belinda benjamin boris caleb david ed edward2 f1 f2 f3 f4 f5 grandma gustave iven iven3 john"
    " kaukovalta klatt klatt2 klatt3 klatt5 klatt6 m1 m2 m4 m5 m6 m7 m8 marcelo max michel miguel"
    " norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 travis victor zac"
    " whisper"
).split()
"""All but klatt4, which the report speaks, and those that nobody understands."""

log = logging.getLogger(__name__)


def make_flite_set(path: Path, voice: str, count: int, seed: int = 0) -> None:
    """The same sentences for every voice, each in its own pitch and pace.

    Four in ten keep the voice's pitch; the others spread over two octaves, so that the vocoder
    has heard every pitch that it may be asked for.
    """
    texts, manners = random.Random(seed), random.Random(zlib.crc32(voice.encode()))
    made = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "spoken.wav")
        for _ in range(count):
            text = sentence(texts)
            manner = _flite_manner(voice, manners)
            ends_s, classes = flite.speak(text, manner, output)
            sound = read_audio(output, mono=True)
            made.append(
                Utterance(
                    text, to_int16(_at_16_khz(sound.samples[:, 0], sound.rate_hz)), ends_s, classes
                )
            )
    save_set(path, made)


def _flite_manner(voice: str, chance: random.Random) -> flite.Manner:
    own_hz, stretch = OWN_F0_HZ[voice], chance.uniform(0.85, 1.2)
    if chance.random() < 0.4:
        return flite.Manner(voice, stretch)
    octaves = chance.uniform(-0.9, 1.0)
    return flite.Manner(voice, stretch, own_hz * 2**octaves, own_hz * chance.uniform(0.06, 0.3))


def make_espeak_set(path: Path, count: int) -> None:
    """Many variants, paces and pitches; sentences of their own."""
    chance = random.Random(7)
    synthesiser = espeak.Espeak()
    made = []
    for i in range(count):
        variant = ESPEAK_VARIANTS[i % len(ESPEAK_VARIANTS)]
        manner = espeak.Manner(
            f"{chance.choice(ESPEAK_LANGUAGES)}+{variant}",
            chance.randint(140, 230),
            chance.randint(15, 80),
            chance.randint(30, 80),
        )
        text = sentence(chance)
        spoken, events = synthesiser.speak(text, manner)
        if len(spoken) < SHORTEST_S * synthesiser.rate_hz or not events:
            log.warning("%s says nothing", manner.voice)
            continue
        ends_s, classes = espeak.phoneme_ends(events, len(spoken), synthesiser.rate_hz)
        samples = to_int16(_at_16_khz(spoken, synthesiser.rate_hz))
        made.append(Utterance(text, samples, ends_s, classes))
    save_set(path, made)


def add_copies(path: Path, source: Path, count: int) -> None:
    """Pseudo-speakers of every utterance of a set."""
    from recipe.pseudo_speaker import copies  # only this needs WORLD

    chance = np.random.default_rng(3)
    made = [replace(each, copies=copies(each.samples, count, chance)) for each in load_set(source)]
    save_set(path, made)


def add_pitch(path: Path, source: Path) -> None:
    """The pitch as the product's own weight-free tracker hears it."""
    save_set(path, [replace(each, f0_hz=f0_of(each.samples)) for each in load_set(source)])


def f0_of(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """float32 [N // 160]  Hz, 0 where unvoiced; frame j is centred on sample 160 j."""
    sound = torch.from_numpy(samples.astype(np.float32) / 32_768)
    return track_yin(sound).numpy()[: len(samples) // HOP_SAMPLES]


def _at_16_khz(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    if rate_hz == RATE_HZ:
        return samples
    wanted = resampled_length(len(samples), rate_hz, RATE_HZ)
    return resample(samples[:, None], rate_hz, RATE_HZ, wanted)[:, 0]


def hours(utterances: Sequence[Utterance]) -> float:
    """How long a set is."""
    return sum(len(each.samples) for each in utterances) / RATE_HZ / 3600


def make_data(folder: Path, flite_count: int, espeak_count: int) -> None:
    """Every set that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs: list[tuple[str, Callable[..., None], tuple[object, ...]]] = [
        (f"{voice}.plain.npz", make_flite_set, (voice, flite_count)) for voice in (TARGET, *OTHERS)
    ]
    held_out = (HELD_OUT, HELD_OUT_COUNT, HELD_OUT_SEED)
    jobs.append((f"{HELD_OUT}.plain.npz", make_flite_set, held_out))
    jobs.append((f"{ESPEAK}.npz", make_espeak_set, (espeak_count,)))
    jobs.append((f"{TARGET}.pitch.npz", add_pitch, (folder / f"{TARGET}.plain.npz",)))
    jobs.append((f"{TARGET}.npz", add_copies, (folder / f"{TARGET}.pitch.npz", 2)))
    jobs += [(f"{voice}.npz", add_copies, (folder / f"{voice}.plain.npz", 1)) for voice in OTHERS]
    for name, make, arguments in jobs:
        if not (folder / name).exists():
            log.info("making %s", name)
            make(folder / name, *arguments)
        log.info("%s: %.2f h", name, hours(load_set(folder / name)))
