"""A source as the networks hear it: 16 kHz, peak-limited, without rumble, of any length."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.audio.filters import filter_in_place, highpass_in_place
from engine.audio.mixdown import Mix, MixReview
from engine.audio.resampling import Resampler, resampled_length
from engine.audio.source import SILENT_PEAK
from engine.audio.spool import Spool
from engine.segments import ANALYSIS_RATE_HZ, CONTEXT_FRAMES, HOP_SAMPLES, count_frames

Floats = NDArray[np.float32]

MAX_INPUT_PEAK = 0.95

QUIET_PEAK = 0.1
"""-20 dB. The networks were trained on louder sound: they lose pitch and consonants below."""
LIFTED_PEAK = 0.5
MAX_LIFT = 1_000
"""60 dB: what is quieter still is not a voice."""

_LEVEL_STRETCH_SAMPLES = 30 * ANALYSIS_RATE_HZ

LevelOf = Callable[[Floats], float]
"""Level of float32 [channels, n]; equal functions measure the same."""


class AnalysisRecorder:
    """Receives a source block by block and keeps it at 16 kHz (see `engine.audio.source.Receiver`).

    Parameters
    ----------
    pause : called for each block; may raise to stop
    """

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self.begin(ANALYSIS_RATE_HZ, 1)

    def begin(self, rate_hz: int, channels: int) -> None:
        """Start over."""
        self._rate_hz = rate_hz
        self._samples = Spool(channels)
        self._resampler = Resampler(rate_hz, ANALYSIS_RATE_HZ, channels)
        self._peak = 0.0

    def append(self, block: Floats) -> None:
        """Keep the next float32 [m, channels]."""
        self._pause()
        self._keep(self._resampler.resample(block))

    def finish(self, n_source: int) -> AnalysisSignal:
        """The whole source, ``n_source`` samples at its own rate."""
        self._keep(self._resampler.finish())
        n = resampled_length(n_source, self._rate_hz, ANALYSIS_RATE_HZ)
        self._samples.resize(max(1, n))
        return AnalysisSignal(self._samples, self._peak, n_source, self._rate_hz)

    def _keep(self, block: Floats) -> None:
        if len(block):
            self._peak = max(self._peak, float(np.abs(block).max()))
            self._samples.append(block)


class AnalysisSignal:
    """Positions are in samples at 16 kHz or in frames of 160 of them.

    Attributes
    ----------
    n_source, source_rate_hz : length of the source at its own rate
    frames : frames that cover the source
    channels : 1 or 2
    is_filtered : whether `high_pass` was called
    lift : what `read` multiplies a very quiet source with; known once it is filtered
    """

    def __init__(self, samples: Spool, peak: float, n_source: int, source_rate_hz: int) -> None:
        self.n_source = n_source
        self.source_rate_hz = source_rate_hz
        self.frames = count_frames(n_source, source_rate_hz)
        self.channels = samples.channels
        self._samples = samples
        self._gain = np.float32(MAX_INPUT_PEAK / peak if peak > MAX_INPUT_PEAK else 1.0)
        self._mix = Mix(1)
        self._highest: dict[LevelOf, float] = {}
        self.is_filtered = False
        self.lift = np.float32(1.0)

    def __len__(self) -> int:
        return len(self._samples)

    def blocks(self) -> Iterator[Floats]:
        """All of it, float32 [m, channels] at a time."""
        return self._samples.blocks()

    @classmethod
    def of(
        cls, blocks: Iterable[Floats], n_source: int, source_rate_hz: int, channels: int
    ) -> AnalysisSignal:
        """A signal from blocks float32 [m, channels] at 16 kHz."""
        samples, peak = Spool(channels), 0.0
        for block in blocks:
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            samples.append(block)
        samples.resize(max(1, resampled_length(n_source, source_rate_hz, ANALYSIS_RATE_HZ)))
        return cls(samples, peak, n_source, source_rate_hz)

    def high_pass(
        self, filtered: Callable[[Floats], Floats] | None, pause: Callable[[], None] = lambda: None
    ) -> None:
        """Limit the peak, remove rumble, and find out the lift; to be called once.

        Parameters
        ----------
        filtered : a high-pass of float32 [channels, n]; None is `highpass_48hz`
        pause : called for each block; may raise to stop
        """
        if filtered is None:
            highpass_in_place(self._samples, self._gain, pause)
        else:
            filter_in_place(self._samples, lambda slab: filtered(slab * self._gain))
        self.is_filtered = True
        review = MixReview(self._mix, ANALYSIS_RATE_HZ, self.channels)
        peak = 0.0
        for block in self._samples.blocks():
            peak = max(peak, float(np.abs(block).max()))
            if self.channels > 1:
                review.add(block)
        self._mix = review.better_mix() or self._mix
        if SILENT_PEAK < peak < QUIET_PEAK:
            self.lift = np.float32(min(LIFTED_PEAK / peak, MAX_LIFT))

    @cached_property
    def digest(self) -> str:
        """Tells a filtered signal from every other; to be asked for once it is filtered."""
        digest = hashlib.blake2b(digest_size=20)
        digest.update(repr((self.n_source, self.source_rate_hz, self.channels)).encode())
        for block in self.blocks():
            digest.update(block.tobytes())
        return digest.hexdigest()

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], loud enough for the networks."""
        samples = self.read_as_is(start, stop)
        return samples if self.lift == 1 else samples * self.lift

    def read_as_is(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], as loud as the source."""
        return self._samples.read(start, stop)

    def highest(self, level_of: LevelOf, pause: Callable[[], None] = lambda: None) -> float:
        """The highest level in any half minute of a filtered signal, as loud as `read` gives it.

        Parameters
        ----------
        pause : called for each stretch; may raise to stop
        """
        if level_of not in self._highest:
            levels = []
            for start in range(0, len(self), _LEVEL_STRETCH_SAMPLES):
                pause()
                stop = min(start + _LEVEL_STRETCH_SAMPLES, len(self))
                levels.append(level_of(np.ascontiguousarray(self.read(start, stop).T)))
            self._highest[level_of] = max(levels)
        return self._highest[level_of]

    def middle(self, start: int, stop: int) -> Floats:
        """The mean of the channels, or the louder one where they cancel out: float32 [m]."""
        return self._mixed(self.read(start, stop), start)

    def padded(self, start: int, frames: int) -> Floats:
        """Frames of the signal mirrored at both ends, float32 [frames * 160, channels].

        Parameters
        ----------
        start : 0 is one second (`CONTEXT_FRAMES`) before the source begins
        """
        low = (start - CONTEXT_FRAMES) * HOP_SAMPLES
        high = low + frames * HOP_SAMPLES
        n = len(self)
        parts = [self._mirrored(low, min(high, 0)), self._mirrored(max(low, n), high)]
        if low < n and high > 0:
            parts.insert(1, self.read(max(low, 0), min(high, n)))
        return np.concatenate(parts)

    def padded_middle(self, start: int, frames: int) -> Floats:
        """`padded`, mixed like `middle`: float32 [frames * 160]."""
        return self._mixed(self.padded(start, frames), (start - CONTEXT_FRAMES) * HOP_SAMPLES)

    def _mirrored(self, start: int, stop: int) -> Floats:
        """Samples beyond the ends; a source shorter than that is mirrored several times."""
        if start >= stop:
            return self.read(0, 0)
        turn = len(self) - 1
        places = np.arange(start, stop)
        places = np.abs((places + turn) % (2 * turn) - turn) if turn else 0 * places
        low, high = int(places.min()), int(places.max()) + 1
        mirrored: Floats = self.read(low, high)[places - low]
        return mirrored

    def _mixed(self, block: Floats, start: int) -> Floats:
        mixed: Floats = self._mix.apply(block, start)[:, 0]
        return np.ascontiguousarray(mixed)
