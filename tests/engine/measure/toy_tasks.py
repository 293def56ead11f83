"""Tasks of a process that has an accelerator more, which ends the process, as frameworks do."""

from __future__ import annotations

import os
from typing import Any

from engine.accelerators import Accelerator, register
from engine.measure import form_trial
from engine.optimization import OptimizationConfig
from engine.stages import Part


def offers(part: Part, device: str, config: OptimizationConfig) -> bool:
    return part == "vocoder"


def build(part: Part, source: Any, config: OptimizationConfig, device: str) -> Any:
    os._exit(9)


def _try(request: Any) -> Any:
    register(Accelerator("toy", __name__))
    return form_trial.TASKS["try_forms"](request)


TASKS = {"try_forms": _try}
