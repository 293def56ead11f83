"""What a running conversion tells, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from engine.errors import ConversionCancelled

Stage = Literal["load", "decode", "filter", "pitch", "content", "retrieval", "synthesis", "write"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""In the order in which a conversion first enters them."""


@dataclass(frozen=True)
class StageProgress:
    """One step of a running conversion.

    Attributes
    ----------
    stage : the stage that has just done some work
    stage_s : seconds this stage has taken so far in this conversion
    device : where it runs, e.g. ``cpu``, ``mps``
    fraction : 0..1 of the whole conversion that is done
    """

    stage: Stage
    stage_s: float
    device: str
    fraction: float


ProgressListener = Callable[[StageProgress], None]


class CancelToken:
    """Asked for between steps by the conversion, set by whoever wants it to stop (any thread)."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the conversion to stop at the next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Leave the conversion.

        Raises
        ------
        ConversionCancelled : if `cancel` was called
        """
        if self._event.is_set():
            raise ConversionCancelled
