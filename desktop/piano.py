"""Notes and the colours of a keyboard, where pitch is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QPalette

BLACK_KEYS = frozenset({1, 3, 6, 8, 10})
"""In an octave, from C."""


def midi_of(hz: NDArray[np.float32] | float) -> NDArray[np.float64]:
    """Semitones as MIDI counts them: 69 is A4, 440 Hz."""
    numbers: NDArray[np.float64] = 69.0 + 12.0 * np.log2(np.asarray(hz, np.float64) / 440.0)
    return numbers


def hz_of(midi: float) -> float:
    """The frequency of a pitch in semitones, as MIDI counts them."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def key_colours(palette: QPalette) -> tuple[QColor, QColor]:
    """Of white and of black keys, also in the dark."""
    base, text = (palette.color(r) for r in (QPalette.ColorRole.Base, QPalette.ColorRole.Text))
    dark = base.lightness() < text.lightness()
    return (text, base) if dark else (base, text)
