"""How the engine works: every flag, what it gives on this machine, and presets that set all."""

from __future__ import annotations

import dataclasses
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QMenu, QPushButton

from desktop.settings import OPTIMIZATION_PREFIX, SETTINGS, Settings
from desktop.tasks.tuning_run import TuningRun
from desktop.views.gain_text import gain_text
from desktop.views.settings_pages import TablePage
from desktop.views.tuning_panel import TuningPanel
from engine.measure.tuning import TuningRecord
from engine.optimization import OptimizationConfig


class OptimizationPage(TablePage):
    """Flags that an environment variable decides stay as it says, whatever the preset.

    Parameters
    ----------
    run : what measures; None is one of its own
    """

    def __init__(self, settings: Settings, run: TuningRun | None = None) -> None:
        super().__init__(
            settings,
            "optimization",
            self.tr(
                "How the engine works on this machine. Changes apply to the next conversion; "
                "the sound stays the same unless the help says otherwise."
            ),
        )
        self.presets = QMenu(self)
        self.presets.addAction(self.tr("What suits this machine")).triggered.connect(
            lambda: settings.reset_page("optimization")
        )
        self.presets.addSeparator()
        for name, preset in (
            (self.tr("Apple silicon (Metal)"), OptimizationConfig.for_apple_silicon()),
            (self.tr("NVIDIA GPU (CUDA)"), OptimizationConfig.for_nvidia_gpu()),
            (self.tr("Processor only"), OptimizationConfig.for_cpu()),
            (self.tr("Everything off"), OptimizationConfig.baseline()),
        ):
            self.presets.addAction(name).triggered.connect(partial(self._apply_preset, preset))
        button = QPushButton(self.tr("Presets"))
        button.setMenu(self.presets)
        run = run or TuningRun(settings, parent=self)
        self.tuning = TuningPanel(run)
        self.tuning.buttons.insertWidget(2, button)
        self.tuning.buttons.addStretch(1)
        run.tuned.connect(self._show_gains)
        self.column.insertWidget(1, self.tuning)
        self._show_gains()

    @Slot()
    def _show_gains(self) -> None:
        record = TuningRecord()
        latest = record.latest()
        if latest is None:
            return
        device, tuning = latest
        gains = tuning.gains(dataclasses.asdict(OptimizationConfig.baseline()))
        stale = record.stale(device) is not None
        for key, row in self.rows.items():
            gain = gains.get(key.removeprefix(OPTIMIZATION_PREFIX))
            words = "" if gain is None else gain_text(gain)
            pattern = self.tr("Measured before: {gain}") if stale else self.tr("Measured: {gain}")
            row.show_measured(pattern.format(gain=words) if words else "")

    def _apply_preset(self, preset: OptimizationConfig, _checked: object = None) -> None:
        chosen = {
            OPTIMIZATION_PREFIX + name: value for name, value in dataclasses.asdict(preset).items()
        }
        for setting in SETTINGS:
            if setting.key in chosen:
                self._settings.set(setting, chosen[setting.key])
