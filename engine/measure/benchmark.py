"""What each flag gains and costs on this machine, measured in one run.

Every configuration converts the same sound in a process of its own, so that its peak memory is its
own and nothing is warm from the one before. Noise is off: what differs is the flag's doing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from engine import device as devices
from engine.audio.reader import read_audio
from engine.audio.writer import write_audio
from engine.device import DeviceName
from engine.errors import OptionError, UserError
from engine.measure.interpreter import child_environment
from engine.optimization import VARIABLES, OptimizationConfig
from engine.paths import starter_dir
from engine.stages import STAGES

HALF_FLAG = "use_fp16"

STAGES_NOT_COUNTED = tuple(stage.name for stage in STAGES if not stage.counted)
"""Loading is paid once a session; the table shows it apart."""

BASELINE, TOGETHER, IN_HALF = "baseline", "all together", "all, half precision"


@dataclass(frozen=True)
class Measurement:
    """One configuration's run.

    Attributes
    ----------
    name : ``baseline``, the flag that is on alone, or ``all together``
    seconds : of all stages but loading
    realtime : seconds of sound converted in a second
    speed_up : against the baseline of the same run
    stage_s : seconds per stage
    peak_memory_bytes : of the process
    difference_db : baseline's energy over that of the difference to it; None where there is none
    """

    name: str
    seconds: float
    realtime: float
    speed_up: float
    stage_s: dict[str, float]
    peak_memory_bytes: int
    difference_db: float | None


@dataclass(frozen=True)
class Job:
    """What is converted."""

    seconds: float
    voice: Path | None = None
    index: Path | None = None
    models_dir: Path | None = None


def configurations(device: DeviceName, only: Iterable[str] | None) -> dict[str, OptimizationConfig]:
    """Baseline, each flag alone, and all of the device's preset together, in that order.

    Exact retrieval and half precision are measured alone, and half precision beside all others,
    where the device has it and the preset leaves them off, because they change the sound.

    Raises
    ------
    OptionError : a flag of ``only`` that is neither of these nor on in this device's preset
    """
    preset = OptimizationConfig.for_this_machine(device)
    plain = {**asdict(OptimizationConfig.baseline()), "device": preset.device}
    usual = {**asdict(preset), "enable_profiling": False}
    possible = {**usual, "use_gpu_retrieval": True}
    possible[HALF_FLAG] = devices.half_type(preset.device) is not None
    flags = [name for name, value in possible.items() if value != plain[name]]
    unknown = sorted(set(only or ()) - set(flags))
    if unknown:
        raise OptionError(
            f'Cannot measure the flag "{unknown[0]}"',
            f"measured can be what helps this device: {', '.join(flags)}",
            "name one of these",
        )
    chosen = [name for name in flags if only is None or name in only]
    found = {BASELINE: OptimizationConfig(**plain)}
    for name in chosen:
        found[name] = OptimizationConfig(**{**plain, name: possible[name]})
    wanted = chosen if only is not None else [n for n in flags if usual[n] == possible[n]]
    together = {**plain, **{name: possible[name] for name in wanted}}
    found[TOGETHER] = OptimizationConfig(**together)
    if only is None and HALF_FLAG in flags and HALF_FLAG not in wanted:
        found[IN_HALF] = OptimizationConfig(**{**together, HALF_FLAG: True})
    return found


def run_benchmark(
    job: Job,
    device: DeviceName = "auto",
    only: Iterable[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Measure baseline, each flag alone, and all together.

    Raises
    ------
    UserError : the conversion itself is refused; with its sentence
    """
    measured: list[Measurement] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_sound(folder / "source.wav", job.seconds)
        reference: np.ndarray | None = None
        for title, config in configurations(device, only).items():
            tell(title)
            output = folder / f"{len(measured)}.wav"
            told = _convert(source, output, job, config)
            samples = read_audio(output).samples[:, 0]
            if reference is None:
                reference = samples
            measured.append(_measurement(title, told, measured, reference, samples))
            output.unlink()
    return measured


def write_sound(path: Path, seconds: float) -> Path:
    """The starter's spoken sample, without a pause, as often as it takes."""
    sample = read_audio(starter_dir() / "sample.wav")
    n_samples = round(seconds * sample.rate_hz)
    samples = np.resize(sample.samples[:, 0], n_samples)
    return write_audio(path, samples, sample.rate_hz, "wav", "16")


def _convert(source: Path, output: Path, job: Job, config: OptimizationConfig) -> dict[str, Any]:
    """Run ``urvc convert`` with this configuration; what its ``--json`` told."""
    command = [sys.executable, "-P", "-m", "engine", "convert", source, "-o", output]
    command += ["--noise", "off", "--subtype", "float", "--json"]
    for option, value in (
        ("--voice", job.voice), ("--index", job.index), ("--models-dir", job.models_dir),
    ):  # fmt: skip
        command += [] if value is None else [option, value]
    by_field = {name: variable for variable, name in VARIABLES.items()}
    environment = child_environment()
    for field in fields(config):
        # Empty would count as unset, and what tuning found would take its place.
        environment[by_field[field.name]] = str(getattr(config, field.name)).lower() or "none"
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(
            "Cannot measure this configuration",
            done.stderr.strip().removeprefix("urvc: ").rstrip(".") or "the conversion ended early",
            "mend that and start again",
        )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _measurement(
    title: str,
    told: dict[str, Any],
    before: list[Measurement],
    reference: np.ndarray,
    samples: np.ndarray,
) -> Measurement:
    stages = {k: v for k, v in told["stage_seconds"].items() if k not in STAGES_NOT_COUNTED}
    seconds = sum(stages.values())
    return Measurement(
        name=title,
        seconds=round(seconds, 3),
        realtime=round(told["seconds_in"] / seconds, 3),
        speed_up=round(before[0].seconds / seconds, 2) if before else 1.0,
        stage_s=told["stage_seconds"],
        peak_memory_bytes=told["peak_memory_bytes"],
        difference_db=difference_db(reference, samples) if before else None,
    )


def difference_db(reference: np.ndarray, samples: np.ndarray) -> float | None:
    """Energy of the reference over that of the difference; None where they are equal."""
    error = float(np.square(reference.astype(np.float64) - samples).sum())
    energy = float(np.square(reference.astype(np.float64)).sum())
    return None if error == 0 or energy == 0 else round(10 * float(np.log10(energy / error)), 1)
