"""How the engine works: every flag, and presets that set all of them."""

from __future__ import annotations

import dataclasses
from functools import partial

from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton

from desktop.settings import OPTIMIZATION_PREFIX, SETTINGS, Settings
from desktop.views.settings_pages import TablePage
from engine.optimization import OptimizationConfig


class OptimizationPage(TablePage):
    """Flags that an environment variable decides stay as it says, whatever the preset."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            settings,
            "optimization",
            self.tr(
                "How the engine works on this machine. Changes apply to the next conversion; "
                "the sound stays the same unless the help says otherwise."
            ),
        )
        self.presets = QMenu(self)
        for name, preset in (
            (self.tr("Apple silicon (Metal)"), OptimizationConfig.for_apple_silicon()),
            (self.tr("NVIDIA GPU (CUDA)"), OptimizationConfig.for_nvidia_gpu()),
            (self.tr("Processor only"), OptimizationConfig.for_cpu()),
            (self.tr("Everything off"), OptimizationConfig.baseline()),
        ):
            self.presets.addAction(name).triggered.connect(partial(self._apply_preset, preset))
        button = QPushButton(self.tr("Presets"))
        button.setMenu(self.presets)
        row = QHBoxLayout()
        row.addWidget(button)
        row.addStretch(1)
        self.column.insertLayout(1, row)

    def _apply_preset(self, preset: OptimizationConfig, _checked: object = None) -> None:
        chosen = {
            OPTIMIZATION_PREFIX + name: value for name, value in dataclasses.asdict(preset).items()
        }
        for setting in SETTINGS:
            if setting.key in chosen:
                self._settings.set(setting, chosen[setting.key])
