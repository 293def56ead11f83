"""The one seeded source of randomness: every value depends on seed, stream and position alone."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_Unsigned = TypeVar("_Unsigned", np.uint16, np.uint32)

# Positions may be negative (context reflected before the start of a file).
_ORIGIN = 1 << 63
# A step of Philox' counter gives four words of 64 bits.
_BYTES_PER_STEP = 32
# Computed in pieces whose temporary arrays stay in the cache.
_PIECE = 1 << 16

# Normal quantile: Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), PPND7, whose relative
# error is about 1e-7. Rational functions of (0.425² - q²) within |q| <= 0.425 and of
# (sqrt(-log(tail)) - 1.6) beyond; highest power first.
_CENTRE_SPLIT = 0.425
_CENTRE_NUMERATOR = (59.109374720, 159.29113202, 50.434271938, 3.3871327179)
_CENTRE_DENOMINATOR = (67.187563600, 78.757757664, 17.895169469, 1.0)
_TAIL_SHIFT = 1.6
_TAIL_NUMERATOR = (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)
_TAIL_DENOMINATOR = (0.12021132975, 0.73700164250, 1.0)


class NoiseField:
    """Noise that is the same in whatever order and pieces it is drawn.

    The values come from Philox (Salmon et al. 2011), a counter-based generator: the seed and the
    stream's name are its key, the position is its counter. numpy guarantees its raw words for all
    versions, but not its normal distribution; a normal value here is one of 65,536 equally likely
    ones, chosen by 16 bits: the middles of as many equal shares (up to 4.3 standard deviations).

    Parameters
    ----------
    seed : any integer; taken modulo 2^64
    enabled : if False everything is zero
    """

    def __init__(self, seed: int, *, enabled: bool = True) -> None:
        self._seed = seed % (1 << 64)
        self._enabled = enabled

    def normal(self, stream: str, start: int, stop: int, channels: int = 1) -> Floats:
        """Standard normal noise of the positions from `start` to before `stop`.

        Parameters
        ----------
        stream : name of what it is for; streams are independent of each other
        start, stop : positions in the stream's own unit (samples, frames); may be negative
        channels : values per position; part of the stream, always the same for one name

        Returns
        -------
        float32 [stop - start, channels]

        Raises
        ------
        ValueError : `stop` before `start`, or no channel
        """
        if stop < start or channels < 1:
            raise ValueError(f"cannot draw positions {start} to {stop} of {channels} channels")
        noise = np.zeros((stop - start) * channels, np.float32)
        if self._enabled:
            first = start * channels
            for offset in range(0, len(noise), _PIECE):
                piece = noise[offset : offset + _PIECE]
                bits = self._bits("normal:" + stream, first + offset, len(piece), np.uint16)
                _normal_values().take(bits, out=piece, mode="clip")
        return noise.reshape(-1, channels)

    def uniform(self, stream: str, count: int) -> Floats:
        """`count` values in [0, 1), e.g. start phases in cycles; float32 [count].

        Raises
        ------
        ValueError : `count` below 0
        """
        if count < 0:
            raise ValueError(f"cannot draw {count} values")
        if not self._enabled:
            return np.zeros(count, np.float32)
        # 24 bits are what a float32 holds: more could round up to 1.
        bits = self._bits("uniform:" + stream, 0, count, np.uint32) >> 8
        return (bits * 2.0**-24).astype(np.float32)

    def _bits(
        self, stream: str, first: int, count: int, kind: type[_Unsigned]
    ) -> npt.NDArray[_Unsigned]:
        """Random bits for each place from `first`; uint16 or uint32 [count]."""
        little = np.dtype(kind).newbyteorder("<")
        step, skipped = divmod(first + _ORIGIN, _BYTES_PER_STEP // little.itemsize)
        words = -(-(skipped + count) * little.itemsize // 8)
        name = hashlib.blake2b(stream.encode(), digest_size=8).digest()
        key = np.array([self._seed, int.from_bytes(name, "little")], np.uint64)
        drawn = np.random.Philox(key=key, counter=step).random_raw(words)
        return drawn.astype("<u8", copy=False).view(little)[skipped : skipped + count]


@cache
def _normal_values() -> Floats:
    """The value of each 16-bit number, float32 [65536], rising."""
    middles = np.arange(1 << 15, 1 << 32, 1 << 16).astype(np.uint32)
    return _normal_quantile(middles).astype(np.float32)


def _normal_quantile(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """The normal value below which the share (bits + 1/2) / 2^32 of all values lies."""
    from_centre = (bits + 0.5) * 2.0**-32 - 0.5  # exact; never 0, and symmetric
    shape = _CENTRE_SPLIT**2 - from_centre * from_centre
    values = from_centre * _polynomial(_CENTRE_NUMERATOR, shape)
    values /= _polynomial(_CENTRE_DENOMINATOR, shape)
    far = np.flatnonzero(shape < 0)
    tail = 0.5 - np.abs(from_centre[far])  # at least 2^-33: within the middle branch of AS 241
    depth = np.sqrt(-np.log(tail)) - _TAIL_SHIFT
    size = _polynomial(_TAIL_NUMERATOR, depth) / _polynomial(_TAIL_DENOMINATOR, depth)
    values[far] = np.copysign(size, from_centre[far])
    return values


def _polynomial(
    coefficients: tuple[float, ...], x: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Horner's scheme in separate roundings, so that every processor computes the same."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value
