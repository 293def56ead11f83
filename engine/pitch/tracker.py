"""What every method of pitch detection looks like to the pipeline."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.options import ConversionOptions

PitchTracker = Callable[[Tensor], Tensor]
"""Samples float32 [N], mono 16 kHz -> f0_hz float32 [N // 160 + 1], 0 where unvoiced.

Frame j is centred on sample 160 j: 100 frames a second.
"""

Pause = Callable[[float], None]
"""Called between batches with the share of the sound, 0..1, that is done; may raise to stop."""


def no_pause(_share: float) -> None:
    """No-op callback."""


def pause_at_end(pause: Pause) -> Pause:
    """A pause for further work after the progress was reported: it can stop, and stays at 100 %."""
    return lambda _share: pause(1.0)


def in_range(hz: Tensor, low_hz: float | None, high_hz: float | None) -> Tensor:
    """Which pitches, all above 0, lie in a range, bool; None = no limit."""
    above = hz >= (0.0 if low_hz is None else low_hz)
    below = hz <= (math.inf if high_hz is None else high_hz)
    return above & below


@dataclass(frozen=True)
class TrackerContext:
    """What a factory can use to make a tracker.

    Attributes
    ----------
    options : of the conversion
    device : name of the device that the samples will be on, e.g. ``mps``
    pause : to be called between batches
    network : gives the network of a file that the method's row names, on the device
    tracker : gives the tracker of another method that the row names
    others : methods that this one uses here, with an installed one that improves it
    """

    options: ConversionOptions
    device: str
    pause: Pause
    network: Callable[[str], Any]
    tracker: Callable[[str], PitchTracker]
    others: tuple[str, ...] = ()

    @property
    def chosen_range_hz(self) -> tuple[float | None, float | None]:
        """Lowest and highest pitch, None where the option has its default.

        For networks, which have a range of their own that needs no limit.
        """
        options, usual = self.options, ConversionOptions()
        return (
            None if options.f0_min_hz == usual.f0_min_hz else options.f0_min_hz,
            None if options.f0_max_hz == usual.f0_max_hz else options.f0_max_hz,
        )


TrackerFactory = Callable[[TrackerContext], PitchTracker]
