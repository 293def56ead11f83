"""Speech with its phonemes, as the training reads it: one file per voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
HOP_SAMPLES = 160
PEAK = 0.9
FULL_SCALE = 32_767


@dataclass(frozen=True, eq=False)
class Utterance:
    """One spoken sentence.

    Attributes
    ----------
    samples : int16 [N]  16 kHz
    ends_s : float32 [P]  where each phoneme ends
    classes : uint8 [P]  which phoneme it is, see `recipe.phoneme.CLASSES`
    f0_hz : float32 [N // 160]  0 where unvoiced; empty where nobody needs it
    copies : int16 [C, N]  the same in other voices, timing kept
    """

    text: str
    samples: NDArray[np.int16]
    ends_s: NDArray[np.float32]
    classes: NDArray[np.uint8]
    f0_hz: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    copies: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))

    def classes_at(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """The phoneme at each time; silence outside the sentence."""
        at = np.searchsorted(self.ends_s, seconds, side="right")
        found = self.classes[np.minimum(at, len(self.classes) - 1)].astype(np.int64)
        return np.where((seconds >= 0) & (at < len(self.classes)), found, 0)


def to_int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """At a fixed peak; a digital silence stays one."""
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-6)
    return np.round(samples * (PEAK / peak * FULL_SCALE)).astype(np.int16)


def save_set(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write beside, then rename: a set that exists is whole."""
    copies = {len(each.copies) for each in utterances}
    if len(copies) > 1:
        raise ValueError("every utterance of a set has the same number of copies")
    partial = path.with_name(path.name + ".partial.npz")
    np.savez(
        partial,
        texts=np.array([each.text for each in utterances]),
        lengths=np.array([len(each.samples) for each in utterances]),
        phonemes=np.array([len(each.classes) for each in utterances]),
        frames=np.array([len(each.f0_hz) for each in utterances]),
        samples=np.concatenate([each.samples for each in utterances]),
        ends_s=np.concatenate([each.ends_s for each in utterances]),
        classes=np.concatenate([each.classes for each in utterances]),
        f0_hz=np.concatenate([each.f0_hz for each in utterances]),
        copies=np.concatenate([each.copies for each in utterances], axis=1),
    )
    partial.replace(path)


def load_set(path: Path) -> list[Utterance]:
    """What `save_set` wrote."""
    with np.load(path) as stored:
        arrays = dict(stored)
    starts = {
        name: np.concatenate([[0], np.cumsum(arrays[name])])
        for name in ("lengths", "phonemes", "frames")
    }
    utterances = []
    for i, text in enumerate(arrays["texts"]):
        sound, phones, frames = (
            slice(starts[name][i], starts[name][i + 1])
            for name in ("lengths", "phonemes", "frames")
        )
        utterances.append(
            Utterance(
                str(text),
                arrays["samples"][sound],
                arrays["ends_s"][phones],
                arrays["classes"][phones],
                arrays["f0_hz"][frames],
                arrays["copies"][:, sound] if arrays["copies"].size else arrays["copies"],
            )
        )
    return utterances
