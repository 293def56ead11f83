"""What a process of its own does: convert a clip in one way or in two by turns, and say how."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import device as devices
from engine.audio.reader import read_audio
from engine.converter import Converter
from engine.measure.benchmark import difference_db
from engine.measure.tuning.comparison import compare
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pipeline import Source
from engine.voice import VoiceFiles

Tell = Callable[[dict[str, Any]], None]
Floats = NDArray[np.float32]

_SHORTER_EACH_ROUND = 0.02
"""Lengths that a device has not met yet, near enough to each other to be compared."""


def machine(work: Mapping[str, Any], _: Tell) -> dict[str, Any]:
    """Which device a name means here.

    Raises
    ------
    DeviceError : there is none of this name
    """
    device = devices.choose_device(work["device"])
    return {"device": device.type, "name": devices.describe(device)}


def synthetic(work: Mapping[str, Any], _: Tell) -> dict[str, Any]:
    """Full-size networks with random weights."""
    from engine.measure.synthetic import write_synthetic_set

    voice, index = write_synthetic_set(Path(work["folder"]), work["index_rows"])
    return {"voice": str(voice), "index": str(index)}


def examine(work: Mapping[str, Any], _: Tell) -> dict[str, Any]:
    """Compare the device with the CPU part by part, whatever is known."""
    converter = Converter(_folder(work), OptimizationConfig(**work["config"]))
    if work["anew"]:
        converter.forget_findings()
    clip = _clip(work)
    converter.convert(clip.samples[: clip.rate_hz], clip.rate_hz, _voice(work), _quiet())
    return {"on_cpu": converter.on_cpu()}


def reference(work: Mapping[str, Any], _: Tell) -> dict[str, Any]:
    """The sound of one way, kept in a file."""
    way = _Way(work, work["config"])
    np.save(work["output"], way.sound())
    return {}


def check(work: Mapping[str, Any], _: Tell) -> dict[str, Any]:
    """How near the sound of one way is to a kept one."""
    way = _Way(work, work["config"])
    return {"level": difference_db(np.load(work["reference"]), way.sound())}


def trial(work: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Two ways by turns; both are checked before.

    Raises
    ------
    UserError : the conversion is refused
    """
    before, after = _Way(work, work["before"]), _Way(work, work["after"])
    levels = {
        name: difference_db(np.load(work[f"{name}_reference"]), way.sound())
        for name, way in (("before", before), ("after", after))
    }
    tell({"levels": levels})
    answer: dict[str, Any] = {"levels": levels}
    level = levels["after"]
    if level is not None and level < work["least_db"]:
        return answer
    if before.copies > 1:  # a batch of that size is new to the device: its kernels, its memory
        before.seconds(0)
        after.seconds(0)
    found = compare(
        before.seconds, after.seconds, lambda count: tell({"rounds": count}), work["most_rounds"]
    )
    return {**answer, "comparison": asdict(found)}


class _Way:
    """A converter with its networks, and what it is given."""

    def __init__(self, work: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        models = _folder(work)
        self._converter = Converter(models, OptimizationConfig(**config), examine_device=False)
        self._voice = _voice(work)
        self._clip = _clip(work)
        self.copies = int(work.get("copies", 1))
        self._varied = bool(work.get("varied", False))

    def sound(self) -> Floats:
        """Of the whole clip; loads what is needed."""
        result = self._converter.convert_together([self._clip], self._voice)[0]
        if result.samples is None:
            raise RuntimeError("a conversion of samples gave none")
        return result.samples

    def seconds(self, place: int) -> float:
        """For one round."""
        source = self._clip
        if self._varied:
            share = 1 - _SHORTER_EACH_ROUND * (place + 1)
            kept = source.samples[: max(int(len(source.samples) * share), source.rate_hz)]
            source = Source(kept, source.rate_hz, source.options)
        started_s = time.perf_counter()
        self._converter.convert_together([source] * self.copies, self._voice)
        return time.perf_counter() - started_s


def _quiet() -> ConversionOptions:
    """Noise off: what differs is the way's doing."""
    return ConversionOptions(noise=False)


def _clip(work: Mapping[str, Any]) -> Source:
    audio = read_audio(Path(work["clip"]))
    return Source(audio.samples, audio.rate_hz, _quiet())


def _voice(work: Mapping[str, Any]) -> VoiceFiles:
    index = work.get("index")
    return VoiceFiles(Path(work["voice"]), None if index is None else Path(index))


def _folder(work: Mapping[str, Any]) -> Path | None:
    folder = work.get("models_dir")
    return None if folder is None else Path(folder)
