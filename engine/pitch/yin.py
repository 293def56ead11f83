"""Pitch without a network: lags at which the sound repeats itself, and the best path over them.

After de Cheveigné & Kawahara 2002 (YIN: the difference function) and Mauch & Dixon 2014 (pYIN:
several candidates for each frame, one path). Two changes: the difference is weighted by a window
that is symmetric about the frame for *every* lag, so that a gliding pitch is not placed too early;
and it is divided by the energy of what it compares, so that 0 is a perfect repetition and 1 noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.pitch.path import best_path, drop_short_runs, local_median
from engine.pitch.tracker import Pause, PitchTracker, TrackerContext, no_pause
from engine.segments import ANALYSIS_RATE_HZ, HOP_SAMPLES

BATCH_FRAMES = 384
"""Frames computed at once: 25 MB, and 61,440 samples, below Metal's limit for convolutions."""

LOWPASS_HZ = 2000.0
LOWPASS_TAPS = 65
"""Above this, voices have more noise than harmonics, and a lag in whole samples is too coarse."""

WINDOW_PERIODS = 3.0
"""Length of the window, in periods of the lowest pitch."""

CANDIDATES = 7
OCTAVE_COST = 0.03
"""Each octave of lag costs this much more: a tone also repeats after 2, 3, ... periods."""

OCTAVE_ORIGIN_HZ = 300.0
UNVOICED_COST = 0.5
"""Share of noise up to which a frame at the origin may be voiced; creaky voices need this."""

SWITCH_COST = 0.25
JUMP_COST = 1.2
"""For a jump by an octave within 10 ms."""

MAX_JUMP_COST = 1.5
REGISTER_OCTAVES = 0.6
REGISTER_FACTOR = 2.0
"""Noise counts this much more for each octave further than that from the median of the seconds
around: hiss that repeats by chance at a high pitch is unvoiced, a clear leap stays voiced."""

MIN_RUN_FRAMES = 3
SILENCE_DB = -70.0
BELOW_LOUD_DB = -45.0
"""Frames this far below the loud ones of the sound are unvoiced (reverb, bleed)."""


@dataclass(frozen=True)
class _Candidates:
    """f0_hz [T, K], share of noise [T, K] (inf where there is none), energy [T]."""

    f0_hz: NDArray[np.float32]
    noise: NDArray[np.float32]
    energy: NDArray[np.float32]


def yin_tracker(context: TrackerContext) -> PitchTracker:
    """Factory of the method ``yin``."""
    options = context.options
    return lambda audio: track_yin(audio, options.f0_min_hz, options.f0_max_hz, context.pause)


def track_yin(
    audio: Tensor,
    f0_min_hz: float = 50.0,
    f0_max_hz: float = 2000.0,
    pause: Pause = no_pause,
) -> Tensor:
    """Pitch of samples float32 [N] (mono, 16 kHz): f0_hz float32 [N // 160 + 1], 0 = unvoiced.

    The difference functions run on the audio's device in batches, the path on the CPU.

    Parameters
    ----------
    f0_min_hz, f0_max_hz : range of the pitch, at least half an octave, 20..2000 Hz
    pause : called between batches
    """
    found = _find_candidates(audio.detach(), f0_min_hz, f0_max_hz, pause)
    log_f0 = np.log2(found.f0_hz)
    silent = _silent(found.energy)
    cost = found.noise + np.float32(OCTAVE_COST) * (
        np.float32(math.log2(OCTAVE_ORIGIN_HZ)) - log_f0
    )
    unvoiced_cost = np.where(silent, -np.float32(1.0), np.float32(UNVOICED_COST))
    path = _path(log_f0, cost, unvoiced_cost)
    median = local_median(np.where(path >= 0, _take(log_f0, path), np.nan))
    away = (np.abs(log_f0 - median[:, None]) - np.float32(REGISTER_OCTAVES)).clip(min=0.0)
    doubt = np.float32(REGISTER_FACTOR) * away * np.minimum(found.noise, np.float32(1.0))
    path = _path(log_f0, cost + doubt, unvoiced_cost)
    path = drop_short_runs(path, MIN_RUN_FRAMES)
    f0_hz = np.where(path >= 0, _take(found.f0_hz, path), np.float32(0.0))
    return torch.from_numpy(f0_hz.astype(np.float32)).to(audio.device)


def _path(
    log_f0: NDArray[np.float32], cost: NDArray[np.float32], unvoiced_cost: NDArray[np.float32]
) -> NDArray[np.int64]:
    return best_path(log_f0, cost, unvoiced_cost, JUMP_COST, MAX_JUMP_COST, SWITCH_COST)


def _take(values: NDArray[np.float32], path: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.take_along_axis(values, path.clip(min=0)[:, None], axis=1)[:, 0]


def _silent(energy: NDArray[np.float32]) -> NDArray[np.bool_]:
    loud = float(np.percentile(energy, 95))
    floor = max(10.0 ** (SILENCE_DB / 10.0), loud * 10.0 ** (BELOW_LOUD_DB / 10.0))
    silent: NDArray[np.bool_] = energy < floor
    return silent


def _find_candidates(
    audio: Tensor, f0_min_hz: float, f0_max_hz: float, pause: Pause
) -> _Candidates:
    """Candidates of every frame, a batch at a time."""
    n_frames = audio.shape[-1] // HOP_SAMPLES + 1
    lag_min = max(math.floor(ANALYSIS_RATE_HZ / f0_max_hz), 2)
    lag_max = math.ceil(ANALYSIS_RATE_HZ / f0_min_hz)
    window = torch.hann_window(
        2 * math.ceil(WINDOW_PERIODS * lag_max / 2), periodic=False, device=audio.device
    )
    taps = _lowpass(audio.device)
    parts = []
    for start in range(0, n_frames, BATCH_FRAMES):
        pause(start / n_frames)
        count = min(BATCH_FRAMES, n_frames - start)
        frames = _frames(audio, start, count, len(window), taps)
        noise, energy = _noise_at_lags(frames, window, lag_max + 2)
        f0_hz, depth = _dips(noise, lag_min, lag_max)
        inside = (f0_hz >= f0_min_hz) & (f0_hz <= f0_max_hz)
        depth = torch.where(inside, depth, torch.full_like(depth, math.inf))
        f0_hz = f0_hz.clamp(f0_min_hz, f0_max_hz)
        parts.append((f0_hz.cpu().numpy(), depth.cpu().numpy(), energy.cpu().numpy()))
    joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    return _Candidates(joined[0], joined[1], joined[2])


def _lowpass(device: torch.device) -> Tensor:
    """Windowed sinc, float32 [1, 1, taps], sum 1."""
    n = torch.arange(LOWPASS_TAPS, device=device) - LOWPASS_TAPS // 2
    taps = torch.sinc(2.0 * LOWPASS_HZ / ANALYSIS_RATE_HZ * n)
    taps = taps * torch.hann_window(LOWPASS_TAPS + 2, periodic=False, device=device)[1:-1]
    return (taps / taps.sum())[None, None]


def _frames(audio: Tensor, start: int, count: int, length: int, taps: Tensor) -> Tensor:
    """Low-passed frames [count, length] centred on samples 160 j, without their mean."""
    margin = LOWPASS_TAPS // 2
    low = start * HOP_SAMPLES - length // 2 - margin
    high = low + (count - 1) * HOP_SAMPLES + length + 2 * margin
    part = audio[max(low, 0) : max(min(high, audio.shape[-1]), 0)].float()
    part = functional.pad(part, (max(-low, 0), high - max(low, 0) - part.shape[-1]))
    smooth = functional.conv1d(part[None, None], taps)[0, 0]
    frames = smooth.unfold(0, length, HOP_SAMPLES)
    return frames - frames.mean(1, keepdim=True)


def _noise_at_lags(frames: Tensor, window: Tensor, n_lags: int) -> tuple[Tensor, Tensor]:
    """How much a frame differs from itself at each lag.

    With u_n = w_n w_(n+lag): sum u (x_n - x_(n+lag))² / sum u (x_n² + x_(n+lag)²); all three sums
    are correlations, done by FFT.

    Returns
    -------
    noise : float32 [T, n_lags]  0 = repeats perfectly, about 1 = noise
    energy : float32 [T]  windowed mean square
    """
    size = 1 << math.ceil(math.log2(frames.shape[1] + n_lags))
    weighted = torch.fft.rfft(frames * window, size)
    squares = torch.fft.rfft(frames.square() * window, size)
    weights = torch.fft.rfft(window, size)
    product = torch.fft.irfft(weighted.abs().square(), size)[:, :n_lags]
    both = 2.0 * torch.fft.irfft((squares * weights.conj()).real, size)[:, :n_lags]
    energy = both[:, 0] / (2.0 * window.square().sum())
    noise = 1.0 - 2.0 * product / both.clamp(min=1e-9)
    return noise, energy


def _dips(noise: Tensor, lag_min: int, lag_max: int) -> tuple[Tensor, Tensor]:
    """The best local minima of each frame, refined by a parabola.

    Returns
    -------
    f0_hz : float32 [T, K]
    depth : float32 [T, K]  the noise there, inf where a frame has fewer minima
    """
    left, middle, right = (noise[:, lag_min + k : lag_max + 1 + k] for k in (-1, 0, 1))
    curvature = (left - 2.0 * middle + right).clamp(min=1e-9)
    offset = (0.5 * (left - right) / curvature).clamp(-1.0, 1.0)
    depth = middle - 0.25 * (left - right) * offset
    lag = torch.arange(lag_min, lag_max + 1, device=noise.device) + offset
    minimum = (middle <= left) & (middle < right)
    depth = torch.where(minimum, depth, torch.full_like(depth, math.inf))
    ranked = depth + OCTAVE_COST * torch.log2(lag)
    best = ranked.topk(min(CANDIDATES, ranked.shape[1]), dim=1, largest=False).indices
    return ANALYSIS_RATE_HZ / lag.gather(1, best), depth.gather(1, best)
