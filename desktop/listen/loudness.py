"""Perceived loudness, to compare two sounds at the same level.

Source: ITU-R BS.1770-4 (K weighting, gating); its filters at any rate as pole and zero
frequencies after B. De Man, "Evaluation of implementations of the EBU R128 loudness
measurement", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from desktop.native_library import import_signal_processing

_SHELF_HZ, _SHELF_DB, _SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
_HIGHPASS_HZ, _HIGHPASS_Q = 38.13547087602444, 0.5003270373238773

_STEPS_PER_SECOND = 10
_STEPS_PER_WINDOW = 4
"""BS.1770 measures windows of 400 ms, a step of 100 ms apart."""

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET_DB = -0.691

MAX_MATCH_DB = 24.0
"""With a greater difference one of the two is nearly silent."""


def _k_weighting(rate_hz: int) -> NDArray[np.float64]:
    """The two filters of the K weighting.

    Returns
    -------
    float64 [2, 6]  second-order sections as scipy takes them: high shelf, then high pass
    """
    k = math.tan(math.pi * min(_SHELF_HZ, 0.45 * rate_hz) / rate_hz)
    high = 10 ** (_SHELF_DB / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / _SHELF_Q + k * k
    shelf = [
        (high + middle * k / _SHELF_Q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - middle * k / _SHELF_Q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / _SHELF_Q + k * k) / a0,
    ]
    k = math.tan(math.pi * _HIGHPASS_HZ / rate_hz)
    a0 = 1 + k / _HIGHPASS_Q + k * k
    highpass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / _HIGHPASS_Q + k * k) / a0]
    return np.array([shelf, highpass])


class LoudnessMeter:
    """Measures sound block by block, keeping one number per 100 ms.

    Parameters
    ----------
    rate_hz : sample rate
    channels : number of columns; each has the weight of left and right
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._sections = _k_weighting(rate_hz)
        self._state = np.zeros((2, 2, channels))
        self._step = max(1, rate_hz // _STEPS_PER_SECOND)
        self._rest = np.zeros(0)
        self._step_power: list[NDArray[np.float64]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Add a block, float32 [n, channels]."""
        import_signal_processing()  # here: it takes a third of a second
        from scipy.signal import sosfilt

        heard, self._state = sosfilt(self._sections, block, axis=0, zi=self._state)
        power = np.concatenate([self._rest, np.square(heard).sum(axis=1)])
        n_steps = len(power) // self._step
        whole = power[: n_steps * self._step].reshape(n_steps, self._step)
        self._step_power.append(whole.mean(axis=1))
        self._rest = power[n_steps * self._step :]

    def loudness_lufs(self) -> float | None:
        """Gated loudness so far; None if all is silent.

        Sounds shorter than a window of 400 ms are measured without gates.
        """
        steps = np.concatenate([*self._step_power, np.zeros(0)])
        if len(steps) < _STEPS_PER_WINDOW:
            powers = np.concatenate([steps, self._rest])
            return _lufs(float(powers.mean())) if powers.size else None
        total = np.concatenate([[0.0], np.cumsum(steps)])
        windows = (total[_STEPS_PER_WINDOW:] - total[:-_STEPS_PER_WINDOW]) / _STEPS_PER_WINDOW
        loud = windows[windows > _power(_ABSOLUTE_GATE_LUFS)]
        if not loud.size:
            return None
        gate = loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)
        return _lufs(float(loud[loud > gate].mean()))


def matching_gains_db(sounds_lufs: Sequence[float | None]) -> list[float]:
    """Gains that make all sounds as loud as the quietest.

    0 for silent ones, which don't count; none is below −`MAX_MATCH_DB`.
    """
    quietest = min((each for each in sounds_lufs if each is not None), default=0.0)
    return [0.0 if each is None else max(-MAX_MATCH_DB, quietest - each) for each in sounds_lufs]


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_DB) / 10))


def _lufs(power: float) -> float | None:
    found = _OFFSET_DB + 10 * math.log10(power) if power > 0 else -math.inf
    return found if found > _ABSOLUTE_GATE_LUFS else None
