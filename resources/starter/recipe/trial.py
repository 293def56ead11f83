"""What the report converts: sentences that no training heard, by voices that none heard."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.audio.reader import read_audio
from engine.audio.resampling import resample, resampled_length
from engine.audio.writer import write_audio
from recipe import espeak, flite
from recipe.measure import RATE_HZ
from recipe.text import HELD_OUT

FESTIVAL = "text2wave"
FESTIVAL_VOICE = "(voice_ked_diphone)"
HUMAN_FOLDER = Path("/usr/share/sounds/alsa")
"""Debian's alsa-utils: a woman says the names of loudspeakers. Test input only."""

PEAK = 0.6
PAUSE_S = 0.1


@dataclass(frozen=True, eq=False)
class Spoken:
    """A test clip: samples float64 [N] at 16 kHz, and its words in lower case."""

    voice: str
    text: str
    samples: NDArray[np.float64]

    @property
    def words(self) -> list[str]:
        """What a recogniser should hear."""
        return self.text.split()


def trial_clips(folder: Path, sentences: int) -> Iterator[Spoken]:
    """Every test clip that the programs on this machine can make."""
    for voice, speak in _speakers(folder).items():
        for text in HELD_OUT[:sentences]:
            yield Spoken(voice, text, _ready(*speak(text)))
    for file in sorted(HUMAN_FOLDER.glob("*_*.wav")):
        text = file.stem.replace("_", " ").lower()
        yield Spoken("human", text, _ready(*_read(file)))


UNHEARD = ("kd", "klatt4", "human")
"""Voices that no training heard; the others were heard, but not these sentences."""

Speaker = Callable[[str], tuple[NDArray[np.float32], int]]


def _speakers(folder: Path) -> dict[str, Speaker]:
    made = folder / "spoken.wav"

    def by_flite(voice: str) -> Speaker:
        def speak(text: str) -> tuple[NDArray[np.float32], int]:
            flite.speak(text + ".", flite.Manner(voice), made)
            return _read(made)

        return speak

    def by_festival(text: str) -> tuple[NDArray[np.float32], int]:
        made.unlink(missing_ok=True)  # festival says 0 also where it has written nothing
        command = [FESTIVAL, "-eval", FESTIVAL_VOICE, "-o", str(made)]
        subprocess.run(command, input=text + ".", text=True, check=True)
        return _read(made)

    speakers = {}
    if flite.flite_is_installed():
        speakers = {name: by_flite(name) for name in ("kal16", "rms", "slt")}
    if shutil.which(FESTIVAL):
        speakers["kd"] = by_festival
    if espeak.espeak_is_installed():
        synthesiser = espeak.Espeak()
        manner = espeak.Manner("en-us+klatt4", 160, 50, 60)

        def by_espeak(text: str) -> tuple[NDArray[np.float32], int]:
            return synthesiser.speak(text.capitalize() + ".", manner)[0], synthesiser.rate_hz

        speakers["klatt4"] = by_espeak
    return speakers


def _read(file: Path) -> tuple[NDArray[np.float32], int]:
    sound = read_audio(file, mono=True)
    return sound.samples[:, 0], sound.rate_hz


def _ready(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """At 16 kHz, at one level, with a pause at both ends."""
    wanted = resampled_length(len(samples), rate_hz, RATE_HZ)
    sound = resample(samples[:, None], rate_hz, RATE_HZ, wanted)[:, 0].astype(np.float64)
    return np.pad(sound * (PEAK / np.abs(sound).max()), int(PAUSE_S * RATE_HZ))


def keep(path: Path, samples: NDArray[np.float64]) -> None:
    """Write a clip, so that it can be listened to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, samples.astype(np.float32), RATE_HZ, "wav", overwrite=True)
