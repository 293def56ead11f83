"""Draws pitch curves over a piano grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QApplication

from desktop import style
from desktop.piano import BLACK_KEYS, hz_of, key_colours, midi_of

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Colour = Callable[[QPalette], QColor]

Number = TypeVar("Number", float, NDArray[np.float64])

FRAMES_PER_SECOND = 100

KEYS_WIDTH = 34.0
_STRIP_HEIGHT = 7.0
_EDGE = 6.0
_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_FEWEST_SEMITONES = 24.0
_AFTER_WHITE = frozenset({0, 5})
"""Keys with a white one right below: C and F."""

_MOST_POINTS_PER_PIXEL = 4
_BLOCK = 16
"""Frames whose lowest and highest are kept for zooming out."""

_ALL = 1 << 40
_LEAP_SEMITONES = 7.0
"""Neighbouring frames further apart are not joined by a line."""


def note_name(hz: float) -> str:
    """The nearest note, e.g. ``A4``."""
    number = round(float(midi_of(hz)))
    return f"{_NOTES[number % 12]}{number // 12 - 1}"


class Trace:
    """A curve ready to be drawn at any zoom.

    Parameters
    ----------
    hz : float32 [T] at 100 frames a second, 0 where there is nothing
    only : bool [T]  the frames to keep
    start : the frame of the first one

    Attributes
    ----------
    midi : float32 [T]  in semitones, NaN where there is nothing
    low, high : of all
    """

    def __init__(self, hz: Floats, only: Mask | None = None, start: int = 0) -> None:
        kept = hz > 0 if only is None else (hz > 0) & only
        self.start = start
        self.midi = np.full(len(hz), np.nan, np.float32)
        self.midi[kept] = midi_of(hz[kept])
        self.is_empty = not kept.any()
        blocks = self.midi[: len(hz) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        self._highs = np.fmax.reduce(blocks, axis=1)
        self._lows = np.fmin.reduce(blocks, axis=1)

    @property
    def range(self) -> tuple[float, float] | None:
        """Lowest and highest, except for a few outliers; None if it is empty."""
        if self.is_empty:
            return None
        low, high = np.nanpercentile(self.midi[:: max(len(self.midi) // 50_000, 1)], (0.2, 99.8))
        found = float(low), float(high)
        return found if math.isfinite(found[0]) else None

    def extremes(self, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Lowest and highest from each of these frames to the next, NaN where there is nothing."""
        lows, highs = self.midi, self.midi
        if len(starts) > 1 and starts[1] - starts[0] >= 4 * _BLOCK and len(self._lows):
            lows, highs = self._lows, self._highs
            starts = np.minimum(starts // _BLOCK, len(lows) - 1)
        return np.fmin.reduceat(lows, starts), np.fmax.reduceat(highs, starts)


@dataclass(frozen=True, eq=False)
class Curves:
    """What is shown, each [T] at 100 frames a second.

    Attributes
    ----------
    source_hz : float32, 0 where unvoiced
    edited : where the user changed it
    unsure : where the pitch was repaired, or found with little confidence
    result : the curve of the result, None without one
    strays : where the result does not follow the source
    """

    source_hz: Floats
    edited: Mask
    unsure: Mask
    result: Trace | None = None
    strays: Mask | None = None

    @cached_property
    def source(self) -> Trace:
        """The whole source."""
        return Trace(self.source_hz)

    @cached_property
    def marked(self) -> tuple[Trace, Trace]:
        """The parts of it that are uncertain, and those that are edited."""
        return Trace(self.source_hz, self.unsure), Trace(self.source_hz, self.edited)

    @cached_property
    def strip(self) -> tuple[Mask, ...]:
        """Voiced, uncertain, not followed."""
        rows = (self.source_hz > 0, self.unsure)
        return rows if self.strays is None else (*rows, self.strays)


@dataclass(frozen=True)
class Scale:
    """Where a time and a pitch are drawn.

    Attributes
    ----------
    width, height : of the whole view
    left : where the curves begin, right of the keyboard
    from_s, to_s : the seconds that are visible
    low, high : the visible range in semitones, as MIDI counts
    """

    width: float = 1.0
    height: float = 1.0
    left: float = KEYS_WIDTH
    from_s: float = 0.0
    to_s: float = 1.0
    low: float = 48.0
    high: float = 72.0

    def fitted(self, curves: Curves) -> Scale:
        """With room for both curves, at least two octaves."""
        traces = (curves.source, curves.result)
        found = [trace.range for trace in traces if trace is not None and trace.range is not None]
        low, high = 48.0, 72.0
        if found:
            low, high = min(each[0] for each in found), max(each[1] for each in found)
        missing = max(_FEWEST_SEMITONES - (high - low), 4.0)
        return replace(self, low=low - missing / 2, high=high + missing / 2)

    @property
    def room(self) -> QRectF:
        """The area of the curves."""
        width = max(self.width - self.left - _EDGE, 1.0)
        return QRectF(self.left, _EDGE, width, self.height - 2 * _EDGE - _STRIP_HEIGHT)

    @property
    def semitone(self) -> float:
        """Height of a semitone."""
        return self.room.height() / (self.high - self.low)

    def y(self, midi: Number) -> Number:
        """The height of a pitch."""
        return self.room.top() + (self.high - midi) * self.semitone

    def midi(self, y: float) -> float:
        """The pitch at a height."""
        return self.high - (y - self.room.top()) / self.semitone

    def x(self, seconds: Number) -> Number:
        """The place of a time."""
        share = (seconds - self.from_s) / max(self.to_s - self.from_s, 1e-9)
        return self.room.left() + share * self.room.width()

    def seconds(self, x: float) -> float:
        """The time at a place, at most a bit outside of what is visible."""
        share = (x - self.room.left()) / self.room.width()
        return self.from_s + min(max(share, 0.0), 1.0) * (self.to_s - self.from_s)

    def frame(self, x: float) -> int:
        """The frame at a place."""
        return math.floor(self.seconds(x) * FRAMES_PER_SECOND)

    @property
    def frames_per_pixel(self) -> float:
        """How many frames share a pixel."""
        return (self.to_s - self.from_s) * FRAMES_PER_SECOND / self.room.width()

    def frames_at(self, x: NDArray[np.int64]) -> NDArray[np.float64]:
        """The frames at some places, with fractions."""
        shares = (x.astype(np.float64) - self.room.left()) / self.room.width()
        return (self.from_s + shares * (self.to_s - self.from_s)) * FRAMES_PER_SECOND

    def frames(self, n: int) -> tuple[int, int]:
        """The visible ones of ``n`` frames: ``[first, stop)``."""
        first = min(max(math.floor(self.from_s * FRAMES_PER_SECOND), 0), n)
        return first, max(min(math.ceil(self.to_s * FRAMES_PER_SECOND) + 1, n), first)


class PitchDrawing:
    """Draws one picture.

    Parameters
    ----------
    painter : of the picture
    palette : its colours
    scale : where everything is
    """

    def __init__(self, painter: QPainter, palette: QPalette, scale: Scale) -> None:
        self._painter = painter
        self._palette = palette
        self._scale = scale
        self._text = palette.color(QPalette.ColorRole.Text)
        low, high = math.floor(scale.low), math.ceil(scale.high)
        self._notes = range(low, high + 1)

    def grid(self) -> None:
        """A row for each semitone, darker under black keys, and a line under each C."""
        room = self._scale.room
        for number in self._notes:
            if number % 12 in BLACK_KEYS:
                row = QRectF(room.left(), self._scale.y(number + 0.5), room.width(), self._semitone)
                self._painter.fillRect(row, style.faded(self._text, 0.045))
            elif number % 12 == 0:
                line = QRectF(room.left(), self._scale.y(number - 0.5), room.width(), 1)
                self._painter.fillRect(line, style.faded(self._text, 0.22))

    def keys(self, font: QFont) -> None:
        """The keyboard at the left."""
        painter = self._painter
        width, left = KEYS_WIDTH, self._scale.left - KEYS_WIDTH
        white, black = key_colours(self._palette)
        painter.fillRect(QRectF(left, 0, width, self._scale.height), white)
        painter.fillRect(
            QRectF(self._scale.left, 0, 1, self._scale.height), style.faded(self._text, 0.3)
        )
        small = QFont(font)
        small.setPixelSize(9)
        painter.setFont(small)
        for number in self._notes:
            lower = self._scale.y(number - 0.5)
            if number % 12 in BLACK_KEYS:
                key = QRectF(left, lower - self._semitone, 0.55 * width, self._semitone)
                painter.fillRect(key, style.blend(black, white, 0.85))
            elif number % 12 in _AFTER_WHITE:
                painter.fillRect(QRectF(left, lower, width, 1), style.blend(black, white, 0.3))
            if number % 12 == 0 and 11 < lower < self._scale.height - 2:
                painter.setPen(style.blend(black, white, 0.8))
                place = QRectF(left, lower - 11, width - 3, 11)
                painter.drawText(place, Qt.AlignmentFlag.AlignRight, note_name(hz_of(number)))

    def selection(self, start: int, stop: int) -> None:
        """A selected stretch of frames."""
        colour = style.accent(self._palette)
        left, right = (self._scale.x(frame / FRAMES_PER_SECOND) for frame in (start, stop))
        stretch = QRectF(left, 1, max(right - left, 1.0), self._scale.height - 2)
        self._painter.fillRect(stretch, style.faded(colour, 0.14))
        for x in (left, right):
            self._painter.fillRect(
                QRectF(x - 0.5, 1, 1, stretch.height()), style.faded(colour, 0.6)
            )

    def curves(self, curves: Curves) -> None:
        """The result's curve below the source's."""
        unsure, edited = curves.marked
        if curves.result is not None:
            self.line(curves.result, result_colour(self._palette), 1.4)
        self.line(curves.source, style.accent(self._palette))
        self.line(unsure, style.caution(self._palette))
        self.line(edited, style.good(self._palette))

    def line(
        self,
        trace: Trace,
        colour: QColor,
        width: float = 2.0,
        shape: Qt.PenStyle = Qt.PenStyle.SolidLine,
    ) -> None:
        """A curve: a line, or a column for each pixel where there are many frames in one."""
        first, stop = (frame - trace.start for frame in self._scale.frames(_ALL))
        first, stop = max(first, 0), min(stop, len(trace.midi))
        if trace.is_empty or first >= stop:
            return
        round_cap, round_join = Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
        self._painter.setPen(QPen(colour, width, shape, round_cap, round_join))
        if self._scale.frames_per_pixel > _MOST_POINTS_PER_PIXEL:
            self._columns(trace)
            return
        midi = trace.midi[first:stop].astype(np.float64)
        x = self._scale.x((trace.start + np.arange(first, stop)) / FRAMES_PER_SECOND)
        y = self._scale.y(midi)
        points = [QPointF(*each) for each in zip(x.tolist(), y.tolist(), strict=True)]
        for start, end in _runs(midi):
            if end - start == 1:
                self._painter.drawPoint(points[start])
            else:
                self._painter.drawPolyline(QPolygonF(points[start:end]))

    def strip(self, curves: Curves) -> None:
        """Under the curves: where the source is voiced, uncertain, or not followed."""
        room, palette = self._scale.room, self._palette
        top = self._scale.height - _STRIP_HEIGHT - 2
        ground = QRectF(room.left(), top, room.width(), _STRIP_HEIGHT)
        self._painter.fillRect(ground, style.faded(self._text, 0.10))
        colours = (
            style.faded(style.accent(palette), 0.55),
            style.caution(palette),
            style.bad(palette),
        )
        for mask, colour in zip(curves.strip, colours, strict=False):
            for left, right in self._marked(mask):
                self._painter.fillRect(QRectF(left, top, right - left, _STRIP_HEIGHT), colour)

    def legend(self, entries: Sequence[tuple[str, Colour]], font: QFont) -> None:
        """Names of the lines, in the upper right corner."""
        painter = self._painter
        painter.setFont(font)
        metrics = painter.fontMetrics()
        height = metrics.height()
        x = self._scale.room.right() - 6.0
        ground = style.faded(self._palette.color(QPalette.ColorRole.Base), 0.8)
        for name, colour in reversed(entries):
            x -= metrics.horizontalAdvance(name) + 20
            painter.fillRect(QRectF(x, 3, metrics.horizontalAdvance(name) + 20, height + 2), ground)
            painter.fillRect(QRectF(x + 4, 3 + height / 2, 9, 2.5), colour(self._palette))
            painter.setPen(style.secondary_text(QApplication.palette()))
            painter.drawText(QPointF(x + 17, 4 + metrics.ascent()), name)

    @property
    def _semitone(self) -> float:
        return self._scale.semitone

    def _marked(self, mask: Mask) -> Iterator[tuple[float, float]]:
        """From where to where it is true; at least a pixel each."""
        if self._scale.frames_per_pixel > _MOST_POINTS_PER_PIXEL:
            pixels, starts = self._pixels(0, len(mask))
            if len(starts):
                seen = np.logical_or.reduceat(mask[: self._scale.frames(len(mask))[1]], starts)
                for start, stop in stretches(seen):
                    yield float(pixels[start]), float(pixels[stop - 1] + 1)
            return
        first, last = self._scale.frames(len(mask))
        for start, stop in stretches(mask[first:last]):
            left, right = (
                self._scale.x((first + frame) / FRAMES_PER_SECOND) for frame in (start, stop)
            )
            yield left, max(right, left + 1.0)

    def _pixels(self, offset: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pixels of a trace's frames, and the first frame in each."""
        room = self._scale.room
        pixels = np.arange(math.floor(room.left()), math.ceil(room.right()))
        first = np.ceil(self._scale.frames_at(pixels)).astype(np.int64) - offset
        inside = (first >= 0) & (first < n)
        return pixels[inside], first[inside]

    def _columns(self, trace: Trace) -> None:
        """Lowest to highest of each pixel's frames."""
        pixels, starts = self._pixels(trace.start, len(trace.midi))
        if not len(pixels):
            return
        lows, highs = trace.extremes(starts)
        seen = np.isfinite(lows)
        bottom, top = (self._scale.y(each[seen].astype(np.float64)) for each in (lows, highs))
        lines = zip((pixels[seen] + 0.5).tolist(), top.tolist(), bottom.tolist(), strict=True)
        self._painter.drawLines([QLineF(x, high, x, low) for x, high, low in lines])


def result_colour(palette: QPalette) -> QColor:
    """Of the result's curve."""
    return style.secondary_text(palette)


def stretches(mask: Mask) -> Iterator[tuple[int, int]]:
    """Where it is true: ``[start, stop)``."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _runs(midi: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Voiced stretches, cut where the pitch leaps."""
    for start, stop in stretches(np.isfinite(midi)):
        leaps = np.flatnonzero(np.abs(np.diff(midi[start:stop])) > _LEAP_SEMITONES) + start + 1
        yield from pairwise([start, *leaps.tolist(), stop])
