"""A pitch curve given by the user: its file, and its pitch at each frame."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import NotAFileError, PitchCurveError, Text
from engine.files import atomic_file, read_small_file
from engine.segments import FRAMES_PER_SECOND

_MAX_FILE_BYTES = 64_000_000
_MAX_HZ = 8000.0
_MIN_HZ = 10.0


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

        Straight lines join voiced points. Next to an unvoiced point the nearer point counts;
        before the first and after the last point everything is unvoiced.
        """
        # In frames, with a small tolerance: 0.07 s must be frame 7 despite rounding.
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

    Further columns are ignored, such as the confidence that CREPE writes.

    Raises
    ------
    PitchCurveError : unreadable, empty, or a line that is not a point; the message says which
    """
    what = Text('Cannot read the pitch curve "{name}"', name=path.name)
    try:
        text = read_small_file(path, _MAX_FILE_BYTES).decode("utf-8-sig")
    except NotAFileError as cause:
        raise PitchCurveError(what, "it is not a regular file", "choose a CSV file") from cause
    except OSError as cause:
        missing = isinstance(cause, FileNotFoundError)
        why = "the file does not exist" if missing else "it cannot be opened"
        raise PitchCurveError(what, why, "choose an existing CSV file") from cause
    except UnicodeDecodeError as cause:
        raise PitchCurveError(
            what, "it is not a text in UTF-8", "save it as CSV (UTF-8)"
        ) from cause
    except ValueError as cause:
        raise PitchCurveError(
            what, "it is too large for a pitch curve", "choose another file"
        ) from cause
    points = list(_points(text, what))
    if not points:
        raise PitchCurveError(what, "it has no points", 'give a line "seconds,hz" for each point')
    seconds, hz = np.array(points, dtype=np.float64).T
    return PitchCurve(seconds, hz)


def write_curve_file(path: Path, f0_hz: NDArray[np.float32]) -> None:
    """Write a curve that `read_curve_file` gives back exactly, as ``seconds,hz`` lines.

    Of each unvoiced stretch only the ends are written; an existing file is replaced in one step.

    Parameters
    ----------
    f0_hz : float32 [T] at 100 frames a second, 0 where unvoiced

    Raises
    ------
    OSError : the file cannot be written
    """
    voiced = f0_hz > 0
    near = voiced.copy()
    near[1:] |= voiced[:-1]
    near[:-1] |= voiced[1:]
    near[:1] = near[-1:] = True
    with (
        atomic_file(path, overwrite=True) as descriptor,
        os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file,
    ):
        file.write("seconds,hz\n")
        for frame in np.flatnonzero(near).tolist():
            file.write(f"{frame / FRAMES_PER_SECOND:.2f},{f0_hz[frame]:.9g}\n")


def _points(text: str, what: Text) -> Iterator[tuple[float, float]]:
    """The points of a file, checked one by one."""
    last_s = -math.inf
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = _fields(line)
        values = [_number(field) for field in fields[:2]]
        if first and all(value is None for value in values):
            first = False
            continue
        first = False
        if len(values) < 2 or values[0] is None or values[1] is None:
            why = Text(
                'line {number} is not two numbers ("{line}")', number=number, line=_shown(line)
            )
            raise PitchCurveError(what, why, 'write "seconds,hz", for example 0.25,220')
        second_s, hz = values[0], values[1]
        if second_s < 0 or hz < 0:
            why = Text("line {number} has a negative number", number=number)
            raise PitchCurveError(what, why, "times start at 0, and 0 Hz means unvoiced")
        if hz and not _MIN_HZ <= hz <= _MAX_HZ:
            raise PitchCurveError(
                what,
                Text("line {number} asks for {pitch_hz:g} Hz", number=number, pitch_hz=hz),
                Text(
                    "give {lowest_hz:g} to {highest_hz:g} Hz, or 0 for unvoiced",
                    lowest_hz=_MIN_HZ,
                    highest_hz=_MAX_HZ,
                ),
            )
        if second_s <= last_s:
            why = Text(
                "the time in line {number} ({time_s:g} s) is not after the one before",
                number=number,
                time_s=second_s,
            )
            raise PitchCurveError(what, why, "sort the lines by time and give each time once")
        last_s = second_s
        yield second_s, hz


def _fields(line: str) -> list[str]:
    """Split at tabs, else semicolons (a comma is then a decimal point), else commas."""
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
