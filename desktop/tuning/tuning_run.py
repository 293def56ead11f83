"""Measures what is fastest on this machine, whatever happens to the windows."""

from __future__ import annotations

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

CLIP_S = 10.0


_DEVICE = next(each for each in SETTINGS if each.key == OPTIMIZATION_PREFIX + "device")


class MachineFlags(QObject):
    """Keeps the settings in step with what was measured on this machine."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        settings.changed.connect(self._on_changed)
        self.refresh()

    def refresh(self) -> None:
        """Look again at what was measured."""
        device = str(self._settings.value(_DEVICE))
        self._settings.use_machine_flags(TuningRecord().usual_flags(device))

    def stale_news(self) -> str | None:
        """What has changed since the last tuning, e.g. ``macOS 15.2``; told once."""
        record = TuningRecord()
        latest = record.latest()
        return None if latest is None else record.stale_news(latest[0])

    @Slot(str)
    def _on_changed(self, key: str) -> None:
        if key == _DEVICE.key:
            self.refresh()


def use_tuned(settings: Settings) -> None:
    """What was measured last counts from now on, in place of what was chosen before."""
    latest = TuningRecord().latest()
    if latest is None:
        return
    device, tuning = latest
    for setting in SETTINGS:
        if setting.key.removeprefix(OPTIMIZATION_PREFIX) in tuning.flags:
            settings.reset(setting)
    settings.use_machine_flags(TuningRecord().usual_flags(device))


class TuningWork:
    """Measures with the voice installed last; all that is heavy runs in processes of its own.

    Attributes
    ----------
    progress : what is being done now; written by the work, read by the window

    Parameters
    ----------
    voices_dir : the library; None is the user's own
    """

    def __init__(self, voices_dir: Path | None = None) -> None:
        self._voices_dir = voices_dir
        self.progress = TuningProgress("prepare")

    def __call__(self, cancel: CancelToken, tell: Listener) -> Tuning:
        """Tune; see `engine.measure.tuner.tune`."""

        def listen(progress: TuningProgress) -> None:
            self.progress = progress
            tell(progress.fraction, 1.0)

        job = TuningJob.with_installed_voice(CLIP_S, library=VoiceLibrary(self._voices_dir))
        return tune(job, listen, cancel)


class TuningRun(QObject):
    """Starts it, stops it, and lets what was found be used.

    Attributes
    ----------
    make_work : what tunes; another in tests
    last : how the last one ended; ``busy``: it was not begun because of a conversion
    failure : the sentence, if it failed

    Parameters
    ----------
    is_busy : whether a conversion runs or waits: then nothing can be measured

    Signals
    -------
    changed : one began, ended, or was not begun
    tuned : what was found is kept and used
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
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        """Whether something is being measured."""
        return self._task.is_running

    @property
    def progress(self) -> TuningProgress | None:
        """What is being measured now; None: nothing, or it does not say."""
        progress = getattr(self._work, "progress", None)
        return progress if isinstance(progress, TuningProgress) else None

    @Slot()
    def start(self) -> None:
        """Begin, unless a conversion runs or waits, or it runs already."""
        if self._task.is_running:
            return
        if self._is_busy():
            self.last = "busy"
        else:
            self.last = ""
            self._gives_way = False
            self._work = self.make_work()
            self._task.start(self._work)
        self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """Stop, at the user's wish."""
        self._task.cancel()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """A conversion begins: what is measured beside it would be wrong."""
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
