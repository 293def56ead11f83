"""Formant synthesis among the sources: espeak-ng reads the target's sentences.

No change of a natural voice sounds like it, and people feed such voices too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.audio.resampling import resample
from recipe.espeak import Espeak, Manner

LANGUAGES = "en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-029"
VARIANTS = "m1 m2 m4 m5 m6 m7 f1 f2 f3 f5 Andrea Annie john steph max klatt klatt2 klatt3".split()
"""The report hears m3, f4, klatt4 and plain voices of other places: they are not among these."""

RATES_A_MINUTE = (130, 200)
PITCHES, PITCH_RANGES = (20, 80), (25, 75)


class FormantReader:
    """Reads sentences with espeak-ng's voices."""

    def __init__(self) -> None:
        self._espeak = Espeak()

    def read(self, text: str, rate_hz: int, chance: np.random.Generator) -> NDArray[np.float32]:
        """Float32 [N] at ``rate_hz``, by any of the voices and at any pace and pitch."""
        manner = Manner(
            f"{chance.choice(LANGUAGES)}+{chance.choice(VARIANTS)}",
            int(chance.integers(*RATES_A_MINUTE)),
            int(chance.integers(*PITCHES)),
            int(chance.integers(*PITCH_RANGES)),
        )
        sound, _ = self._espeak.speak(text, manner)
        return resample(sound, self._espeak.rate_hz, rate_hz)
