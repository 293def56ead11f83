"""Put a converted voice where the singer was: level by phrase, place between left and right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.cover.loudness import (
    FRAME_SAMPLES,
    FRAMES_PER_S,
    Energies,
    Floats,
    Track,
    blocks_of,
    decibels,
    frame_energies,
    integrated_lufs,
)

SILENCE_DB = -60.0
"""Of the lead in a frame: quieter is bleed of the instruments, which must not be sung."""
MASKED_DB = -30.0
"""Of the lead in a frame against the whole song: quieter is bleed, or cannot be heard."""
_HOLD_FRAMES = 10
"""A quiet frame this close to a loud one stays open: the ends of words."""
_GAP_FRAMES = 30
"""A shorter silence does not end a phrase."""
_QUIETEST_PHRASE_DB = -50.0
_MOST_CORRECTION_DB = 9.0
_FADE_FRAMES = 5
_PLACE_FRAMES = 11
_PLACE_FLOOR = 1e-9

_DOUBLE_TRACKED = 0.3
"""Correlation of left and right below which the lead is two recordings."""

_ENVELOPE_FRAMES_PER_S = 1000
_MOST_LAG_MS = 50
_SURE_CORRELATION = 0.5


@dataclass(frozen=True)
class VoicePlacement:
    """Gains that make a converted voice sit in the song as the lead did.

    Attributes
    ----------
    gains : float64 [frames, 2]  left and right, at the middle of each frame of 10 ms
    """

    gains: Energies

    @classmethod
    def match(cls, lead: Track, voice: Track, song: Track | None = None) -> VoicePlacement:
        """Compare the converted voice with the lead it was made from.

        Every phrase gets the lead's K-weighted level (within 9 dB, of a quiet song beyond what it
        needs as a whole), the whole its integrated loudness; the voice is muted where the lead is
        silent. A mono voice gets the lead's place between left and right, smoothed over 100 ms with
        the power kept.

        Parameters
        ----------
        lead : float32 [n, 2] at 44.1 kHz
        voice : float32 [n, 1 or 2] at 44.1 kHz
        song : float32 [n, 2] at 44.1 kHz  that the lead was separated from, bleed of the
            instruments included; None where there is none in it
        """
        energy = frame_energies(lead)
        total = energy.sum(1)
        audible = decibels(total / 2) > SILENCE_DB
        if song is not None:
            audible &= decibels(total) > decibels(frame_energies(song).sum(1)) + MASKED_DB
        weighted, made = frame_energies(lead, weighted=True), frame_energies(voice, weighted=True)
        wanted = weighted.sum(1)
        heard = made.sum(1) * (2 if made.shape[1] == 1 else 1)  # a mono voice will be in both
        columns = made if made.shape[1] == 2 else np.repeat(made, 2, axis=1)
        opened = _smoothed(_dilated(audible, _HOLD_FRAMES).astype(np.float64), 3)
        off_lu = integrated_lufs(weighted) - integrated_lufs(columns * opened[:, None] ** 2)
        # A converted voice is as loud as ever, however quiet the song is.
        quiet_db = min(off_lu + _MOST_CORRECTION_DB, 0.0)
        correction_db = np.full(len(total), quiet_db)
        for start, stop in phrases(audible):
            level_db = float(decibels(total[start:stop].mean() / 2))
            if level_db < _QUIETEST_PHRASE_DB:
                continue
            aim_db, has_db = (decibels(each[start:stop].mean()) for each in (wanted, heard))
            correction_db[start:stop] += _within_limit(float(aim_db - has_db) - quiet_db)
        level = 10 ** (_smoothed(_held(correction_db, audible), _FADE_FRAMES) / 20) * opened
        gains = level[:, None] * (
            _place(energy) if made.shape[1] == 1 else np.ones((len(level), 2))
        )
        off_lu = integrated_lufs(weighted) - integrated_lufs(columns * gains**2)
        return cls(gains * 10 ** (_within_limit(off_lu) / 20))

    def applied(self, start: int, block: Floats) -> Floats:
        """A part of the voice, float32 [m, 1 or 2] from sample ``start`` on, as float32 [m, 2]."""
        middles = (np.arange(len(self.gains)) + 0.5) * FRAME_SAMPLES
        at = np.arange(start, start + len(block)) + 0.5
        curves = [np.interp(at, middles, column) for column in self.gains.T]
        placed: Floats = (block * np.stack(curves, axis=1)).astype(np.float32)
        return placed


def _within_limit(level_db: float) -> float:
    return min(max(level_db, -_MOST_CORRECTION_DB), _MOST_CORRECTION_DB)


def has_voice(lead: Track, song: Track) -> bool:
    """Whether what was separated from a song is more than bleed of its instruments.

    Parameters
    ----------
    lead, song : float32 [n, 2] at 44.1 kHz
    """
    levels = [integrated_lufs(frame_energies(each, weighted=True)) for each in (lead, song)]
    return levels[0] > max(SILENCE_DB, levels[1] + MASKED_DB)


def phrases(audible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of frames that belong together: no silence of 300 ms within, none at their ends."""
    frames = np.flatnonzero(audible)
    if not len(frames):
        return []
    cuts = np.flatnonzero(np.diff(frames) > _GAP_FRAMES)
    starts = frames[np.concatenate([[0], cuts + 1])]
    stops = frames[np.concatenate([cuts, [len(frames) - 1]])] + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def is_double_tracked(lead: Track) -> bool:
    """Whether left and right hold two different recordings of the singer."""
    sums = np.zeros(3)
    for block in blocks_of(lead):
        left, right = block.astype(np.float64).T
        sums += left @ right, left @ left, right @ right
    return bool(sums[0] < _DOUBLE_TRACKED * np.sqrt(sums[1] * sums[2]))


def delay_ms(lead: Track, voice: Track) -> float | None:
    """How much later the voice is than the lead; None where their envelopes differ too much.

    Cross-correlation of the envelopes (10 ms), up to 50 ms either way, to 1 ms.
    """
    from scipy.signal import correlate

    first, second = _envelope(lead), _envelope(voice)
    n = min(len(first), len(second))
    if n <= 2 * _MOST_LAG_MS:
        return None
    first, second = first[:n] - first[:n].mean(), second[:n] - second[:n].mean()
    norm = float(np.sqrt((first @ first) * (second @ second)))
    if norm == 0:
        return None
    values = correlate(second, first, method="fft")
    centre = values[n - 1 - _MOST_LAG_MS : n + _MOST_LAG_MS] / norm
    best = int(centre.argmax())
    return float(best - _MOST_LAG_MS) if centre[best] >= _SURE_CORRELATION else None


def _envelope(track: Track) -> Energies:
    """Root mean square over 10 ms, a value for each millisecond."""
    step = FRAME_SAMPLES * FRAMES_PER_S // _ENVELOPE_FRAMES_PER_S
    energies = []
    for block in blocks_of(track, step * 1000):
        framed = np.pad(block, ((0, -len(block) % step), (0, 0))).astype(np.float64)
        energies.append(np.square(framed.reshape(-1, step * block.shape[1])).mean(1))
    energy = np.concatenate(energies) if energies else np.zeros(1)
    return np.sqrt(np.convolve(energy, np.full(10, 0.1), mode="same"))


def _place(energy: Energies) -> Energies:
    """Gains of left and right, float64 [frames, 2]; their squares add up to 2."""
    smooth = np.stack([_smoothed(column, _PLACE_FRAMES) for column in energy.T], axis=1)
    smooth += _PLACE_FLOOR  # in the middle where there is nothing
    gains: Energies = np.sqrt(2 * smooth / smooth.sum(1, keepdims=True))
    return gains


def _held(values: Energies, where: NDArray[np.bool_]) -> Energies:
    """Values at some frames, the nearest of them at all others."""
    known = np.flatnonzero(where)
    if not len(known):
        return np.zeros_like(values)
    frames = np.arange(len(values))
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(known[before] - frames) <= np.abs(known[after] - frames)
    filled: Energies = values[np.where(nearer, known[before], known[after])]
    return filled


def _dilated(where: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    wide = np.convolve(where, np.ones(2 * frames + 1))
    return wide[frames : frames + len(where)] > 0.5


def _smoothed(values: Energies, frames: int) -> Energies:
    """Moving average; at the ends over what is there."""
    kernel, half = np.ones(frames), frames // 2
    part = slice(half, half + len(values))
    return np.convolve(values, kernel)[part] / np.convolve(np.ones(len(values)), kernel)[part]
