"""Everything that is spoken for the training: made here, by programs of Debian, from seeds."""

from __future__ import annotations

import logging
import multiprocessing
import random
import tempfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
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
OTHERS = ("awb", "rms", "kal16")
ESPEAK = "espeak"
READERS = ("espeak-1", "espeak-2")
"""The target's sentences, as voices of espeak-ng say them."""

HELD_OUT = "klatt4"
"""Never trained on: the encoder's curve shows how many of its phonemes are found."""

HELD_OUT_COUNT = 40
OWN_F0_HZ = {"slt": 170.0, "awb": 130.0, "rms": 100.0, "kal16": 105.0}
SHORTEST_S = 0.6
CHUNK = 16
"""Utterances that a process takes at once."""

Job = tuple[str, Callable[..., None], tuple[object, ...]]

log = logging.getLogger(__name__)


def make_flite_set(path: Path, pool: Pool, voice: str, count: int) -> None:
    """The same sentences for every voice, each in its own pitch and pace.

    Four in ten keep the voice's pitch; the others spread over two octaves, so that the vocoder
    has heard every pitch that it may be asked for.
    """
    texts, manners = random.Random(0), random.Random(zlib.crc32(voice.encode()))
    asked = [(sentence(texts), _flite_manner(voice, manners)) for _ in range(count)]
    save_set(path, list(pool.map(_spoken_by_flite, asked, chunksize=CHUNK)))


def _spoken_by_flite(asked: tuple[str, flite.Manner]) -> Utterance:
    text, manner = asked
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "spoken.wav")
        ends_s, classes = flite.speak(text, manner, output)
        sound = read_audio(output, mono=True)
    samples = to_int16(_at_16_khz(sound.samples[:, 0], sound.rate_hz))
    return Utterance(text, samples, ends_s, classes)


def _flite_manner(voice: str, chance: random.Random) -> flite.Manner:
    own_hz, stretch = OWN_F0_HZ[voice], chance.uniform(0.85, 1.2)
    if chance.random() < 0.4:
        return flite.Manner(voice, stretch)
    octaves = chance.uniform(-0.9, 1.0)
    return flite.Manner(voice, stretch, own_hz * 2**octaves, own_hz * chance.uniform(0.06, 0.3))


def make_espeak_set(path: Path, pool: Pool, count: int, variants: Sequence[str], seed: int) -> None:
    """Many variants, paces and pitches; sentences of their own."""
    chance = random.Random(seed)
    asked = []
    for i in range(count):
        manner = _espeak_manner(variants[i % len(variants)], chance)
        asked.append((sentence(chance), manner))
    spoken = pool.map(_spoken_by_espeak, asked, chunksize=CHUNK)
    save_set(path, [each for each in spoken if each.classes.any()])


def make_reader_set(path: Path, pool: Pool, count: int, seed: int) -> None:
    """The flite voices' sentences by espeak-ng, one variant, pace and pitch after another."""
    texts, chance = random.Random(0), random.Random(seed)
    asked = [
        (sentence(texts), _espeak_manner(chance.choice(espeak.VARIANTS), chance))
        for _ in range(count)
    ]
    save_set(path, list(pool.map(_spoken_by_espeak, asked, chunksize=CHUNK)))


def _espeak_manner(variant: str, chance: random.Random) -> espeak.Manner:
    return espeak.Manner(
        f"{chance.choice(espeak.LANGUAGES)}+{variant}",
        chance.randint(140, 230),
        chance.randint(15, 80),
        chance.randint(30, 80),
    )


@cache
def _synthesiser() -> espeak.Espeak:
    return espeak.Espeak()


def _spoken_by_espeak(asked: tuple[str, espeak.Manner]) -> Utterance:
    """One sentence; of a voice that says nothing, a moment of silence."""
    text, manner = asked
    synthesiser = _synthesiser()
    spoken, events = synthesiser.speak(text, manner)
    if len(spoken) < SHORTEST_S * synthesiser.rate_hz or not events:
        log.warning("%s says nothing", manner.voice)
        silence = np.zeros(HOP_SAMPLES, np.int16), np.ones(1, np.float32), np.zeros(1, np.uint8)
        return Utterance(text, *silence)
    ends_s, classes = espeak.phoneme_ends(events, len(spoken), synthesiser.rate_hz)
    return Utterance(text, to_int16(_at_16_khz(spoken, synthesiser.rate_hz)), ends_s, classes)


def add_copies(path: Path, pool: Pool, source: Path, count: int) -> None:
    """Pseudo-speakers of every utterance of a set."""
    asked = [(each, count, seed) for seed, each in enumerate(load_set(source))]
    save_set(path, list(pool.map(_copied, asked, chunksize=CHUNK)))


def _copied(asked: tuple[Utterance, int, int]) -> Utterance:
    from recipe.pseudo_speaker import copies  # only this needs WORLD

    utterance, count, seed = asked
    chance = np.random.default_rng((3, seed))
    return replace(utterance, copies=copies(utterance.samples, count, chance))


def add_pitch(path: Path, pool: Pool, source: Path) -> None:
    """The pitch as the product's own weight-free tracker hears it."""
    save_set(path, list(pool.map(_pitched, load_set(source), chunksize=CHUNK)))


def _pitched(utterance: Utterance) -> Utterance:
    torch.set_num_threads(1)
    return replace(utterance, f0_hz=f0_of(utterance.samples))


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


def make_data(folder: Path, flite_count: int, espeak_count: int, workers: int) -> None:
    """Every set that is not there yet; the same, however many processes work on it."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        for name, make, arguments in _jobs(folder, flite_count, espeak_count):
            if not (folder / name).exists():
                log.info("making %s", name)
                make(folder / name, pool, *arguments)
                log.info("%s: %.2f h", name, hours(load_set(folder / name)))


def _jobs(folder: Path, flite_count: int, espeak_count: int) -> list[Job]:
    """In this order: what the vocoder waits for comes first."""
    plain, pitch = (folder / f"{TARGET}.{kind}.npz" for kind in ("plain", "pitch"))
    return [
        (plain.name, make_flite_set, (TARGET, flite_count)),
        (pitch.name, add_pitch, (plain,)),
        *((f"{voice}.plain.npz", make_flite_set, (voice, flite_count)) for voice in OTHERS),
        (f"{ESPEAK}.npz", make_espeak_set, (espeak_count, espeak.VARIANTS, 7)),
        (f"{HELD_OUT}.npz", make_espeak_set, (HELD_OUT_COUNT, (HELD_OUT,), 99)),
        (f"{TARGET}.npz", add_copies, (pitch, 2)),
        *((f"{voice}.npz", add_copies, (folder / f"{voice}.plain.npz", 1)) for voice in OTHERS),
        *((f"{n}.npz", make_reader_set, (flite_count, seed)) for seed, n in enumerate(READERS, 20)),
    ]
