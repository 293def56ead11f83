"""When one reading of a sentence says what another one says, by what a Whisper hears in both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.whisper import WhisperEncoder

BLOCKS = (2, 4)
"""Of the encoder: the lower one is exact in time, the higher one hardly knows the speaker."""

STEPS = np.array([[1, 1], [1, 2], [2, 1], [1, 0], [0, 1]])
"""Frames of each reading from one place of the path to the next; so often its distance counts,
or the path would save by going in the widest steps."""

STANDING = 0.3
"""Added to the distance where one reading goes on alone, as in a pause; else the path frays."""

_SPREAD = 0.05

Floats = NDArray[np.float64]


@torch.no_grad()
def said_in(encoder: WhisperEncoder, sound: NDArray[np.float32]) -> list[Floats]:
    """What is said in each frame by each of `BLOCKS`, as directions [T, C]; 50 a second.

    Parameters
    ----------
    encoder : a Whisper that has these blocks
    sound : float32 [N] at 16 kHz
    """
    return [directions(encoder(torch.from_numpy(sound)[None], block)) for block in BLOCKS]


def directions(features: Tensor) -> Floats:
    """Every frame of [1, T, C] of length one, without the mean and spread of the speaker."""
    found = features[0].double().numpy()
    found = (found - found.mean(0)) / (found.std(0) + _SPREAD)
    directions: Floats = found / np.linalg.norm(found, axis=1, keepdims=True)
    return directions


def places_of(here: list[Floats], there: list[Floats]) -> Floats:
    """Frames, with fractions, of the other reading for each of this one's; both by `said_in`."""
    from librosa.sequence import dtw  # only this needs it

    distance = 1 - np.mean([one @ other.T for one, other in zip(here, there, strict=True)], axis=0)
    alone = (STEPS == 0).any(axis=1)
    _, path = dtw(
        C=distance,
        step_sizes_sigma=STEPS,
        weights_mul=STEPS.sum(axis=1).astype(float),
        weights_add=np.where(alone, STANDING, 0.0),
    )
    ours, first = np.unique(path[::-1, 0], return_index=True)
    theirs = np.add.reduceat(path[::-1, 1].astype(np.float64), first)
    found: Floats = np.interp(
        np.arange(len(distance)), ours, theirs / np.diff(np.append(first, len(path)))
    )
    return found
