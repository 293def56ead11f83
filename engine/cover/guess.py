"""Whether a file sounds like a whole song; cheap, and sure of itself or silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.audio.reader import read_blocks
from engine.cover.loudness import Energies, decibels

_LISTENED_S = 60.0
_SHORTEST_S = 30.0
"""Shorter ones may be parts of a song, taken for anything."""
_FRAMES_PER_S = 10
_LEAST_SIDE_DB = -18.0
"""Of what differs between left and right against what they share: a voice has less."""
_PAUSE_DB = -30.0
"""A frame this far below the loud ones is a pause."""
_MOST_PAUSES = 0.02
"""Share of frames: speech and singing alone have more, music behind a voice fills them."""


def sounds_like_a_song(source: Path, pause: Callable[[], None] = lambda: None) -> bool:
    """Whether a file clearly holds instruments around a voice: wide stereo without pauses.

    Only the first minute after the first sound is heard. Mono songs are not recognised.

    Parameters
    ----------
    pause : is called now and then; may raise to stop

    Raises
    ------
    AudioFileError : as `engine.audio.reader.read_blocks`
    """
    middles: list[Energies] = []
    sides: list[Energies] = []
    heard_s = 0.0
    for block in read_blocks(source):
        pause()
        samples = block.samples
        if samples.shape[1] < 2:
            return False
        if not middles and not samples.any():
            continue
        left, right = samples[:, 0].astype(np.float64), samples[:, 1].astype(np.float64)
        starts = np.arange(0, len(left), max(1, block.rate_hz // _FRAMES_PER_S))
        lengths = np.diff(np.append(starts, len(left)))
        for values, kept in ((left + right, middles), (left - right, sides)):
            kept.append(np.add.reduceat(np.square(values), starts) / lengths)
        heard_s += len(left) / block.rate_hz
        if heard_s >= _LISTENED_S:
            break
    if heard_s < _SHORTEST_S:
        return False
    middle, side = np.concatenate(middles), np.concatenate(sides)
    if not middle.any() or decibels(side.sum() / middle.sum()) < _LEAST_SIDE_DB:
        return False
    level_db = decibels(middle + side)
    loud = level_db >= np.percentile(level_db, 90) + _PAUSE_DB
    inner = loud[loud.argmax() : len(loud) - loud[::-1].argmax()]  # without silence at the ends
    return float(1 - inner.mean()) <= _MOST_PAUSES
