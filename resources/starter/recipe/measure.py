"""What is measured on a result, each on its own and without the product's own code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from engine.models.mel import mel_filter_bank

Floats = NDArray[np.float64]

RATE_HZ = 16_000
F0_RANGE_HZ = (50.0, 1100.0)
FRAME_MS = 10.0
FRAME_RATE_HZ = 100.0
NEAR_CENTS = 50.0

_MFCC_BANDS, _MFCC_COUNT, _MFCC_FFT, _MFCC_HOP = 40, 20, 512, 160
_HISS_HZ = 2500.0
_HISS_SAMPLES = RATE_HZ * 8 // 100
_CLICK_RATIO = 12.0


def harvest(samples: Floats) -> Floats:
    """Pitch in Hz every 10 ms, 0 where unvoiced, by WORLD's Harvest (Morise 2017)."""
    import pyworld  # only the report needs it

    low, high = F0_RANGE_HZ
    f0, times = pyworld.harvest(samples, RATE_HZ, low, high, FRAME_MS)
    refined: Floats = pyworld.stonemask(samples, f0, times, RATE_HZ)
    return refined


def cents_off(asked_hz: Floats, made_hz: Floats) -> Floats:
    """Distance in cents in every frame in which both have a pitch."""
    n = min(len(asked_hz), len(made_hz))
    asked, made = asked_hz[:n], made_hz[:n]
    both = (asked > 0) & (made > 0)
    off: Floats = 1200 * np.abs(np.log2(made[both] / asked[both]))
    return off


def mfcc(samples: Floats) -> Floats:
    """Mel-frequency cepstrum of the loud frames, [19, T], without its level."""
    count = max(1 + (len(samples) - _MFCC_FFT) // _MFCC_HOP, 1)
    padded = np.pad(samples, (0, max(_MFCC_FFT - len(samples), 0)))
    at = np.arange(count)[:, None] * _MFCC_HOP + np.arange(_MFCC_FFT)
    frames = padded[at]
    power = np.abs(np.fft.rfft(frames * np.hanning(_MFCC_FFT))) ** 2
    filters = mel_filter_bank(RATE_HZ, _MFCC_FFT, _MFCC_BANDS, 0.0, RATE_HZ / 2).numpy()
    logs = np.log(power @ filters.T + 1e-8)
    bands = (np.arange(_MFCC_BANDS) + 0.5) * np.pi / _MFCC_BANDS
    cosines = np.cos(np.arange(1, _MFCC_COUNT)[:, None] * bands)
    level = np.sqrt((frames**2).mean(1))
    cepstra: Floats = cosines @ logs[level > 0.05 * level.max()].T
    return cepstra


def voice_distance(first: Floats, second: Floats, spread: Floats) -> float:
    """RMS distance of two mean cepstra, in the target's standard deviations."""
    return float(np.sqrt((((first.mean(1) - second.mean(1)) / spread) ** 2).mean()))


def comb_db(samples: Floats) -> float:
    """How far the loudness of hiss swings at the frame rate: about 0 dB is not at all.

    The envelope of what lies above 2.5 kHz: its spectrum at 100 Hz against the mean of its
    surroundings (50-75 and 125-150 Hz).
    """
    total = np.zeros(_HISS_SAMPLES // 2 + 1)
    for piece in _hiss(samples):
        envelope = piece**2 / (piece**2).mean()
        total += np.abs(np.fft.rfft((envelope - 1) * np.hanning(_HISS_SAMPLES))) ** 2
    hz = np.fft.rfftfreq(_HISS_SAMPLES, 1 / RATE_HZ)
    at_rate = total[np.abs(hz - FRAME_RATE_HZ) < 1].mean()
    beside = total[((hz >= 50) & (hz <= 75)) | ((hz >= 125) & (hz <= 150))].mean()
    return float(10 * np.log10(at_rate / beside)) if beside > 0 else float("nan")


def repetition(samples: Floats) -> float:
    """How far hiss is the same one frame later: 0 is noise, 1 a buzz at the frame rate."""
    lag = int(RATE_HZ / FRAME_RATE_HZ)
    found = []
    for piece in _hiss(samples):
        first, second = piece[:-lag], piece[lag:]
        found.append((first @ second) / np.sqrt((first @ first) * (second @ second)))
    return float(np.mean(found)) if found else float("nan")


def _hiss(samples: Floats) -> list[Floats]:
    """What lies above 2.5 kHz, in the stretches of 80 ms in which that is most of the sound."""
    high = _above(samples, _HISS_HZ)
    loudest = np.abs(high).max(initial=0.0)
    found = []
    for start in range(0, len(high) - _HISS_SAMPLES, _HISS_SAMPLES // 4):
        piece = high[start : start + _HISS_SAMPLES]
        energy = (piece**2).sum()
        whole = (samples[start : start + _HISS_SAMPLES] ** 2).sum()
        if energy > 0.5 * whole and np.sqrt(energy / _HISS_SAMPLES) > 0.02 * loudest:
            found.append(piece)
    return found


def _above(samples: Floats, hz: float) -> Floats:
    filtered: Floats = sosfiltfilt(butter(6, hz, "highpass", fs=RATE_HZ, output="sos"), samples)
    return filtered


def clicks(samples: Floats) -> int:
    """Single samples whose second difference towers above everything within 5 ms."""
    jump = np.abs(np.diff(samples, 2))
    around = int(0.005 * RATE_HZ)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(jump, around), 2 * around + 1)
    usual = np.sort(windows, axis=1)[:, -8]
    return int(((jump > _CLICK_RATIO * usual) & (jump > 0.02)).sum())


def level_db(samples: Floats) -> float:
    """RMS against full scale."""
    return float(10 * np.log10((samples**2).mean() + 1e-12))


def word_hits(spoken: Sequence[str], heard: Sequence[str]) -> tuple[int, int]:
    """Words found in their order, and errors (substituted, lost, added) of the best alignment."""
    row = [(j, 0) for j in range(len(heard) + 1)]
    for i, word in enumerate(spoken, 1):
        new = [(i, 0)]
        for j, other in enumerate(heard, 1):
            same = word == other
            errors, hits = row[j - 1]
            ways = [
                (errors + (not same), -(hits + same)),
                (row[j][0] + 1, -row[j][1]),
                (new[j - 1][0] + 1, -new[j - 1][1]),
            ]
            best = min(ways)
            new.append((best[0], -best[1]))
        row = new
    return row[-1][1], row[-1][0]
