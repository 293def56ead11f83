"""The high-pass that removes rumble before the analysis, in float64 on the CPU and on a device.

Of our own, because importing ``scipy.signal`` takes half a second at every start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.audio.spool import Spool
from engine.segments import ANALYSIS_RATE_HZ

CUTOFF_HZ = 48
_ORDER = 5
EDGE_SAMPLES = 3 * (_ORDER + 1)
"""Odd reflection at both ends, as long as `scipy.signal.filtfilt` makes it."""

SLAB_SAMPLES = 1 << 20
"""About a minute is filtered at a time."""
OVERLAP_SAMPLES = 1 << 14
"""A second on both sides, filtered and dropped: by then the filter has forgotten how it began."""

_BLOCK_SAMPLES = 1 << 18

_STEP_SAMPLES = 128
"""So many samples are filtered by one matrix product."""

_Float = TypeVar("_Float", np.float32, np.float64)
_Doubles = NDArray[np.float64]


def highpass_48hz(samples: NDArray[_Float]) -> NDArray[_Float]:
    """Butterworth of order 5 at 48 Hz, forward and backward, so without a shift in time.

    Equal to ``scipy.signal.filtfilt`` (to 1e-6), which needs more than 18 samples; a shorter
    sound is reflected as far as possible, and a single sample becomes 0.

    Parameters
    ----------
    samples : float32 or float64 [n]  at 16 kHz

    Returns
    -------
    [n] of the same type; computed in float64
    """
    n = samples.shape[0]
    if n == 0:
        return samples.copy()
    edge = min(EDGE_SAMPLES, n - 1)
    work = np.empty(n + 2 * edge, dtype=np.float64)
    work[edge : edge + n] = samples
    first, last = work[edge], work[edge + n - 1]
    work[:edge] = 2 * first - work[2 * edge : edge : -1]
    work[edge + n :] = 2 * last - work[edge + n - 2 : n - 2 : -1]
    # The filter blocks constants: without the first sample it begins as if that had always lasted.
    forward, _ = _filtered(work[:, None] - work[0], _at_rest(1))
    backward, _ = _filtered(forward[::-1] - forward[-1], _at_rest(1))
    filtered: NDArray[_Float] = backward[::-1, 0][edge : edge + n].astype(samples.dtype)
    return filtered


def highpass_in_place(
    samples: Spool, gain: np.float32, pause: Callable[[], None] = lambda: None
) -> None:
    """`highpass_48hz` of a sound of any length times a gain, as of the whole at once.

    The forward filter runs twice: first to note its state at each block, then again from the last
    block to the first, followed by the backward filter, so that one block is in memory at a time.

    Parameters
    ----------
    samples : float32 [n, channels] at 16 kHz; is replaced
    pause : called for each block; may raise to stop
    """
    n = len(samples)
    edge = min(EDGE_SAMPLES, n - 1)

    def scaled(start: int, stop: int) -> NDArray[np.float64]:
        return (samples.read(start, stop) * gain).astype(np.float64)

    first, last = scaled(0, edge + 1), scaled(n - 1 - edge, n)
    head, tail = 2 * first[0] - first[:0:-1], 2 * last[-1] - last[-2::-1]
    origin = head[0] if edge else first[0]

    def extended(start: int) -> NDArray[np.float64]:
        """A block of the sound with its reflected edges."""
        pause()
        stop = min(start + _BLOCK_SAMPLES, n + 2 * edge)
        low, high = min(max(start - edge, 0), n), min(max(stop - edge, 0), n)
        after = slice(max(start - edge - n, 0), max(stop - edge - n, 0))
        block: _Doubles = np.concatenate([head[start:stop], scaled(low, high), tail[after]])
        block -= origin
        return block

    starts = range(0, n + 2 * edge, _BLOCK_SAMPLES)
    states = [_at_rest(samples.channels)]
    for start in starts:
        states.append(_filtered(extended(start), states[-1])[1])
    backward, last_of_all = _at_rest(samples.channels), None
    for start, state in reversed(list(zip(starts, states[:-1], strict=True))):
        forward, _ = _filtered(extended(start), state)
        last_of_all = forward[-1] if last_of_all is None else last_of_all
        made, backward = _filtered(forward[::-1] - last_of_all, backward)
        low, high = max(edge - start, 0), max(min(n + edge - start, len(made)), 0)
        if low < high:
            samples.write(start + low - edge, made[::-1][low:high].astype(np.float32))


def filter_in_place(
    samples: Spool, filtered: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> None:
    """Filter a sound of any length, a slab at a time; equal to the whole to 1e-7.

    Parameters
    ----------
    samples : float32 [n, channels] at 16 kHz; is replaced
    filtered : a high-pass of float32 [channels, m]
    """
    before = samples.read(0, 0)
    for start in range(0, len(samples), SLAB_SAMPLES):
        stop = min(start + SLAB_SAMPLES, len(samples))
        after = samples.read(start, min(stop + OVERLAP_SAMPLES, len(samples)))
        slab = np.concatenate([before, after])
        low = len(before)
        made = filtered(np.ascontiguousarray(slab.T))[:, low : low + stop - start]
        before = slab[: low + stop - start][-OVERLAP_SAMPLES:]
        samples.write(start, made.T)


def _at_rest(channels: int) -> _Doubles:
    """The state of the filter after silence, [5, channels]."""
    return np.zeros((_ORDER, channels))


def _filtered(x: _Doubles, state: _Doubles) -> tuple[_Doubles, _Doubles]:
    """The filter forward in time, float64 [n, channels], and its state after that.

    A step of many samples is linear in its samples and in the state before: two products.
    """
    by_samples, by_state = _matrices()
    n, channels = x.shape
    count = n // _STEP_SAMPLES
    steps = x[: count * _STEP_SAMPLES].reshape(count, _STEP_SAMPLES, channels).swapaxes(1, 2)
    made = steps.reshape(-1, _STEP_SAMPLES) @ by_samples
    made = made.reshape(count, channels, _STEP_SAMPLES + _ORDER)
    carried = by_state[:, _STEP_SAMPLES:]
    states = np.empty((count, channels, _ORDER))
    now = state.T
    for step in range(count):
        states[step] = now
        now = now @ carried + made[step, :, _STEP_SAMPLES:]
    sound = made[..., :_STEP_SAMPLES] + states @ by_state[:, :_STEP_SAMPLES]
    whole = sound.swapaxes(1, 2).reshape(-1, channels)
    rest, state = filter_by_sample(x[count * _STEP_SAMPLES :], now.T)
    return np.concatenate([whole, rest]), state


@cache
def _matrices() -> tuple[_Doubles, _Doubles]:
    """What a step's samples [128, 128 + 5] and the state before [5, 128 + 5] add to it.

    The columns: the samples of the result, then the state after the step.
    """
    samples = np.eye(_STEP_SAMPLES, _STEP_SAMPLES + _ORDER)
    state = np.eye(_ORDER, _STEP_SAMPLES + _ORDER, _STEP_SAMPLES)
    made = np.concatenate(filter_by_sample(samples, state)).T
    return np.ascontiguousarray(made[:_STEP_SAMPLES]), np.ascontiguousarray(made[_STEP_SAMPLES:])


def filter_by_sample(x: _Doubles, state: _Doubles) -> tuple[_Doubles, _Doubles]:
    """The plain filter: a chain of a first-order and two second-order sections.

    Parameters
    ----------
    x : float64 [n, columns], each filtered by itself
    state : float64 [5, columns]

    Returns
    -------
    the sound, [n, columns], and the state after it
    """
    made, state = x.copy(), state.copy()
    for sample in made:
        first = 0
        for numerator, denominator in _sections():
            order = len(denominator)
            held = state[first : first + order]
            before = sample.copy()
            sample[:] = numerator[0] * before + held[0]
            held[:-1] = held[1:]
            held[-1] = 0
            for place in range(order):
                held[place] += numerator[place + 1] * before - denominator[place] * sample
            first += order
    return made, state


@cache
def _sections() -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """Numerator and denominator (its first 1 left out) of each section, bilinear Butterworth."""
    edge = math.tan(math.pi * CUTOFF_HZ / ANALYSIS_RATE_HZ)
    sections: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
    scale = 1 / (1 + edge)
    sections.append(((scale, -scale), ((edge - 1) * scale,)))
    for pole in range(1, _ORDER // 2 + 1):
        damping = 2 * math.cos(math.pi * pole / _ORDER) * edge
        scale = 1 / (1 + damping + edge**2)
        denominator = (2 * (edge**2 - 1) * scale, (1 - damping + edge**2) * scale)
        sections.append(((scale, -2 * scale, scale), denominator))
    return tuple(sections)


_TRANSFORM_SAMPLES = 1 << 16
"""Length of one Fourier transform: four seconds."""

_NEGLIGIBLE = 1e-8
"""The impulse response is cut where it stays below this."""


def highpass_48hz_on_device(samples: Tensor) -> Tensor:
    """`engine.audio.filters.highpass_48hz` in float32 on the tensor's own device.

    Equal to it to 1e-4 of the peak, for any length; nothing is read back to the host.

    Parameters
    ----------
    samples : float32 ``[..., n]``  at 16 kHz

    Returns
    -------
    float32 ``[..., n]``
    """
    n = samples.shape[-1]
    if n == 0:
        return samples.clone()
    edge = min(EDGE_SAMPLES, n - 1)
    first, last = samples[..., :1], samples[..., -1:]
    head = 2 * first - samples[..., 1 : edge + 1].flip(-1)
    tail = 2 * last - samples[..., n - 1 - edge : n - 1].flip(-1)
    forward = _filter(torch.cat([head, samples, tail], dim=-1))
    return _filter(forward.flip(-1)).flip(-1)[..., edge : edge + n]


def _filter(samples: Tensor) -> Tensor:
    """Filter forwards, as if the first sample had always lasted before: ``[..., n]``.

    `filtfilt` starts in that state. The filter blocks constants, so subtracting the first sample
    and padding with silence gives the same.
    """
    taps = _impulse_response().to(samples.device)
    before = len(taps) - 1
    spectrum = torch.fft.rfft(taps, _TRANSFORM_SAMPLES)
    moved = torch.nn.functional.pad(samples - samples[..., :1], (before, 0))
    step = _TRANSFORM_SAMPLES - before
    blocks = []
    for start in range(0, samples.shape[-1], step):
        block = torch.fft.rfft(moved[..., start : start + _TRANSFORM_SAMPLES], _TRANSFORM_SAMPLES)
        # The first samples of a block are mixed with its end: take them from the block before.
        blocks.append(torch.fft.irfft(block * spectrum, _TRANSFORM_SAMPLES)[..., before:])
    return torch.cat(blocks, dim=-1)[..., : samples.shape[-1]]


@cache
def _impulse_response() -> Tensor:
    """Response to a unit impulse: float32 [about 3,000], computed in float64."""
    impulse = np.zeros((_TRANSFORM_SAMPLES // 2, 1))
    impulse[0] = 1.0
    response = _filtered(impulse, _at_rest(1))[0][:, 0]
    matters = np.flatnonzero(np.abs(response) > _NEGLIGIBLE)
    return torch.from_numpy(response[: matters[-1] + 1].astype(np.float32))
