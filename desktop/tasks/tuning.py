"""The work that measures what is fastest on this machine."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Slot

from desktop.settings import OPTIMIZATION_PREFIX, SETTINGS, Settings
from desktop.tasks.background import Listener
from engine.library.voice_library import VoiceLibrary
from engine.measure.tuning import Tuning, TuningJob, TuningProgress, TuningRecord, tune
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
        """Tune; see `engine.measure.tuning.tune`."""

        def listen(progress: TuningProgress) -> None:
            self.progress = progress
            tell(progress.fraction, 1.0)

        job = TuningJob.with_installed_voice(CLIP_S, library=VoiceLibrary(self._voices_dir))
        return tune(job, listen, cancel)
