"""Measures what is fastest on this machine, whatever happens to the windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal, Slot

from desktop.background import BackgroundTask, Listener, Outcome, Work
from desktop.settings.store import Settings
from desktop.settings.table import OPTIMIZATION_PREFIX, SETTINGS
from engine.library.voice_library import VoiceLibrary
from engine.measure.tuner import TuningJob, tune
from engine.measure.tuning_record import Tuning, TuningProgress, TuningRecord
from engine.progress import CancelToken

_CLIP_S = 10.0


_DEVICE = next(each for each in SETTINGS if each.key == OPTIMIZATION_PREFIX + "device")


class MachineFlags(QObject):
    """Applies this machine's tuning to the settings."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        settings.changed.connect(self._on_changed)
        self.refresh()

    def refresh(self) -> None:
        """Load the tuning again."""
        device = str(self._settings.value(_DEVICE))
        self._settings.use_machine_flags(TuningRecord().usual_flags(device))

    def stale_news(self) -> str | None:
        """What has changed since the last tuning, e.g. ``macOS 15.2``; reported once."""
        record = TuningRecord()
        latest = record.latest()
        return None if latest is None else record.stale_news(latest[0])

    @Slot(str)
    def _on_changed(self, key: str) -> None:
        if key == _DEVICE.key:
            self.refresh()


def use_tuned(settings: Settings) -> None:
    """Apply the last tuning, in place of earlier choices."""
    latest = TuningRecord().latest()
    if latest is None:
        return
    device, tuning = latest
    for setting in SETTINGS:
        if setting.key.removeprefix(OPTIMIZATION_PREFIX) in tuning.flags:
            settings.reset(setting)
    settings.use_machine_flags(TuningRecord().usual_flags(device))


class TuningWork:
    """Measures with the most recently installed voice, in child processes.

    Attributes
    ----------
    progress : current progress; written by the work, read by the window

    Parameters
    ----------
    voices_dir : the library; None for the user's
    """

    def __init__(self, voices_dir: Path | None = None) -> None:
        self._voices_dir = voices_dir
        self.progress = TuningProgress("prepare")

    def __call__(self, cancel: CancelToken, tell: Listener) -> Tuning:
        """Tune; see `engine.measure.tuner.tune`."""

        def listen(progress: TuningProgress) -> None:
            self.progress = progress
            tell(progress.fraction, 1.0)

        job = TuningJob.with_installed_voice(_CLIP_S, library=VoiceLibrary(self._voices_dir))
        return tune(job, listen, cancel)


class TuningRun(QObject):
    """Starts and stops tuning, and applies its results.

    Attributes
    ----------
    make_work : creates the work; replaced in tests
    last : how the last run ended; ``busy``: not started because of a conversion
    failure : the message, if it failed

    Parameters
    ----------
    is_busy : whether a conversion runs or waits, which prevents measuring

    Signals
    -------
    changed : a run started, ended, or was refused
    tuned : new results were saved and applied
    """

    changed = Signal()
    tuned = Signal()

    def __init__(
        self,
        settings: Settings,
        is_busy: Callable[[], bool] = lambda: False,
        make_work: Callable[[], Work] = TuningWork,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._is_busy = is_busy
        self.make_work = make_work
        self.last: Literal["", "busy", "gave way", "cancelled", "failed", "finished"] = ""
        self.failure = ""
        self._gives_way = False
        self._work: Work | None = None
        self._begun_s = 0.0
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        """Whether something is being measured."""
        return self._task.is_running

    @property
    def progress(self) -> TuningProgress | None:
        """Progress of the measurement, if known."""
        progress = getattr(self._work, "progress", None)
        return progress if isinstance(progress, TuningProgress) else None

    @property
    def elapsed_s(self) -> float:
        """Since the measurement was started."""
        return time.monotonic() - self._begun_s

    @Slot()
    def start(self) -> None:
        """Start, unless a conversion runs or waits, or tuning runs already."""
        if self._task.is_running:
            return
        if self._is_busy():
            self.last = "busy"
        else:
            self.last = ""
            self._gives_way = False
            self._begun_s = time.monotonic()
            self._work = self.make_work()
            self._task.start(self._work)
        self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """Cancel."""
        self._task.cancel()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Stop when a conversion starts: it would distort the measurement."""
        if busy and self._task.is_running:
            self._gives_way = True
            self._task.cancel()

    def close(self) -> None:
        """Stop before the app quits."""
        self._task.close()

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        self._work = None
        gave_way = outcome.state == "cancelled" and self._gives_way
        self.last = "gave way" if gave_way else outcome.state
        self.failure = outcome.sentence
        found = isinstance(outcome.value, Tuning)
        if found:
            use_tuned(self._settings)
        self.changed.emit()
        if found:
            self.tuned.emit()
