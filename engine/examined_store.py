"""The loaded networks on a device that was examined: what fails there lies on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from engine import device as devices
from engine.first_use import FirstUse
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.probe_run import part_run
from engine.progress import PerformanceProfiler
from engine.run import Run
from engine.stages import Placement
from engine.store import ModelStore
from engine.voice import VoiceFiles


class ExaminedStore(ModelStore):
    """A model store that compares a device with the CPU before it is first used.

    Parameters
    ----------
    device : not ``auto``
    folder : of what was found about the device; None is the user's own
    examines : False takes what is known, and asks nothing
    """

    run_part = staticmethod(part_run)

    def __init__(
        self,
        models_dir: Path,
        config: OptimizationConfig,
        device: torch.device,
        folder: Path | None = None,
        *,
        examines: bool = True,
    ) -> None:
        own = replace(config, device=devices.device_name(device))
        self.first_use = FirstUse(str(device), devices.describe(device), own, folder, self.run_part)
        self._examines = examines
        super().__init__(models_dir, own, self.first_use.placement)

    def models(self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run) -> Models:
        """See `ModelStore.models`; a device that is new here is examined first."""
        models = super().models(voice, options, run)
        self.first_use.use(models)
        if self.first_use.placement != self.placement:
            del models  # before loading: never two at once in memory
            models = self._elsewhere(voice, options, run)
        if self._examines:
            with run.stage("load"):
                load = partial(self._on_cpu, voice, options)
                found = self.first_use.examine(models, load, run.pause)
            if found and self.first_use.placement != self.placement:
                del models
                models = self._elsewhere(voice, options, run)
        for sentence in self.first_use.sentences():
            run.note(sentence)
        return models

    def _elsewhere(
        self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run
    ) -> Models:
        """The networks where they belong by now."""
        self.place(self.first_use.placement)
        run.placement = self.first_use.placement
        return super().models(voice, options, run)

    def _on_cpu(self, voice: VoiceFiles, options: Sequence[ConversionOptions]) -> Models:
        """The same voice in float32 on the CPU, to compare with."""
        plain = replace(self._config, device="cpu", use_fp16=False, compile="none")
        quiet = Run(PerformanceProfiler(), Placement())
        return ModelStore(self._models_dir, plain, Placement()).models(voice, options, quiet)
