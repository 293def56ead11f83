"""Pitch by SwiftF0, whose weights come with the project; on the CPU on every machine.

The network gives a pitch and a confidence every 16 ms. What follows here is our own: the level
that it is given, which frames count as voiced, and the frames of 10 ms that a voice needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.audio.spool import Spool
from engine.loading import load_swift
from engine.models.swift import (
    CONTEXT_FRAMES,
    HOP_SAMPLES,
    LONGEST_FFT_SAMPLES,
    N_BINS,
    Swift,
    band_pitches_hz,
)
from engine.pitch.tracker import Pause, PitchTracker, TrackerContext, in_range, no_pause
from engine.segments import HOP_SAMPLES as TEN_MS

Floats = NDArray[np.float32]

WEIGHTS = Path(__file__).resolve().parents[2] / "resources" / "pitch" / "swift.safetensors"

WINDOW_FRAMES = 320
"""Five seconds are computed at once: 2 MB for each layer, which a processor's cache holds."""

PEAK = 0.5
"""The sound is scaled to this before the network hears it, which judges by the level too: of a
quiet song (-50 dBFS) it would find two thirds of the frames."""

SILENT_PEAK = 1e-3
"""Frames below this (after scaling) are unvoiced: digital silence gives random confidences."""

VOICED_FROM = 0.5
GROWN_FROM = 0.3
GROWN_FRAMES = 8
GROWN_OCTAVES = 0.15
"""Voiced stretches grow over up to 8 frames of less confidence, while the pitch stays near."""

JOINED_OCTAVES = 1.0 / 6.0
"""Frames further apart are not joined by a line: it is a leap."""


@dataclass(frozen=True, eq=False)
class SwiftFrames:
    """Frames of 10 ms, frame j at sample 160 j of 16 kHz.

    Attributes
    ----------
    f0_hz : float32 [n]  0 where unvoiced
    confidence : float32 [n]  0..1, of the network
    """

    f0_hz: Floats
    confidence: Floats


def swift_tracker(context: TrackerContext) -> PitchTracker:
    """Factory of the method ``swift``."""
    low_hz, high_hz = context.chosen_range_hz

    def track(audio: Tensor) -> Tensor:
        found = swift_frames(
            audio.detach().cpu().numpy(),
            strict=context.options.strict_voicing,
            f0_min_hz=low_hz,
            f0_max_hz=high_hz,
            pause=context.pause,
        )
        return torch.from_numpy(found.f0_hz).to(audio.device)

    return track


def swift_frames(
    audio: Floats | Iterable[Floats],
    *,
    strict: bool = False,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
    pause: Pause = no_pause,
) -> SwiftFrames:
    """Pitch and confidence of mono sound at 16 kHz, N // 160 + 1 frames of 10 ms.

    Parameters
    ----------
    audio : float32 [N], or blocks of it, which may be more than fits into memory
    strict : only frames that the network is sure of are voiced; for reverb and music behind
    f0_min_hz, f0_max_hz : pitches outside are not looked for; None = all from 47 to 2,094 Hz
    pause : called between windows
    """
    source = _Source.of(audio)
    hz, confidence = swift_answers(source, None, f0_min_hz, f0_max_hz, pause)
    voiced = voiced_frames(hz, confidence, strict=strict)
    return at_ten_ms(hz, confidence, voiced, source.n // TEN_MS + 1)


@dataclass(frozen=True)
class _Source:
    """Samples to be read in pieces.

    Attributes
    ----------
    read : gives float32 [stop - start], for 0 <= start <= stop <= n
    n : how many there are
    peak : the highest of their absolute values
    """

    read: Callable[[int, int], Floats]
    n: int
    peak: float

    @classmethod
    def of(cls, audio: Floats | Iterable[Floats]) -> _Source:
        if isinstance(audio, np.ndarray):
            peak = float(np.abs(audio).max(initial=0.0))
            return cls(lambda start, stop: audio[start:stop], len(audio), peak)
        spool, peak = Spool(1), 0.0
        for block in audio:
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            spool.append(block.reshape(-1, 1))
        return cls(lambda start, stop: spool.read(start, stop)[:, 0], len(spool), peak)

    def padded(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start], zero before the beginning and after the end."""
        low, high = max(start, 0), max(min(stop, self.n), 0)
        part = self.read(low, high) if low < high else np.zeros(0, np.float32)
        before = min(low, stop) - start
        return np.pad(part, (before, stop - start - before - len(part)))


def swift_answers(
    source: Floats | _Source,
    n_frames: int | None = None,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
    pause: Pause = no_pause,
    *,
    scaled: bool = True,
) -> tuple[Floats, Floats]:
    """The network's pitch and confidence, float32 [T] each; frame t is centred on sample 256 t.

    Parameters
    ----------
    n_frames : T; None is N // 256 + 1
    scaled : False takes the level as it is, and silence as the network takes it
    """
    source = source if isinstance(source, _Source) else _Source.of(source)
    total = source.n // HOP_SAMPLES + 1 if n_frames is None else n_frames
    gain = np.float32(PEAK / source.peak if scaled and source.peak > 0 else 1.0)
    swift, half = _network(), LONGEST_FFT_SAMPLES // 2
    hz, confidence = np.zeros(total, np.float32), np.zeros(total, np.float32)
    for start in range(0, total, WINDOW_FRAMES):
        pause(start / total)
        stop = min(start + WINDOW_FRAMES, total)
        low, high = max(start - CONTEXT_FRAMES, 0), min(stop + CONTEXT_FRAMES, total)
        first, last = low * HOP_SAMPLES, (high - 1) * HOP_SAMPLES
        samples = source.padded(first - half, last + half) * gain
        logits, sure = swift(torch.from_numpy(samples))
        kept = slice(start - low, stop - low)
        hz[start:stop], at_bins = decode_logits(logits[kept], f0_min_hz, f0_max_hz)
        sure = np.where(at_bins, sure[kept].numpy(), np.float32(0.0))
        if scaled:
            begin = half + (start - low) * HOP_SAMPLES
            heard = samples[begin : begin + (stop - start) * HOP_SAMPLES]
            heard = np.pad(heard, (0, (stop - start) * HOP_SAMPLES - len(heard)))
            loud = np.abs(heard).reshape(-1, HOP_SAMPLES).max(1) >= SILENT_PEAK
            sure = np.where(loud, sure, np.float32(0.0))
        confidence[start:stop] = sure
    return hz, confidence


def decode_logits(
    logits: Tensor, f0_min_hz: float | None = None, f0_max_hz: float | None = None
) -> tuple[Floats, NDArray[np.bool_]]:
    """The mean of the highest bin and its neighbours, weighted by their probabilities.

    Returns
    -------
    hz : float32 [T]
    inside : bool [T]  whether the highest of all bins lies in the range
    """
    bins_hz = band_pitches_hz()
    allowed = in_range(bins_hz, f0_min_hz, f0_max_hz)
    ranged = logits.masked_fill(~allowed, -torch.inf)
    near = ranged.argmax(1, keepdim=True) + torch.tensor([-1, 0, 1])
    padded = torch.nn.functional.pad(ranged, (1, 1), value=-torch.inf)
    share = padded.gather(1, near + 1).double().softmax(1)
    log_hz = torch.log(bins_hz)[near.clamp(0, N_BINS - 1)]
    # A range between two bins allows none of them.
    hz = torch.exp((share.nan_to_num() * log_hz).sum(1)).float()
    return hz.numpy(), allowed[logits.argmax(1)].numpy()


def voiced_frames(hz: Floats, confidence: Floats, *, strict: bool = False) -> NDArray[np.bool_]:
    """Which frames of 16 ms are voiced, bool [T]."""
    voiced: NDArray[np.bool_] = confidence >= VOICED_FROM
    if strict or len(voiced) < 2:
        return voiced
    may = confidence >= GROWN_FROM
    near = np.abs(np.diff(np.log2(hz))) < GROWN_OCTAVES
    for _ in range(GROWN_FRAMES):
        grown = voiced.copy()
        grown[1:] |= may[1:] & near & voiced[:-1]
        grown[:-1] |= may[:-1] & near & voiced[1:]
        voiced = grown
    return voiced


def at_ten_ms(
    hz: Floats, confidence: Floats, voiced: NDArray[np.bool_], n_frames: int
) -> SwiftFrames:
    """From frames of 16 ms to frames of 10 ms.

    The pitch lies on a line (in log f0) between two voiced frames; where they are far apart or one
    is unvoiced, the nearer one counts.
    """
    place = np.arange(n_frames) * (TEN_MS / HOP_SAMPLES)
    before = np.minimum(place.astype(np.int64), len(hz) - 1)
    after = np.minimum(before + 1, len(hz) - 1)
    part = np.minimum(place - before, 1.0)
    share = (1 - part) * voiced[before] + part * voiced[after]
    log_f0 = np.log2(hz.astype(np.float64))
    low, high = log_f0[before], log_f0[after]
    joined = voiced[before] & voiced[after] & (np.abs(high - low) <= JOINED_OCTAVES)
    nearer = np.where(voiced[before] & ((part < 0.5) | ~voiced[after]), low, high)
    f0_hz = np.exp2(np.where(joined, low + part * (high - low), nearer))
    sure = (1 - part) * confidence[before] + part * confidence[after]
    return SwiftFrames(
        np.where(share >= 0.5, f0_hz, 0.0).astype(np.float32), sure.astype(np.float32)
    )


@cache
def _network() -> Swift:
    return load_swift(WEIGHTS)
