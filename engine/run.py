"""What surrounds one conversion: stage times, progress, cancelling, and notes for the user."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray

from engine import device as devices
from engine.errors import Message
from engine.forms import is_rounded
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken, PerformanceProfiler, ProgressListener, StageProgress
from engine.stages import Part, Placement, done_after, stage_of
from engine.stopping import StopBetweenOperations

_LOG = logging.getLogger(__name__)

FILTERED_FRACTION = done_after("filter")
PREPARED_FRACTION = done_after("pitch")
"""Share of the whole work that is done when the pieces begin."""
SYNTHESIZED_FRACTION = done_after("synthesis")


class Run:
    """Times stages, tells the listener, and stops when the user wants it.

    Parameters
    ----------
    config : of the networks; None where nobody asks for their precision

    Attributes
    ----------
    placement : where each part runs; changes when a device has too little memory
    notes : sentences for the user
    f0_hz : float32 [T], the pitch found in the source, 100 frames a second, 0 where unvoiced
    """

    def __init__(
        self,
        profiler: PerformanceProfiler,
        placement: Placement,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
        config: OptimizationConfig | None = None,
    ) -> None:
        self._config = config
        self.stage_s: dict[str, float] = {}
        self.notes: list[Message] = []
        self.f0_hz: NDArray[np.float32] | None = None
        self._profiler = profiler
        self.placement = placement
        self._listener = listener
        self._cancel = cancel or CancelToken()
        self._stops_at_once = False
        self._fraction = 0.0
        self._pitch_share = 0.0, 1.0
        self._frames = 1
        self._frames_done = 0

    def place(self, part: Part) -> str:
        """Where a part runs now, in words that tell all such places apart."""
        return f"{self.placement.accelerator_of(part)} {self.placement.device_of(part)}"

    @contextmanager
    def stage(
        self, stage: str, fraction: float | None = None, *, stoppable: bool = True
    ) -> Iterator[None]:
        """Time a stage; when it ends, ``fraction`` of the whole conversion is done.

        Raises
        ------
        ConversionCancelled : before a stoppable stage begins, if the user wants to stop
        """
        if stoppable:
            self._cancel.raise_if_cancelled()
        self._profiler.start(stage)
        if stage != "synthesis":  # whose tiles follow each other and use the same memory again
            devices.release_heap()
        try:
            with self.stopping_at_once() if stage == "load" else nullcontext():
                yield
        finally:
            seconds = self._profiler.end(stage)
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds
            _LOG.debug("%s: %.3f s", stage, seconds)
        self._fraction = max(self._fraction, fraction or 0.0)
        self._tell(stage)

    @contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """Stop between any two operations of torch on this thread if the user wants to.

        Inside another one this does nothing: each would ask before every operation.
        """
        if self._stops_at_once:
            yield
            return
        self._stops_at_once = True
        try:
            with StopBetweenOperations(lambda: self._cancel.cancelled):
                yield
        finally:
            self._stops_at_once = False

    def pause(self) -> None:
        """Stop here if the user wants to.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self._cancel.raise_if_cancelled()

    def expect_pitch(self, low: float, high: float) -> None:
        """The pitch is tracked next from one share of the whole sound, 0..1, to another."""
        self._pitch_share = low, high - low

    def follow_pitch(self, share: float) -> None:
        """Tell how much of the sound at hand, 0..1, has its pitch; the conversion may stop here.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self.pause()
        low, span = self._pitch_share
        of_all = (low + span * share) * (PREPARED_FRACTION - FILTERED_FRACTION)
        self._fraction = max(self._fraction, FILTERED_FRACTION + of_all)
        self._tell("pitch")

    def expect(self, frames: int) -> None:
        """Set the length of all pieces together."""
        self._frames, self._frames_done = max(frames, 1), 0

    def advance(self, frames: int) -> None:
        """Tell that further frames of the pieces are done."""
        self._frames_done = min(self._frames_done + frames, self._frames)
        share = self._frames_done / self._frames
        span = SYNTHESIZED_FRACTION - PREPARED_FRACTION
        self._fraction = max(self._fraction, PREPARED_FRACTION + span * share)
        self._tell("synthesis")

    def finish(self) -> None:
        """Everything is done."""
        self._fraction = 1.0
        self._tell("write")

    def note(self, sentence: Message) -> None:
        """Tell the user something, once."""
        if sentence not in self.notes:
            _LOG.info("note: %s", sentence)
            self.notes.append(sentence)

    def _tell(self, stage: str) -> None:
        if self._listener is not None:
            seconds = self.stage_s.get(stage, 0.0)
            device = self.placement.device_of_stage(stage)
            self._listener(StageProgress(stage, seconds, device, self._fraction, self._half(stage)))

    def _half(self, stage: str) -> bool:
        """Whether a part of the stage computes in half precision."""
        row, config = stage_of(stage), self._config
        if config is None or row is None:
            return False
        return any(is_rounded(part, self.placement, config) for part in row.parts)
