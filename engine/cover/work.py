"""What surrounds one cover: stage times, progress, cancelling, and notes for the user."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from engine.cover.loudness import Floats, Track
from engine.errors import Message
from engine.progress import CancelToken, PerformanceProfiler, ProgressListener, StageProgress
from engine.stages import CPU

_SEPARATED_FRACTION = 0.7
"""Share of the progress bar, where something is left to separate."""
_CONVERTED_FRACTION = 0.95


class Tell(Protocol):
    """Tells how far a stage is."""

    def __call__(self, share: float, *, device: str = CPU, half: bool = False) -> None:
        """The share 0..1 of the planned work is done; where, and whether in half precision."""


class Work:
    """Times stages, tells the listener, and stops when the user wants it.

    Attributes
    ----------
    stage_s : seconds per stage
    notes : sentences for the user
    """

    def __init__(
        self,
        profiler: PerformanceProfiler,
        listener: ProgressListener | None,
        cancel: CancelToken | None,
    ) -> None:
        self.cancel = cancel or CancelToken()
        self.stage_s: dict[str, float] = {}
        self.notes: list[Message] = []
        self._profiler = profiler
        self._listener = listener
        self._low, self._high = 0.0, 0.0
        self._separation = 0.0
        self._told = 0.0

    def cancelled(self) -> bool:
        """Whether the user wants to stop."""
        return self.cancel.cancelled

    def pause(self) -> None:
        """Stop here if the user wants to.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self.cancel.raise_if_cancelled()

    def watched(self, track: Track) -> WatchedTrack:
        """The track; whoever reads it stops when the user wants to."""
        return WatchedTrack(track, self.pause)

    def plan_separations(self, count: int) -> None:
        """So many networks have to run; those whose stems are kept already take no time."""
        self._separation = _SEPARATED_FRACTION / max(count, 1)

    def plan_conversion(self, number: int, of: int) -> None:
        """The next conversion of several."""
        rest = (_CONVERTED_FRACTION - self._high) / (of - number)
        self._expect(self._high + rest)

    def plan_mix(self) -> None:
        """All that is left."""
        self._expect(1.0)

    @contextmanager
    def separation(self) -> Iterator[Tell]:
        """As `stage`, for one of the planned separations."""
        self._expect(min(self._high + self._separation, _SEPARATED_FRACTION))
        with self.stage("separate") as tell:
            yield tell

    @contextmanager
    def stage(self, name: str) -> Iterator[Tell]:
        """Time a stage."""
        self.pause()
        started, before = time.perf_counter(), self.stage_s.get(name, 0.0)
        self._profiler.start(name)
        told = StageProgress(name, before, CPU, 0.0)

        def tell(share: float, *, device: str = CPU, half: bool = False) -> None:
            nonlocal told
            self.pause()
            told = StageProgress(name, before, device, share, half)
            self._show(told)

        try:
            yield tell
        finally:
            self._profiler.end(name)
            self.stage_s[name] = before + time.perf_counter() - started
        self._show(dataclasses.replace(told, stage_s=self.stage_s[name], fraction=0.0))

    def follow(self, before_s: dict[str, float]) -> ProgressListener:
        """Listens to a conversion.

        Parameters
        ----------
        before_s : seconds of the stages that other conversions of this cover took
        """

        def listen(progress: StageProgress) -> None:
            seconds = before_s.get(progress.stage, 0.0) + progress.stage_s
            self._show(dataclasses.replace(progress, stage_s=seconds))

        return listen

    def finish(self) -> None:
        """Everything is done."""
        self._show(StageProgress("mix", self.stage_s["mix"], CPU, 1.0))

    def note(self, sentence: Message) -> None:
        """Tell the user something, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _expect(self, high: float) -> None:
        """The next work brings the whole from where it is to the share ``high``."""
        self._low, self._high = self._high, high

    def _show(self, progress: StageProgress) -> None:
        """Pass on the progress of a part of the work as that of the whole."""
        share = self._low + (self._high - self._low) * progress.fraction
        self._told = max(self._told, share)
        if self._listener is not None:
            self._listener(dataclasses.replace(progress, fraction=self._told))


@dataclass(frozen=True)
class WatchedTrack:
    """A track that can be stopped while it is read."""

    track: Track
    pause: Callable[[], None]

    def __len__(self) -> int:
        return len(self.track)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end.

        Raises
        ------
        ConversionCancelled : the user wants to stop
        """
        self.pause()
        return self.track.read(start, stop)
