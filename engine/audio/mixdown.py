"""Mixes channels to one or two: by their layout, without empty ones, and where they cancel out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import Message, Text

Floats = NDArray[np.float32]
Layout = tuple[str, ...]
"""Places of the channels by FFmpeg's short names: FL, FR, FC, LFE, BL, BR, SL, SR, …"""

_SIDE = 0.707
_PLACES: dict[str, tuple[float, float]] = {
    "FL": (1, 0), "FR": (0, 1), "DL": (1, 0), "DR": (0, 1), "FC": (_SIDE, _SIDE),
    "LFE": (0, 0), "LFE2": (0, 0), "FLC": (_SIDE, 0), "FRC": (0, _SIDE), "BC": (0.5, 0.5),
    "BL": (_SIDE, 0), "BR": (0, _SIDE), "SL": (_SIDE, 0), "SR": (0, _SIDE), "WL": (1, 0),
    "WR": (0, 1), "TC": (0.5, 0.5), "TFL": (_SIDE, 0), "TFR": (0, _SIDE), "TFC": (0.5, 0.5),
    "TBL": (_SIDE, 0), "TBR": (0, _SIDE), "TBC": (0.5, 0.5),
}  # fmt: skip
"""Share of each place in the left and the right channel (ITU-R BS.775, extended)."""

_WINDOWS_PER_S = 10
_JUDGED_RATE_HZ = 12_000
_LOWEST_HZ, _HIGHEST_HZ = 200, 4_000
"""The voice is judged, without rumble, mains hum and constants, and without hiss."""
_EMPTY = 1e-5
"""-50 dB: a channel that is never louder than that against the loudest one is empty."""
_QUIET = 1e-4
"""-40 dB: what is quieter than that against the loudest window is not judged."""
_CANCELLED = 0.04
"""-14 dB: of the mix against the loudest channel's share in it. Channels that have nothing in
common leave 0 dB or more, also where all but one are silent; of inverted ones nothing is left."""
_LEAST_WINDOWS, _LEAST_SHARE = 3, 0.2
"""Fewer are an accident, unless they are much of the sound."""
_REACH_S = 0.25
"""Half a second around what is cancelled is taken from one channel."""
_FADE_S = 0.1


@dataclass(frozen=True)
class Mix:
    """How channels become one or two.

    Attributes
    ----------
    outputs : 1 or 2
    weights : float32 [channels, outputs]; None for the mean of ``columns``
    columns : the channels that are counted; None for all
    rate_hz : of the positions
    single : from second, to second, channel: there only that channel is used (for one output)
    """

    outputs: int
    weights: Floats | None = None
    columns: tuple[int, ...] | None = None
    rate_hz: int = 1
    single: tuple[tuple[float, float, int], ...] = ()
    notes: tuple[Message, ...] = ()

    def apply(self, block: Floats, start: int) -> Floats:
        """Mix float32 [m, channels] from position ``start`` on: [m, outputs]."""
        mixed = self._mixed(block)
        stop = start + len(block)
        fade = _FADE_S * self.rate_hz
        for low_s, high_s, channel in self.single:
            low, high = low_s * self.rate_hz, high_s * self.rate_hz
            if high + fade <= start or low - fade >= stop or channel >= block.shape[1]:
                continue
            positions = np.arange(start, stop)
            inside = np.minimum(positions - (low - fade), (high + fade) - positions) / fade
            share = np.clip(inside, 0, 1).astype(np.float32)[:, None]
            mixed = mixed * (1 - share) + block[:, channel : channel + 1] * share
        return mixed

    def _mixed(self, block: Floats) -> Floats:
        if self.weights is not None and len(self.weights) == block.shape[1]:
            weighted: Floats = block @ self.weights
            return weighted
        if self.columns is not None and max(self.columns) < block.shape[1]:
            return _spread(block, self.columns, self.outputs)
        if block.shape[1] == self.outputs:
            return block
        if self.outputs == 1:
            mean: Floats = block.mean(axis=1, keepdims=True)
            return mean
        return _spread(block, range(block.shape[1]), self.outputs)


def usual_mix(channels: int, layout: Layout | None, outputs: int) -> Mix:
    """By the layout, or the mean where there is none that is known."""
    if layout is None or not 2 < channels == len(layout) or not set(layout) <= set(_PLACES):
        return Mix(outputs)
    weights = np.array([_PLACES[place] for place in layout], np.float32)
    return Mix(outputs, weights if outputs == 2 else weights.mean(axis=1, keepdims=True))


class MixReview:
    """Listens to the channels, to say afterwards whether they should be mixed in another way.

    Parameters
    ----------
    mix : what was used
    rate_hz, channels : of the sound
    """

    def __init__(self, mix: Mix, rate_hz: int, channels: int) -> None:
        self._mix = mix
        self._rate_hz = rate_hz
        self._channels = channels
        self._step = max(1, rate_hz // _JUDGED_RATE_HZ)
        per_window = max(8, rate_hz // _WINDOWS_PER_S // self._step)
        self._size = per_window * self._step
        frequencies = np.fft.rfftfreq(per_window, self._step / rate_hz)
        band = np.flatnonzero((frequencies >= _LOWEST_HZ) & (frequencies <= _HIGHEST_HZ))
        self._band = slice(int(band[0]), int(band[-1]) + 1) if len(band) else slice(1, None)
        self._shape = np.hanning(per_window + 1)[:-1].astype(np.float32)
        self._shares = self._shares_of(mix)
        self._rest: Floats = np.zeros((0, channels), np.float32)
        self._last: Floats = self._rest
        self._energies: list[Floats] = []

    def add(self, block: Floats) -> None:
        """Listen to float32 [m, channels]."""
        if block.shape[1] != self._channels:
            return
        block = np.concatenate([self._rest, block]) if len(self._rest) else block
        self._last = np.concatenate([self._last, block[-self._size :]])[-self._size :]
        whole = len(block) // self._size * self._size
        if whole:
            self._energies.append(self._measured(block[:whole]))
        self._rest = block[whole:].copy()

    def better_mix(self) -> Mix | None:
        """Another mix, where the one that was used loses sound; None if it is right.

        To be called once, at the end.
        """
        if len(self._rest):
            last = self._last - self._last.mean(axis=0)
            last = np.pad(last, ((0, self._size - len(last)), (0, 0)))
            self._energies.append(self._measured(last))
        if not self._energies or self._channels < 2:
            return None
        energies = np.concatenate(self._energies).astype(np.float64)
        channels, mixed = energies[:, : self._channels], energies[:, -1]
        loudest = channels.max(axis=0)
        if not loudest.max() > 0:
            return None
        mix = self._without_empty(loudest > _EMPTY * loudest.max())
        if self._mix.outputs == 2 or (mix is not self._mix and self._mix.weights is not None):
            return None if mix is self._mix else mix
        if mix.columns is not None:
            mixed = mixed * (self._channels / len(mix.columns)) ** 2
        mix = self._without_cancelling(mix, channels, mixed)
        return None if mix is self._mix else mix

    def _measured(self, block: Floats) -> Floats:
        """Energies of each window's channels and mix in the band, float32 [k, channels + 1]."""
        parts = [block[k :: self._step] for k in range(self._step)]
        coarse = np.ascontiguousarray(np.add.reduce(parts).T)
        windows = coarse.reshape(self._channels, -1, len(self._shape)) * self._shape
        spectrum = np.fft.rfft(windows)[:, :, self._band]
        mixed = sum(float(share) * each for share, each in zip(self._shares, spectrum, strict=True))
        power: Floats = np.stack(
            [(each.real**2 + each.imag**2).sum(axis=-1) for each in (*spectrum, mixed)], axis=1
        ).astype(np.float32)
        return power

    def _without_empty(self, holds_sound: NDArray[np.bool_]) -> Mix:
        columns = tuple(int(channel) for channel in np.flatnonzero(holds_sound))
        if self._mix.weights is not None:
            heard = self._mix.weights.any(axis=1) & holds_sound
            return self._mix if heard.any() else Mix(self._mix.outputs, columns=columns)
        if len(columns) in (0, self._channels) or self._channels <= self._mix.outputs:
            return self._mix
        note = Text(
            "only {number} of its {count} channels hold sound; the empty ones are left out",
            number=len(columns),
            count=self._channels,
        )
        if len(columns) == 1:
            note = Text(
                "only channel {number} of its {count} channels holds sound; the empty ones are "
                "left out",
                number=columns[0] + 1,
                count=self._channels,
            )
        return Mix(self._mix.outputs, columns=columns, notes=(note,))

    def _without_cancelling(
        self, mix: Mix, channels: NDArray[np.float64], mixed: NDArray[np.float64]
    ) -> Mix:
        shares = self._shares_of(mix) ** 2 * channels
        greatest = shares.max(axis=1)
        judged = greatest > _QUIET * greatest.max()
        cancelled = judged & (mixed < _CANCELLED * greatest)
        n = int(cancelled.sum())
        if n == 0 or (n < _LEAST_WINDOWS and n < _LEAST_SHARE * judged.sum()):
            return mix
        sums = shares[cancelled].sum(axis=0)
        usual = int(np.flatnonzero(sums > 0.9 * sums.max())[0])
        single = []
        for first, last in _runs(np.flatnonzero(cancelled)):
            there = shares[first : last + 1].sum(axis=0)
            channel = usual if there[usual] > there.max() / 2 else int(there.argmax())
            seconds = self._size / self._rate_hz
            low_s = -1.0 if first == 0 else first * seconds - _REACH_S
            high_s = (last + 1) * seconds + (1.0 if last + 1 == len(judged) else _REACH_S)
            single.append((low_s, high_s, channel))
        everywhere = n > 0.9 * judged.sum() and len(single) == 1
        if everywhere:
            single = [(-1.0, len(judged) * self._size / self._rate_hz + 1.0, single[0][2])]
        note = louder_channel_note(usual) if everywhere else louder_in_parts_note(usual)
        notes = (*mix.notes, note)
        return replace(mix, rate_hz=self._rate_hz, single=tuple(single), notes=notes)

    def _shares_of(self, mix: Mix) -> NDArray[np.float64]:
        """Weight of each channel in the mix, float64 [channels]."""
        if mix.weights is not None:
            return mix.weights[:, 0].astype(np.float64)
        shares = np.zeros(self._channels)
        columns = list(mix.columns or range(self._channels))
        shares[columns] = 1 / len(columns)
        return shares


def louder_channel_note(channel: int) -> Text:
    """The sentence for a file whose channels cancel each other out."""
    return Text(
        "its channels cancel each other out; only the louder one, number {number}, is used",
        number=channel + 1,
    )


def louder_in_parts_note(channel: int) -> Text:
    """The sentence for a file whose channels cancel each other out in places."""
    return Text(
        "in parts of it the channels cancel each other out; only the louder one, number "
        "{number}, is used there",
        number=channel + 1,
    )


def _runs(places: NDArray[np.intp]) -> list[tuple[int, int]]:
    """First and last of the windows that lie closer together than they reach."""
    gap = int(2 * (_REACH_S + _FADE_S) * _WINDOWS_PER_S) + 1
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - gap - 1) > gap)
    stops = [*(starts[1:] - 1), len(places) - 1]
    return [(int(places[a]), int(places[b])) for a, b in zip(starts, stops, strict=True)]


def _spread(block: Floats, columns: Sequence[int], outputs: int) -> Floats:
    """The mean of some channels, or the first two with the mean of the others."""
    if outputs == 1 or len(columns) == 1:
        mean: Floats = block[:, list(columns)].mean(axis=1, keepdims=True)
        return np.repeat(mean, outputs, axis=1)
    firsts = [channel for channel in columns if channel < outputs]
    others = [channel for channel in columns if channel >= outputs]
    spread: Floats = np.zeros((len(block), outputs), np.float32)
    spread[:, firsts] = block[:, firsts]
    if others:
        spread += block[:, others].mean(axis=1, keepdims=True)
    return spread
