"""What every method of finding a pitch looks like to the pipeline."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

PitchTracker = Callable[[Tensor], Tensor]
"""Samples float32 [N], mono 16 kHz -> f0_hz float32 [N // 160 + 1], 0 where unvoiced.

Frame j is centred on sample 160 j: 100 frames a second.
"""


Pause = Callable[[float], None]
"""Called between batches with the share of the sound, 0..1, that is done; may raise to stop."""


def no_pause(_share: float) -> None:
    """Where nobody looks on and nobody wants to stop it."""
