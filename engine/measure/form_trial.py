"""What a process of `engine.child` does to try the forms of parts; see `engine.forms`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch

from engine import device as devices
from engine.accelerators import BuildError, torch_device
from engine.examination import Examination, FirstUse, Reference, references
from engine.finding import Finding, Form, ProbeRecord, preparation
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.paths import models_dir
from engine.progress import PerformanceProfiler
from engine.run import Run
from engine.separation.examination import described
from engine.separation.separator import Separator
from engine.stages import CPU, Part, Placement
from engine.store import ModelStore
from engine.voice import VoiceFiles

Request = Mapping[str, Any]
Answer = dict[str, Any]

_CANNOT_BUILD = (BuildError, ImportError, LookupError, RuntimeError, TypeError, ValueError)


def _plan(request: Request) -> Answer:
    """The trials that are needed, where to keep what they find, and the kinds of the networks."""
    device, config = _device_and_config(request)
    first_use, models = _known(request, device, config)
    return {
        "trials": [asdict(trial) for trial in first_use.trials(models, again=True)],
        "record": [devices.describe(device), preparation(config)],
        "kinds": dict(models.kinds),
    }


def _try(request: Request) -> Answer:
    """Compare a part in some forms with torch on the CPU, and time it."""
    device, config = _device_and_config(request)
    forms = msgspec.convert(request["forms"], tuple[Form, ...])
    try:
        with torch.inference_mode():
            on_cpu = _on_cpu(request, config)[1]
            bench = _Bench(request, str(device), config, references(on_cpu))
            found = [bench.finding(request["part"], form) for form in forms]
    except (RuntimeError, MemoryError) as error:
        if not devices.is_out_of_memory(error):
            raise
        found = []  # says nothing about the part
    return {"findings": [asdict(each) for each in found]}


def _describe(request: Request) -> Answer:
    """By what and how each part runs now."""
    first_use, _ = _known(request, *_device_and_config(request))
    return {"parts": first_use.described()}


def _measure_separation(request: Request) -> Answer:
    """Find out in which way a network that separates songs is fastest, and keep it."""
    device, config = _device_and_config(request)
    record = ProbeRecord(devices.describe(device), preparation(config))
    separator = Separator.open(Path(request["network"]))
    separator.measure(str(device), half=config.use_fp16, record=record)
    return {"parts": described(record, str(device), half=config.use_fp16)}


TASKS: dict[str, Callable[[Request], Answer]] = {
    "plan_forms": _plan,
    "try_forms": _try,
    "describe_forms": _describe,
    "measure_separation": _measure_separation,
}


@dataclass(frozen=True)
class _Bench:
    """The networks of the request, and what the CPU makes of the test signal."""

    request: Request
    device: str
    config: OptimizationConfig
    compared_with: tuple[Reference, Reference]

    def finding(self, part: Part, form: Form) -> Finding:
        """What is found about the part in a form."""
        return self._examined(part, form).of_form(form)

    def _examined(self, part: Part, form: Form) -> Finding:
        placement = replace(_placement(part, form, self.device), without={part: form.without})
        try:
            models = _store(self.request, self.config, placement)[1]
        except _CANNOT_BUILD as error:
            if devices.is_out_of_memory(error):
                raise
            why = str(error).strip().partition("\n")[0]
            return Finding(part, "failed", why=why or type(error).__name__)
        examination = Examination(models, self.compared_with, placement, self.config)
        usual = self.device == CPU and not form.accelerator  # what all is compared with
        found = Finding(part, "right") if usual else examination.examine(part)
        if found.verdict == "right":
            found = replace(found, tried_s=examination.seconds(part))
        return found


def _placement(part: Part, form: Form, device: str) -> Placement:
    """Beside another framework torch stays on the CPU: two would share a GPU."""
    if form.accelerator:
        return Placement({}, {part: form.accelerator})
    return Placement({} if device == CPU else {part: device})


def _device_and_config(request: Request) -> tuple[torch.device, OptimizationConfig]:
    config = OptimizationConfig(**request["config"])
    device = devices.choose_device(torch_device(config))
    return device, replace(config, device=devices.device_name(device))


def _known(
    request: Request, device: torch.device, config: OptimizationConfig
) -> tuple[FirstUse, Models]:
    """What is known of the voice's networks; nothing is loaded on the device."""
    store, models = _on_cpu(request, config)
    first_use = FirstUse(str(device), devices.describe(device), config)
    first_use.use(models, store.unable)
    return first_use, models


def _on_cpu(request: Request, config: OptimizationConfig) -> tuple[ModelStore, Models]:
    """By torch in float32, to compare with."""
    plain = replace(config, device="cpu", use_fp16=False, compile="none")
    return _store(request, plain, Placement())


def _store(
    request: Request, config: OptimizationConfig, placement: Placement
) -> tuple[ModelStore, Models]:
    store = ModelStore(models_dir(_path(request, "models_dir")), config, placement)
    return store, store.models(*_job(request), _quiet())


def _job(request: Request) -> tuple[VoiceFiles, list[ConversionOptions]]:
    voice = VoiceFiles(Path(request["voice"]), _path(request, "index"))
    return voice, [ConversionOptions(pitch_method=request.get("pitch_method", "auto"))]


def _path(request: Request, name: str) -> Path | None:
    path = request.get(name)
    return None if path is None else Path(path)


def _quiet() -> Run:
    return Run(PerformanceProfiler(), Placement())
