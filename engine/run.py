"""The surroundings of one conversion: stop-watch, progress, cancel, and what the user is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine import device as devices
from engine.progress import CancelToken, PerformanceProfiler, ProgressListener, StageProgress
from engine.stages import Placement, done_after

FILTERED_FRACTION = done_after("filter")
PREPARED_FRACTION = done_after("pitch")
"""Of the whole work is done when the pieces begin."""
SYNTHESIZED_FRACTION = done_after("synthesis")


class Run:
    """Times stages, tells the listener, and leaves when the user wants to stop.

    Attributes
    ----------
    placement : where each part runs; changes when the memory of a device does not suffice
    """

    def __init__(
        self,
        profiler: PerformanceProfiler,
        placement: Placement,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self.stage_s: dict[str, float] = {}
        self.notes: list[str] = []
        self._profiler = profiler
        self.placement = placement
        self._listener = listener
        self._cancel = cancel or CancelToken()
        self._fraction = 0.0
        self._frames = 1
        self._frames_done = 0

    @contextmanager
    def stage(
        self, stage: str, fraction: float | None = None, *, stoppable: bool = True
    ) -> Iterator[None]:
        """Time a stage; ``fraction`` of the whole conversion is done when it ends.

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
            yield
        finally:
            seconds = self._profiler.end(stage)
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds
        self._fraction = max(self._fraction, fraction or 0.0)
        self._tell(stage)

    def pause(self) -> None:
        """Where long work may stop.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self._cancel.raise_if_cancelled()

    def follow_pitch(self, share: float) -> None:
        """So much of the sound's pitch, 0..1, is known; here it may stop too.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self.pause()
        span = PREPARED_FRACTION - FILTERED_FRACTION
        self._fraction = max(self._fraction, FILTERED_FRACTION + span * share)
        self._tell("pitch")

    def expect(self, frames: int) -> None:
        """The pieces together are this long."""
        self._frames, self._frames_done = max(frames, 1), 0

    def advance(self, frames: int) -> None:
        """So many frames more of the pieces are done."""
        self._frames_done = min(self._frames_done + frames, self._frames)
        share = self._frames_done / self._frames
        span = SYNTHESIZED_FRACTION - PREPARED_FRACTION
        self._fraction = max(self._fraction, PREPARED_FRACTION + span * share)
        self._tell("synthesis")

    def finish(self) -> None:
        """Everything is done."""
        self._fraction = 1.0
        self._tell("write")

    def note(self, sentence: str) -> None:
        """Tell the user something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _tell(self, stage: str) -> None:
        if self._listener is not None:
            seconds = self.stage_s.get(stage, 0.0)
            device = self.placement.device_of_stage(stage)
            self._listener(StageProgress(stage, seconds, device, self._fraction))
