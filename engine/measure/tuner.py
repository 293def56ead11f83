"""Finds which flags make conversions faster on this machine without changing the sound.

    tuning = tune(TuningJob(seconds=10))

Everything that touches a device runs in processes of its own; torch is not loaded in this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.accelerators import TORCH
from engine.child import Child, ChildError
from engine.device import DeviceName
from engine.errors import DeviceError, Text, UserError
from engine.files import scratch_folder
from engine.finding import Finding, ProbeRecord
from engine.forms import Trial
from engine.library.networks import CONTENT_ENCODER
from engine.library.separation_networks import QUALITIES, separation_file
from engine.library.voice_library import VoiceLibrary
from engine.machine import TUNING_VARIABLE, Machine, app_version
from engine.measure.benchmark import write_sound
from engine.measure.candidates import Candidate, candidates, flags_to_try
from engine.measure.comparison import MOST_ROUNDS
from engine.measure.tuning_record import (
    NOT_MEASURED,
    Figure,
    Listener,
    Reason,
    Tuning,
    TuningProgress,
    TuningRecord,
)
from engine.optimization import OptimizationConfig
from engine.paths import advised, models_dir
from engine.progress import CancelToken
from engine.stages import CONVERSION_PARTS

EQUAL_DB = 45.0
"""Agreement with the plain CPU result that a change of the computation alone must keep."""

HALF_DB = 25.0
"""The same for half precision, which rounds to 11 bits: inaudible, but not equal."""

MEASURED_ONLY = frozenset({"retrieval"})
"""Finds other rows, so it changes the sound: the user decides."""

SYNTHETIC = "synthetic"

PARTS_ALONE = "parts"
"""In place of a flag: try only by what and how each part runs fastest."""

_LIMIT_S = 1200.0
"""No single request takes so long; a device that hangs never answers."""

_SYNTHETIC_INDEX_ROWS = 10_000
_EXAMINATIONS = 2 * len(CONVERSION_PARTS) + 1
"""Each part may end the process twice before it is moved to the CPU."""

_PREPARED = 0.1
"""Share of the progress bar before the first flag is measured."""

_FLAGS_DONE = 0.99
"""Share when by what the parts run is tried."""

Answer = dict[str, Any]
Ask = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class TuningJob:
    """What is converted, and where.

    Attributes
    ----------
    seconds : of sound
    device : ``auto`` is the best there is
    voice, index : None makes full-size networks with random weights (0.8 GB, temporarily)
    title : the voice's name, for the record
    models_dir : folder of the shared networks; None is the user's own
    most_rounds : of a comparison that stays unclear
    only : flags to measure, and `PARTS_ALONE`; None is all
    """

    seconds: float = 10.0
    device: DeviceName = "auto"
    voice: Path | None = None
    index: Path | None = None
    title: str = ""
    models_dir: Path | None = None
    most_rounds: int = MOST_ROUNDS
    only: frozenset[str] | None = None

    @classmethod
    def with_installed_voice(
        cls,
        seconds: float,
        device: DeviceName = "auto",
        models_folder: Path | None = None,
        library: VoiceLibrary | None = None,
    ) -> TuningJob:
        """With the voice installed last, or with synthetic networks if there is none.

        The starter voice does not count: its networks are a tenth of a real voice's.

        Raises
        ------
        LibraryError : the library cannot be read
        """
        folder = models_dir(models_folder)
        voices = [voice for voice in (library or VoiceLibrary()).voices() if not voice.built_in]
        if not voices or CONTENT_ENCODER.missing(folder):
            return cls(seconds, device, models_dir=folder)
        latest = max(voices, key=lambda voice: voice.imported)
        return cls(seconds, device, latest.weights, latest.index, latest.name, folder)


def _least_db(config: OptimizationConfig) -> float:
    return HALF_DB if config.use_fp16 else EQUAL_DB


def _plain_twin(config: OptimizationConfig) -> OptimizationConfig:
    """The plain CPU configuration with the flags that change the result by design."""
    return replace(
        OptimizationConfig.baseline(),
        retrieval=config.retrieval,
        use_shape_buckets=config.use_shape_buckets,
        skip_silence=config.skip_silence,
        retrieval_weighting=config.retrieval_weighting,
    )


def tune(
    job: TuningJob,
    listener: Listener = lambda _: None,
    cancel: CancelToken | None = None,
    folder: Path | None = None,
    ask: Ask | None = None,
) -> Tuning:
    """Measure every flag on this machine and save the fastest values.

    Parameters
    ----------
    folder : of the record; None is the user's own
    ask : answers requests; None is `Child.ask`

    Raises
    ------
    ConversionCancelled : ``cancel`` was set; nothing was saved
    UserError : the voice cannot be converted, or the device is missing or gives wrong results
    OSError : the folder cannot be written, or the disk is full
    """
    token = cancel or CancelToken()
    record = TuningRecord(folder)
    record.require_writable()
    with scratch_folder() as scratch:
        tuner = _Tuner(job, ask or _children(token, folder), listener, scratch)
        device, tuning = tuner.run()
        token.raise_if_cancelled()
        earlier = record.tuning(device)
        if job.only is not None and earlier is not None and earlier.machine == tuning.machine:
            tuning = _joined(earlier, tuning, job.only)
        if job.only is None or PARTS_ALONE in job.only:
            tuning = replace(tuning, parts=tuner.try_forms(device, tuning.flags, folder))
    token.raise_if_cancelled()
    record.save(device, tuning)
    return tuning


def _children(cancel: CancelToken, folder: Path | None) -> Ask:
    """Asks each request of a process of its own, which may take its ``limit_s``."""
    environment = {} if folder is None else {TUNING_VARIABLE: str(folder)}

    def ask(request: Mapping[str, Any]) -> Answer:
        limit_s = request.get("limit_s", _LIMIT_S)
        return Child(environment, cancel, limit_s, tasks="engine.measure.trial").ask(request)

    return ask


def _joined(earlier: Tuning, tuning: Tuning, only: frozenset[str]) -> Tuning:
    """What was just measured for some flags, with the earlier figures of the others."""
    found = {name: value for name, value in tuning.flags.items() if name in only}
    kept = tuple(figure for figure in earlier.figures if figure.flag not in only)
    return replace(
        tuning, flags={**tuning.flags, **earlier.flags, **found}, figures=(*kept, *tuning.figures)
    )


@dataclass
class _Tuner:
    """One tuning; the configuration in force changes as it goes on."""

    job: TuningJob
    ask: Ask
    listener: Listener
    folder: Path
    figures: list[Figure] = field(default_factory=list)
    references: dict[OptimizationConfig, Path] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)
    steps: int = 1
    steps_done: int = 0
    begun_s: float = 0.0

    def run(self) -> tuple[str, Tuning]:
        self.listener(TuningProgress("prepare"))
        found = self.ask({"do": "device", "device": self.job.device})
        device, name = str(found["device"]), str(found["name"])
        clip = write_sound(self.folder / "clip.wav", self.job.seconds)
        self.common = {"clip": str(clip), **self._voice()}
        config = OptimizationConfig.preset(device)
        on_cpu = self._examine(config)
        config = self._trusted(config)
        self.begun_s = time.monotonic()
        wanted = [f for f in flags_to_try(device) if self.job.only is None or f in self.job.only]
        self.steps = sum(len(candidates(flag, config)) for flag in wanted)
        for flag in wanted:
            config = self._best(config, candidates(flag, config))
        flags = {k: v for k, v in asdict(config).items() if k not in NOT_MEASURED | MEASURED_ONLY}
        when = datetime.now(UTC).isoformat(timespec="seconds")
        title = self.job.title if self.job.voice else SYNTHETIC
        machine, app = Machine.here(), app_version()
        seconds, figures = self.job.seconds, tuple(self.figures)
        tuning = Tuning(machine, name, when, app, title, seconds, flags, figures, tuple(on_cpu))
        return device, tuning

    def _voice(self) -> dict[str, Any]:
        job = self.job
        if job.voice is None:
            models = str(self.folder / "models")
            work = {"do": "synthetic", "folder": models, "index_rows": _SYNTHETIC_INDEX_ROWS}
            return {**self.ask(work), "models_dir": models}
        index = None if job.index is None else str(job.index)
        models_dir = None if job.models_dir is None else str(job.models_dir)
        return {"voice": str(job.voice), "index": index, "models_dir": models_dir}

    def _examine(self, config: OptimizationConfig) -> list[str]:
        """Why parts run on the CPU; a part that keeps ending the process is moved there."""
        if config.device == "cpu":
            return []
        self.listener(TuningProgress("examine", fraction=_PREPARED / 2))
        for place in range(_EXAMINATIONS):
            work = {"do": "examine", "config": asdict(config), "again": place == 0}
            try:
                return [str(each) for each in self.ask({**work, **self.common})["on_cpu"]]
            except ChildError:
                continue
        return []

    def try_forms(
        self, device: str, flags: Mapping[str, Any], folder: Path | None
    ) -> tuple[str, ...]:
        """Try by what and how each part runs fastest with these flags; sentences for the user.

        What is found is kept for conversions; a trial that cannot be made leaves all as it is.
        """
        self.listener(TuningProgress("examine", fraction=_FLAGS_DONE))
        config = replace(OptimizationConfig.preset(device), **flags)
        work = {**self.common, "config": asdict(config)}
        try:
            plan = self.ask({**work, "do": "plan_forms"})
            name, preparation = plan.get("record", ("", ""))
            record = ProbeRecord(name, preparation, folder)
            short = []
            for trial in msgspec.convert(plan.get("trials", []), list[Trial]):
                findings = self._tried(trial, str(plan["kinds"].get(trial.part, "")), work)
                record.keep_forms(findings)
                if not findings:
                    by = trial.forms[0].accelerator or TORCH
                    short.append(f"{trial.part} by {by}: not tried, because memory was short")
            parts = (*self.ask({**work, "do": "describe_forms"}).get("parts", ()), *short)
        except (ChildError, UserError) as error:
            parts = (f"by what each part runs fastest was not tried to the end: {error}",)
        return (*parts, *self._measure_separation(work))

    def _measure_separation(self, work: Mapping[str, Any]) -> list[str]:
        """How each network that separates songs runs fastest, of those that are installed."""
        folder = models_dir(self.job.models_dir)  # whatever voice is converted
        found, failed = [], []
        for network in QUALITIES.values():
            if network.missing(folder):
                continue
            path = str(separation_file(network, folder))
            try:
                found = self.ask({**work, "do": "measure_separation", "network": path})["parts"]
            except (ChildError, UserError) as error:
                failed.append(f"{network.title}: not tried to the end: {error}")
        return [*found, *failed]

    def _tried(self, trial: Trial, kind: str, work: Mapping[str, Any]) -> list[Finding]:
        try:
            answer = self.ask({**work, "do": "try_forms", **asdict(trial)})
        except ChildError as error:
            return trial.crashed(str(error), kind)
        found = msgspec.convert(answer["findings"], list[Finding])
        return [replace(each, kind=kind) for each in found]

    def _trusted(self, preset: OptimizationConfig) -> OptimizationConfig:
        """The preset if it gives the CPU's sound, else the plain configuration on the device.

        Raises
        ------
        DeviceError : neither does
        """
        plain = replace(_plain_twin(preset), device=preset.device, use_shape_buckets=False)
        self.listener(TuningProgress("check", fraction=_PREPARED * 0.75))
        for config in (preset, plain):
            reference = str(self._reference(config))
            work = {"do": "check", "config": asdict(config), "reference": reference}
            try:
                level_db = self.ask({**self.common, **work})["level"]
            except ChildError:
                continue
            if _is_near(level_db, _least_db(config)):
                return config
        raise DeviceError(
            Text('Cannot tune the device "{device}"', device=preset.device),
            "its results differ from those of the CPU, even with every flag off",
            "use the device cpu and report this",
        )

    def _best(self, config: OptimizationConfig, values: list[Candidate]) -> OptimizationConfig:
        """The configuration with the best of these values."""
        kept_before = True
        for candidate in values:
            self.steps_done += 1
            unchanged = candidate.applied(config) == config
            if unchanged or (candidate.only_after_gain and not kept_before):
                continue
            self._tell(candidate)
            figure = self._measured(config, candidate)
            self.figures.append(figure)
            kept_before = figure.kept
            config = candidate.applied(config) if figure.kept else config
        return config

    def _measured(self, config: OptimizationConfig, candidate: Candidate) -> Figure:
        after = candidate.applied(config)
        least = _least_db(after)
        flag = candidate.flag
        plain = Figure(flag, getattr(after, flag), getattr(config, flag), "failed", least_db=least)
        answer = self._compared(config, after, candidate)
        if isinstance(answer, str):
            return replace(plain, detail=answer)
        level = answer["levels"]["after"]
        plain = replace(plain, difference_db=level, before_db=answer["levels"]["before"])
        if not _is_near(level, least):
            return replace(plain, reason="different sound")
        found = answer["comparison"]
        reason = _reason(flag, found["outcome"], found["gain"])
        return replace(
            plain,
            reason=reason,
            kept=reason == "faster",
            seconds=found["after_s"],
            before_s=found["before_s"],
            gain=found["gain"],
            rounds=found["rounds"],
        )

    def _compared(
        self,
        before: OptimizationConfig,
        after: OptimizationConfig,
        candidate: Candidate,
    ) -> Answer | str:
        """The answer of the process, or how it ended."""
        try:
            work = {
                "do": "compare",
                "before": asdict(before),
                "after": asdict(after),
                "before_reference": str(self._reference(before)),
                "after_reference": str(self._reference(after)),
                "copies": candidate.copies,
                "varied": candidate.varied,
                "least_db": _least_db(after),
                "most_rounds": self.job.most_rounds,
            }
            return self.ask({**self.common, **work})
        except (ChildError, UserError) as error:  # the other flags are still measured
            return str(error)

    def _reference(self, config: OptimizationConfig) -> Path:
        """The plain CPU result for the clip, made when first needed."""
        plain = _plain_twin(config)
        if plain not in self.references:
            path = self.folder / f"reference-{len(self.references)}.npy"
            work = {"do": "reference", "config": asdict(plain), "output": str(path)}
            try:
                self.ask({**self.common, **work})
            except ChildError as error:
                raise DeviceError(
                    "Cannot tune this machine",
                    Text("the plain conversion on the CPU failed ({cause})", cause=error),
                    advised(
                        "run urvc doctor",
                        "copy the report in Settings › Advanced and send it to the developers",
                    ),
                ) from error
            self.references[plain] = path
        return self.references[plain]

    def _tell(self, candidate: Candidate) -> None:
        done = (self.steps_done - 1) / max(self.steps, 1)
        taken_s = time.monotonic() - self.begun_s
        left_s = taken_s / done * (1 - done) if self.steps_done > 1 else None
        fraction = _PREPARED + (1 - _PREPARED) * done
        self.listener(TuningProgress(candidate.flag, candidate.value, fraction, left_s))


def _is_near(level_db: float | None, least: float) -> bool:
    return level_db is None or level_db >= least


def _reason(flag: str, outcome: str, gain: float) -> Reason:
    if flag in MEASURED_ONLY:
        return "measured only"
    if outcome == "faster":
        return "faster"
    if outcome == "unclear":
        return "unclear"
    return "slower" if gain < 0 else "no gain"
