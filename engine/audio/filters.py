"""The high-pass that removes rumble before the analysis, by scipy and on a device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.audio.linear_filter import linear_filter
from engine.audio.spool import Spool

CUTOFF_HZ = 48
_ORDER = 5
EDGE_SAMPLES = 3 * (_ORDER + 1)
"""Odd reflection at both ends, as long as `scipy.signal.filtfilt` makes it."""

SLAB_SAMPLES = 1 << 20
"""About a minute is filtered at a time."""
OVERLAP_SAMPLES = 1 << 14
"""A second on both sides, filtered and dropped: by then the filter has forgotten how it began."""

_BLOCK_SAMPLES = 1 << 18

_B = 0.9699606451838447 * np.array([1.0, -5.0, 10.0, -10.0, 5.0, -1.0])
_A = np.array(
    [1.0, -4.939001819168364, 9.757863526739543, -9.639544849413458, 4.761506797356209,
     -0.9408236532054606]
)  # fmt: skip
_SETTLED = np.array(
    [-0.9699604796995847, 3.8798419288925783, -5.819762908173043, 3.879841948472456,
     -0.9699604894923387]
)  # fmt: skip
"""Numerator, denominator, and the state after ones without end, as `scipy.signal` computes them."""

_Float = TypeVar("_Float", np.float32, np.float64)


def highpass_48hz(samples: NDArray[_Float]) -> NDArray[_Float]:
    """Butterworth of order 5 at 48 Hz, forward and backward, so without a shift in time.

    Equal to ``scipy.signal.filtfilt`` on float64, which needs more than 18 samples; a shorter
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
    lfilter = linear_filter()
    forward, _ = lfilter(_B, _A, work, 0, _SETTLED * work[0])
    backward, _ = lfilter(_B, _A, forward[::-1], 0, _SETTLED * forward[-1])
    filtered: NDArray[_Float] = backward[::-1][edge : edge + n].astype(samples.dtype)
    return filtered


def highpass_in_place(
    samples: Spool, gain: np.float32, pause: Callable[[], None] = lambda: None
) -> None:
    """`highpass_48hz` of a sound of any length times a gain: the very samples of the whole.

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
    lfilter = linear_filter()
    settled = _SETTLED[:, None]

    def extended(start: int) -> NDArray[np.float64]:
        """A block of the sound with its reflected edges."""
        pause()
        stop = min(start + _BLOCK_SAMPLES, n + 2 * edge)
        low, high = min(max(start - edge, 0), n), min(max(stop - edge, 0), n)
        after = slice(max(start - edge - n, 0), max(stop - edge - n, 0))
        return np.concatenate([head[start:stop], scaled(low, high), tail[after]])

    starts = range(0, n + 2 * edge, _BLOCK_SAMPLES)
    states = [settled * (head[0] if edge else first[0])]
    for start in starts:
        states.append(lfilter(_B, _A, extended(start), 0, states[-1])[1])
    backward = None
    for start, state in reversed(list(zip(starts, states[:-1], strict=True))):
        forward, _ = lfilter(_B, _A, extended(start), 0, state)
        backward = settled * forward[-1] if backward is None else backward
        made, backward = lfilter(_B, _A, forward[::-1], 0, backward)
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
    impulse = np.zeros(_TRANSFORM_SAMPLES // 2)
    impulse[0] = 1.0
    response, _ = linear_filter()(_B, _A, impulse, 0, np.zeros(_ORDER))
    matters = np.flatnonzero(np.abs(response) > _NEGLIGIBLE)
    return torch.from_numpy(response[: matters[-1] + 1].astype(np.float32))
