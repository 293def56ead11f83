"""Pitch as a curve: the levels a synthesizer reads, transposing, and reading one from a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import PitchCurveError
from engine.segments import FRAMES_PER_SECOND

COARSE_MIN_HZ = 50.0
COARSE_MAX_HZ = 1100.0
COARSE_LEVELS = 255
MAX_FILE_BYTES = 64_000_000
MAX_HZ = 8000.0
MIN_HZ = 10.0


def coarse_pitch(f0_hz: Tensor) -> Tensor:
    """The pitch as one of 255 levels, evenly spaced in mel from 50 to 1100 Hz.

    Parameters
    ----------
    f0_hz : float32 [...]  0 where unvoiced

    Returns
    -------
    int64 [...]  1..255; 1 where unvoiced or below 50 Hz
    """
    low, high = (1127.0 * math.log(1.0 + hz / 700.0) for hz in (COARSE_MIN_HZ, COARSE_MAX_HZ))
    mel = 1127.0 * torch.log(1.0 + f0_hz / 700.0)
    level = (mel - low) * (COARSE_LEVELS - 1) / (high - low) + 1.0
    return torch.round(level.clamp(1.0, float(COARSE_LEVELS))).long()


def shift(f0_hz: Tensor, semitones: float) -> Tensor:
    """Transpose: f0 · 2^(semitones / 12); 0 (unvoiced) stays 0."""
    factor: float = 2.0 ** (semitones / 12.0)
    return f0_hz * factor


@dataclass(frozen=True, eq=False)
class PitchCurve:
    """Points of a pitch curve.

    Attributes
    ----------
    seconds : float64 [P]  increasing
    hz : float64 [P]  0 where unvoiced
    """

    seconds: NDArray[np.float64]
    hz: NDArray[np.float64]

    def at_frames(self, n_frames: int, start_s: float = 0.0) -> NDArray[np.float32]:
        """Pitch at ``start_s``, ``start_s`` + 10 ms, ...: float32 [n_frames].

        Straight lines join voiced points. Beside an unvoiced point the nearer of the two counts,
        and beyond the first and last point everything is unvoiced.
        """
        # In frames, and a hair of tolerance: 0.07 s must be frame 7 whatever its last bit.
        times = np.arange(n_frames) + start_s * FRAMES_PER_SECOND
        points = self.seconds * FRAMES_PER_SECOND
        after = np.searchsorted(points, times, side="right").clip(1, max(len(points) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(points) - 1)
        span = np.maximum(points[after] - points[before], 1e-9)
        part = ((times - points[before]) / span).clip(0.0, 1.0)
        low, high = self.hz[before], self.hz[after]
        f0_hz = np.where(part < 0.5, low, high)
        voiced = (low > 0) & (high > 0)
        f0_hz = np.where(voiced, low + part * (high - low), f0_hz)
        outside = (times < points[0] - 1e-6) | (times > points[-1] + 1e-6)
        return np.where(outside, 0.0, f0_hz).astype(np.float32)


def read_curve_file(path: Path) -> PitchCurve:
    """Read ``seconds,hz`` lines; semicolons and tabs separate too, one header line may come first.

    Raises
    ------
    PitchCurveError : unreadable, empty, or a line that is no point of a curve; says which line
    """
    what = f'Cannot read the pitch curve "{path.name}"'
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PitchCurveError(what, "it is larger than any pitch curve", "choose another file")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        why = (
            "there is no such file"
            if isinstance(cause, FileNotFoundError)
            else "it cannot be opened"
        )
        raise PitchCurveError(what, why, "choose an existing CSV file") from cause
    except UnicodeDecodeError as cause:
        raise PitchCurveError(
            what, "it is not a text in UTF-8", "save it as CSV (UTF-8)"
        ) from cause
    points = list(_points(text, what))
    if not points:
        raise PitchCurveError(what, "it has no points", 'give a line "seconds,hz" for each point')
    seconds, hz = np.array(points, dtype=np.float64).T
    return PitchCurve(seconds, hz)


def _points(text: str, what: str) -> Iterator[tuple[float, float]]:
    """The points of a file, checked one by one."""
    last_s = -math.inf
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = _fields(line)
        values = [_number(field) for field in fields]
        if first and all(value is None for value in values):
            first = False
            continue
        first = False
        if len(values) != 2 or values[0] is None or values[1] is None:
            why = f'line {number} is not two numbers ("{_shown(line)}")'
            raise PitchCurveError(what, why, 'write "seconds,hz", for example 0.25,220')
        second_s, hz = values[0], values[1]
        if second_s < 0 or hz < 0:
            why = f"line {number} has a negative number"
            raise PitchCurveError(what, why, "times start at 0, and 0 Hz means unvoiced")
        if hz and not MIN_HZ <= hz <= MAX_HZ:
            why = f"line {number} asks for {hz:g} Hz"
            raise PitchCurveError(what, why, f"give {MIN_HZ:g} to {MAX_HZ:g} Hz, or 0 for unvoiced")
        if second_s <= last_s:
            why = f"the time in line {number} ({second_s:g} s) is not after the one before"
            raise PitchCurveError(what, why, "sort the lines by time and give each time once")
        last_s = second_s
        yield second_s, hz


def _fields(line: str) -> list[str]:
    """Split at tabs, else semicolons (then a comma is a decimal one), else commas."""
    for separator in ("\t", ";"):
        if separator in line:
            return [field.strip().replace(",", ".") for field in line.split(separator)]
    return [field.strip() for field in line.split(",")]


def _number(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _shown(line: str) -> str:
    text = line.strip()[:40]
    return "".join(letter if letter.isprintable() else " " for letter in text)
