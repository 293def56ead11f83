"""What a process of `engine.child` does: convert a clip, compare sounds and speeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import device as devices
from engine.agreement import agreement_db
from engine.audio.reader import read_audio
from engine.converter import Converter
from engine.measure import form_trial
from engine.measure.comparison import compare
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.segments import CUT_EVERY_FRAMES, FRAMES_PER_SECOND
from engine.voice import VoiceFiles

Request = Mapping[str, Any]
Answer = dict[str, Any]

_SHORTER_EACH_ROUND = 0.02
"""Gives lengths that are new to a device, yet close enough to each other to be compared."""


def _device(request: Request) -> Answer:
    """Which device a name means here."""
    device = devices.choose_device(request["device"])
    return {"device": device.type, "name": devices.describe(device)}


def _synthetic(request: Request) -> Answer:
    """Write full-size networks with random weights."""
    from engine.measure.synthetic import write_synthetic_set

    voice, index = write_synthetic_set(Path(request["folder"]), request["index_rows"])
    return {"voice": str(voice), "index": str(index)}


def _examine(request: Request) -> Answer:
    """Compare each part on the device with the CPU; ``again`` ignores earlier findings."""
    converter = Converter(_models_dir(request), OptimizationConfig(**request["config"]))
    if request["again"]:
        converter.forget_findings()
    samples, rate_hz = _clip(request)
    converter.convert(samples[:rate_hz], rate_hz, _voice(request), _quiet())
    return {"on_cpu": [str(sentence) for sentence in converter.first_use.sentences()]}


def _reference(request: Request) -> Answer:
    """Save the sound of one configuration."""
    np.save(request["output"], _Setup(request, request["config"]).sound())
    return {}


def _check(request: Request) -> Answer:
    """How closely the sound of one configuration agrees with a saved one."""
    setup = _Setup(request, request["config"])
    return {"level": agreement_db(np.load(request["reference"]), setup.sound())}


def _compare(request: Request) -> Answer:
    """Check the sound of two configurations, then time them alternately."""
    before, after = _Setup(request, request["before"]), _Setup(request, request["after"])
    levels = {
        name: agreement_db(np.load(request[f"{name}_reference"]), setup.sound())
        for name, setup in (("before", before), ("after", after))
    }
    level = levels["after"]
    if level is not None and not level >= request["least_db"]:
        return {"levels": levels}
    if before.copies > 1:  # a batch of that size is new to the device: its kernels, its memory
        before.seconds(0)
        after.seconds(0)
    found = compare(before.seconds, after.seconds, request["most_rounds"])
    return {"levels": levels, "comparison": asdict(found)}


TASKS: dict[str, Callable[[Request], Answer]] = {
    "device": _device,
    "synthetic": _synthetic,
    "examine": _examine,
    "reference": _reference,
    "check": _check,
    "compare": _compare,
    **form_trial.TASKS,
}


class _Setup:
    """A converter with one configuration, its networks and the clip."""

    def __init__(self, request: Request, config: Mapping[str, Any]) -> None:
        self._converter = Converter(
            _models_dir(request), OptimizationConfig(**config), examine_device=False
        )
        self._voice = _voice(request)
        self._clip = _clip(request)
        self.copies = int(request.get("copies", 1))
        self._varied = bool(request.get("varied", False))

    def sound(self) -> NDArray[np.float32]:
        """Of the whole clip; loads the networks."""
        return self._converted(*self._clip)

    def seconds(self, place: int) -> float:
        """For one round."""
        samples, rate_hz = self._clip
        if self._varied:
            share = 1 - _SHORTER_EACH_ROUND * (place + 1)
            samples = samples[: max(int(len(samples) * share), rate_hz)]
        if self.copies > 1:  # so many whole pieces fill a batch
            pieces_samples = self.copies * CUT_EVERY_FRAMES // FRAMES_PER_SECOND * rate_hz
            samples = np.tile(samples, (-(-pieces_samples // len(samples)), 1))
        started_s = time.perf_counter()
        self._converted(samples, rate_hz)
        return time.perf_counter() - started_s

    def _converted(self, samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
        result = self._converter.convert(samples, rate_hz, self._voice, _quiet())
        if result.samples is None:
            raise RuntimeError("a conversion of samples returned none")
        return result.samples


def _quiet() -> ConversionOptions:
    """Noise off: then only the configuration makes a difference."""
    return ConversionOptions(noise=False)


def _clip(request: Request) -> tuple[NDArray[np.float32], int]:
    audio = read_audio(Path(request["clip"]))
    return audio.samples, audio.rate_hz


def _voice(request: Request) -> VoiceFiles:
    index = request.get("index")
    return VoiceFiles(Path(request["voice"]), None if index is None else Path(index))


def _models_dir(request: Request) -> Path | None:
    folder = request.get("models_dir")
    return None if folder is None else Path(folder)
