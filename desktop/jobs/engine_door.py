"""What the worker needs of an engine; a test may put another one behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from desktop.jobs.job import Voice
from desktop.jobs.live import LiveTimings
from desktop.jobs.messages import Finished, Order
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken


class Engine(Protocol):
    """Holds networks between jobs."""

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        """Do the job.

        Raises
        ------
        ConversionCancelled : the order's token was set
        Exception : of any kind, when it cannot be done
        """

    def warm_up(self, voice: Voice, cancel: CancelToken) -> bool:
        """Prepare the device for every length with a voice that is loaded; whether it ended."""

    def tidy(self) -> None:
        """Give back memory that no network needs, after each job."""

    def unload(self) -> None:
        """Give back all memory."""


MakeEngine = Callable[[OptimizationConfig], Engine]
