"""Measures what each flag gains and costs on this machine, in one run.

Every configuration converts the same sound in a process of its own: so its peak memory is its own
and caches of the one before do not help it. Noise is off, so that only the flag makes a difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import device as devices
from engine.accelerators import coreml
from engine.agreement import agreement_db
from engine.audio.reader import read_audio
from engine.audio.writer import write_audio
from engine.child import Child, ChildError
from engine.device import DeviceName
from engine.errors import OptionError, OutputFileError, UserError
from engine.files import scratch_folder
from engine.optimization import OptimizationConfig
from engine.paths import starter_dir
from engine.stages import CONVERSION_STAGES

HALF_FLAG = "use_fp16"

COUNTED_STAGES = tuple(stage.name for stage in CONVERSION_STAGES if stage.counted)
"""Loading happens once in a session and does not count."""

BASELINE, TOGETHER = "baseline", "all together"
IN_HALF, IN_FULL = "all, half precision", "all, float32"
IN_MLX, IN_MLX_HALF = "all, MLX", "all, MLX, half precision"
IN_COREML = "all, Core ML"

WHOLE = {
    TOGETHER: "",
    IN_HALF: ", half precision",
    IN_FULL: ", float32",
    IN_MLX: ", MLX",
    IN_MLX_HALF: ", MLX, half precision",
    IN_COREML: ", Core ML",
}
"""Configurations that somebody would use, by name, and what they have besides the preset."""

_CHART_WIDTH, _ROW_HEIGHT, _BAR_HEIGHT = 1200, 56, 30
_MARGIN, _NAME_WIDTH, _FIGURES_WIDTH, _TITLE_HEIGHT, _LEGEND_HEIGHT = 32, 230, 250, 76, 52
_TITLE_SIZE, _TEXT_SIZE = 24, 18
_PAPER, _INK, _FAINT = "#ffffff", "#1d1d1f", "#6e6e73"
_STAGE_COLOURS = {
    stage.name: f"hsv({stage.hue},{stage.saturation:.0%},80%)"
    for stage in CONVERSION_STAGES
    if stage.counted
}


@dataclass(frozen=True)
class Measurement:
    """One configuration's run.

    Attributes
    ----------
    name : ``baseline``, the one flag that is on, or ``all together``
    seconds : of all stages except loading
    realtime : seconds of sound converted per second
    speed_up : compared with the baseline of the same run
    stage_s : seconds per stage
    peak_memory_bytes : of the process
    difference_db : agreement with the baseline; None for itself and for an identical result
    notes : what the conversion said, e.g. that a part ran somewhere else
    """

    name: str
    seconds: float
    realtime: float
    speed_up: float
    stage_s: dict[str, float]
    peak_memory_bytes: int
    difference_db: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """What is converted; without a voice, the starter voice."""

    seconds: float
    voice: Path | None = None
    index: Path | None = None
    models_dir: Path | None = None


def configurations(device: DeviceName, only: Iterable[str] | None) -> dict[str, OptimizationConfig]:
    """Baseline, each flag of the device's preset alone, and the whole preset, in that order.

    Exact retrieval and half precision are measured even if the preset leaves them off. If nothing
    was chosen, the preset also runs in the other precision, by MLX and by Core ML where they are.

    Raises
    ------
    OptionError : a flag of ``only`` is not among these
    """
    preset = OptimizationConfig.for_this_machine(device)
    plain = {**asdict(OptimizationConfig.baseline()), "device": preset.device}
    usual = {**asdict(preset), "enable_profiling": False}
    possible = {**usual, "retrieval": "exact"}
    possible[HALF_FLAG] = devices.half_type(preset.device) is not None
    flags = [name for name, value in possible.items() if value != plain[name]]
    unknown = sorted(set(only or ()) - set(flags))
    if unknown:
        raise OptionError(
            f'Cannot measure the flag "{unknown[0]}"',
            f"the flags that can help on this device are {', '.join(flags)}",
            "choose from these",
        )
    chosen = [name for name in flags if only is None or name in only]
    found = {BASELINE: OptimizationConfig(**plain)}
    for name in chosen:
        found[name] = OptimizationConfig(**{**plain, name: possible[name]})
    wanted = chosen if only is not None else [n for n in flags if usual[n] == possible[n]]
    together = {**plain, **{name: possible[name] for name in wanted}}
    found[TOGETHER] = OptimizationConfig(**together)
    if only is None:
        for name, values in _other_ways(together, half=bool(possible[HALF_FLAG])):
            found[name] = OptimizationConfig(**{**together, **values})
    return found


def _other_ways(
    preset: Mapping[str, Any], *, half: bool
) -> Iterator[tuple[str, dict[str, str | bool]]]:
    """What this machine offers besides the preset: precisions and accelerators, with their flags.

    Parameters
    ----------
    half : whether the device has half precision
    """
    if preset[HALF_FLAG]:
        yield IN_FULL, {HALF_FLAG: False}
    elif half:
        yield IN_HALF, {HALF_FLAG: True}
    if preset["device"] != "mps":
        return
    if devices.has_mlx():
        yield IN_MLX, {"backend": "mlx", HALF_FLAG: False}
        yield IN_MLX_HALF, {"backend": "mlx", HALF_FLAG: True}
    if coreml.fault() is None:
        yield IN_COREML, {"coreml_content": "on"}


def run_benchmark(
    job: Job,
    device: DeviceName = "auto",
    only: Iterable[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Measure the baseline, each flag alone, and all together.

    Raises
    ------
    UserError : the conversion failed
    """
    measured: list[Measurement] = []
    reference: NDArray[np.float32] | None = None
    with scratch_folder() as folder:
        source = write_sound(folder / "source.wav", job.seconds)
        output = folder / "output.wav"
        for title, config in configurations(device, only).items():
            tell(title)
            result = _convert(source, output, job, config)
            samples = read_audio(output).samples[:, 0]
            output.unlink()
            reference = samples if reference is None else reference
            stage_s = result["stage_seconds"]
            seconds = sum(stage_s.get(stage, 0.0) for stage in COUNTED_STAGES)
            level_db = agreement_db(reference, samples)
            measured.append(
                Measurement(
                    title,
                    round(seconds, 3),
                    round(result["seconds_in"] / seconds, 3),
                    round(measured[0].seconds / seconds, 2) if measured else 1.0,
                    stage_s,
                    result["peak_memory_bytes"],
                    None if level_db is None else round(level_db, 1),
                    tuple(result["notes"]),
                )
            )
    return measured


def write_sound(path: Path, seconds: float) -> Path:
    """The starter voice's sample, repeated without a pause."""
    sample = read_audio(starter_dir() / "sample.wav")
    n_samples = round(seconds * sample.rate_hz)
    samples = np.resize(sample.samples[:, 0], n_samples)
    return write_audio(path, samples, sample.rate_hz, "wav", "16")


def _convert(source: Path, output: Path, job: Job, config: OptimizationConfig) -> dict[str, Any]:
    """Run ``urvc convert`` with this configuration; its report."""
    command: list[str | Path] = ["-m", "engine", "convert", source, "-o", output]
    command += ["--noise", "off", "--subtype", "float", "--json"]
    for option, value in (
        ("--voice", job.voice), ("--index", job.index), ("--models-dir", job.models_dir),
    ):  # fmt: skip
        command += [] if value is None else [option, value]
    child = Child(config.to_env(), limit_s=None)
    try:
        report: dict[str, Any] = json.loads(child.output(*map(str, command))[-1])
    except ChildError as error:
        raise UserError(
            "Cannot measure this configuration",
            str(error).removeprefix("urvc: ").rstrip("."),
            "fix this and try again",
        ) from error
    return report


def as_json(measured: Sequence[Measurement], job: Job, device: DeviceName) -> dict[str, Any]:
    """All figures, for other programs and for `draw_chart`."""
    chosen = devices.choose_device(device)
    return {
        "machine": devices.describe(chosen),
        "device": chosen.type,
        "seconds_of_sound": job.seconds,
        "voice": "starter" if job.voice is None else job.voice.name,
        "measurements": [asdict(each) for each in measured],
    }


def draw_chart(path: Path, report: dict[str, Any]) -> None:
    """Draw a PNG with a bar for each configuration, divided into its stages.

    Parameters
    ----------
    report : from `as_json`

    Raises
    ------
    OptionError : Pillow is not installed
    OutputFileError : the file cannot be written
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise OptionError(
            "Cannot draw the chart", "Pillow is not installed", "install pillow or use --save"
        ) from error
    measured = report["measurements"]
    height = _TITLE_HEIGHT + _ROW_HEIGHT * len(measured) + _LEGEND_HEIGHT
    image = Image.new("RGB", (_CHART_WIDTH, height), _PAPER)
    canvas = ImageDraw.Draw(image)
    title, text = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_TEXT_SIZE)
    heading = f"{report['machine']}: {report['seconds_of_sound']:g} s of sound"
    canvas.text((_MARGIN, 24), heading, _INK, title)
    longest_s = max(each["seconds"] for each in measured)
    for row, each in enumerate(measured):
        middle = _TITLE_HEIGHT + _ROW_HEIGHT * row + _ROW_HEIGHT // 2
        canvas.text((_MARGIN, middle), each["name"], _INK, text, anchor="lm")
        end = _MARGIN + _NAME_WIDTH
        for left, right, colour in _bars(each["stage_s"], longest_s):
            box = (left, middle - _BAR_HEIGHT // 2, right, middle + _BAR_HEIGHT // 2)
            canvas.rectangle(box, colour)
            end = right
        figures = f"{each['seconds']:.1f} s   {each['speed_up']:.2f} x   "
        figures += f"{each['peak_memory_bytes'] / 1e9:.2f} GB"
        canvas.text((end + 12, middle), figures, _FAINT, text, anchor="lm")
    left = _MARGIN
    for stage, colour in _STAGE_COLOURS.items():
        at = height - _LEGEND_HEIGHT // 2
        canvas.rectangle((left, at - 7, left + 14, at + 7), colour)
        canvas.text((left + 22, at), stage, _FAINT, text, anchor="lm")
        left += 22 + round(canvas.textlength(stage, text)) + 26
    try:
        image.save(path, "PNG")
    except OSError as error:
        raise OutputFileError(
            f'Cannot write "{path.name}"', error.strerror or str(error), "choose another folder"
        ) from error


def _bars(stage_s: dict[str, float], longest_s: float) -> list[tuple[int, int, str]]:
    """Left and right pixel and colour of each stage, one after the other."""
    per_second = (_CHART_WIDTH - 2 * _MARGIN - _NAME_WIDTH - _FIGURES_WIDTH) / longest_s
    bars, spent_s, start = [], 0.0, _MARGIN + _NAME_WIDTH
    for stage, colour in _STAGE_COLOURS.items():
        seconds = stage_s.get(stage, 0.0)
        left, right = (round(start + at * per_second) for at in (spent_s, spent_s + seconds))
        if right > left:
            bars.append((left, right - 1, colour))
        spent_s += seconds
    return bars
