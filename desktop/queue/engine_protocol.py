"""What window, worker and engine tell each other; every job ends in exactly one `Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from desktop.queue.job import Job, StageTime, Voice
from desktop.queue.live_timings import LiveTimings
from engine.cover.options import CoverOptions
from engine.errors import Text
from engine.key import VoicePitch
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.progress import CancelToken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Order:
    """A job to convert; ``cancel`` may be set from any thread."""

    job: Job
    optimization: OptimizationConfig
    cancel: CancelToken


@dataclass(frozen=True)
class Finished:
    """The result is complete and has its final name; the last three fields as in the engine's."""

    job_id: str
    output: Path
    source_s: float
    taken_s: float
    stages: tuple[StageTime, ...]
    device: str
    peak_memory_bytes: int
    memory_bytes: int
    notes: tuple[Text, ...] = ()
    f0_hz: NDArray[np.float32] | None = field(default=None, compare=False)
    parts: str = ""
    recipe: str = ""


@dataclass(frozen=True)
class Failed:
    """Nothing was written; ``message`` is for the user, ``report`` for the developers."""

    job_id: str
    message: Text
    report: str
    stages: tuple[StageTime, ...] = ()


@dataclass(frozen=True)
class Cancelled:
    """Cancelled by the user; nothing was written."""

    job_id: str
    stages: tuple[StageTime, ...] = ()


@dataclass(frozen=True)
class Learnt:
    """A voice was rendered; ``pitch`` is None if it follows the pitch well in no range."""

    pitch: VoicePitch | None


@dataclass(frozen=True)
class AuditionOrder:
    """A stretch of a source to convert for listening only, in seconds.

    Attributes
    ----------
    cover, backing_voice : as in `desktop.queue.job.Job`
    first_s : the instant that is wanted first
    """

    source: Path
    start_s: float
    stop_s: float
    voice: Voice
    options: ConversionOptions
    optimization: OptimizationConfig
    cover: CoverOptions | None = None
    backing_voice: Voice | None = None
    first_s: float = 0.0
    cancel: CancelToken = field(default_factory=CancelToken, compare=False)


@dataclass(frozen=True)
class Audition:
    """A converted piece of a stretch.

    Attributes
    ----------
    samples : float32 [n] or [n, 2]
    stages : which stages ran for it and for those before it
    start_s : where in the stretch it begins
    """

    samples: NDArray[np.float32] = field(compare=False)
    rate_hz: int
    stages: tuple[str, ...]
    start_s: float = 0.0


Outcome = Finished | Failed | Cancelled


class Engine(Protocol):
    """Converts; keeps its networks between jobs."""

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        """Convert.

        Raises
        ------
        ConversionCancelled : the order's token was set
        Exception : of any kind, if it fails
        """

    def audition(self, order: AuditionOrder) -> Iterator[Audition]:
        """Convert a stretch of a source, piece by piece; nothing is written.

        Raises
        ------
        ConversionCancelled : the order's token was set
        Exception : of any kind, if it fails
        """

    def warm_up(self, voice: Voice, cancel: CancelToken) -> bool:
        """Prepare the device for every chunk length with a loaded voice; True if it completed."""

    def learn_pitch(self, voice: Voice, cancel: CancelToken) -> VoicePitch | None:
        """Render a sample to learn the range of a voice; None if it has none.

        Raises
        ------
        Exception : of any kind, if it fails or is cancelled
        """

    def tidy(self) -> None:
        """Free cached memory, after each job."""

    def unload(self) -> None:
        """Free all memory."""


MakeEngine = Callable[[OptimizationConfig], Engine]
