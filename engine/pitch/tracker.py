"""What every method of finding a pitch looks like to the pipeline."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

PitchTracker = Callable[[Tensor], Tensor]
"""Samples float32 [N], mono 16 kHz -> f0_hz float32 [N // 160 + 1], 0 where unvoiced.

Frame j is centred on sample 160 j: 100 frames a second.
"""


def no_pause() -> None:
    """What a tracker calls between its batches, where nobody wants to stop it."""
