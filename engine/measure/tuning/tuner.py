"""Goes through the flags one by one, keeps what pays, and writes it down."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.bundle import advised
from engine.errors import DeviceError, UserError
from engine.machine import Machine, app_version
from engine.measure.benchmark import write_sound
from engine.measure.tuning.candidate import (
    LEFT_AS_IT_IS,
    NOT_MEASURED,
    Candidate,
    flags_to_try,
    least_db,
    plain_twin,
    values_to_try,
)
from engine.measure.tuning.child import Answer, Ask, Child, ChildDiedError
from engine.measure.tuning.figure import Figure, Listener, Reason, Tuning, TuningProgress
from engine.measure.tuning.job import SYNTHETIC, TuningJob
from engine.measure.tuning.record import TuningRecord
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken
from engine.stages import PARTS

SYNTHETIC_INDEX_ROWS = 10_000
_EXAMINATIONS = 2 * len(PARTS) + 1
"""Each may end the process twice before it is given up."""

_PREPARED = 0.1
"""Of the whole is done when the first flag is measured."""


def tune(
    job: TuningJob,
    listener: Listener = lambda _: None,
    cancel: CancelToken | None = None,
    folder: Path | None = None,
    ask: Ask | None = None,
) -> Tuning:
    """Measure every flag on this machine, keep what pays, and save it.

    Parameters
    ----------
    folder : of the record; None is the user's own
    ask : what does the work; other than `Child` in tests

    Raises
    ------
    ConversionCancelled : ``cancel`` was set; nothing was saved
    UserError : the voice cannot be converted, the device is not there, or its results are not
        those of the CPU
    OSError : the disk is full or refuses; known before anything is measured, where it can be
    """
    token = cancel or CancelToken()
    record = TuningRecord(folder)
    record.require_writable()
    with tempfile.TemporaryDirectory() as name:
        tuner = _Tuner(job, ask or Child(token, folder).ask, listener, Path(name))
        device, tuning = tuner.run()
    token.raise_if_cancelled()
    earlier = record.tuning(device)
    if job.only is not None and earlier is not None:
        tuning = _joined(earlier, tuning, job.only)
    record.save(device, tuning)
    return tuning


def _joined(earlier: Tuning, tuning: Tuning, only: frozenset[str]) -> Tuning:
    """What was just found of some flags, beside what had been found of the others."""
    found = {name: value for name, value in tuning.flags.items() if name in only}
    kept = tuple(figure for figure in earlier.figures if figure.flag not in only)
    return replace(
        tuning, flags={**tuning.flags, **earlier.flags, **found}, figures=(*kept, *tuning.figures)
    )


@dataclass
class _Tuner:
    """One tuning; what is in force changes as it goes on."""

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
        found = self._ask({"do": "machine", "device": self.job.device})
        device, name = str(found["device"]), str(found["name"])
        clip = write_sound(self.folder / "clip.wav", self.job.seconds)
        self.common = {"clip": str(clip), **self._voice()}
        config = OptimizationConfig.preset(device)
        on_cpu = self._examine(config)
        config = self._trusted(config)
        self.begun_s = time.monotonic()
        wanted = [f for f in flags_to_try(device) if self.job.only is None or f in self.job.only]
        self.steps = sum(len(values_to_try(flag, config)) for flag in wanted)
        for flag in wanted:
            config = self._best(config, values_to_try(flag, config))
        flags = {k: v for k, v in asdict(config).items() if k not in NOT_MEASURED | LEFT_AS_IT_IS}
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
            work = {"do": "synthetic", "folder": models, "index_rows": SYNTHETIC_INDEX_ROWS}
            return {**self._ask(work), "models_dir": models}
        index = None if job.index is None else str(job.index)
        models_dir = None if job.models_dir is None else str(job.models_dir)
        return {"voice": str(job.voice), "index": index, "models_dir": models_dir}

    def _examine(self, config: OptimizationConfig) -> list[str]:
        """Why parts run on the CPU; a part that ends the process is given up."""
        if config.device == "cpu":
            return []
        self.listener(TuningProgress("examine", fraction=_PREPARED / 2))
        for place in range(_EXAMINATIONS):
            work = {"do": "examine", "config": asdict(config), "anew": place == 0}
            try:
                return [str(each) for each in self._ask({**work, **self.common})["on_cpu"]]
            except ChildDiedError:
                continue
        return []

    def _trusted(self, preset: OptimizationConfig) -> OptimizationConfig:
        """The preset, or the plain way on the device, whichever gives the CPU's sound.

        Raises
        ------
        DeviceError : neither does
        """
        plain = replace(plain_twin(preset), device=preset.device, use_shape_buckets=False)
        for config in (preset, plain):
            reference = str(self._reference(config))
            work = {"do": "check", "config": asdict(config), "reference": reference}
            try:
                level_db = self._ask({**self.common, **work})["level"]
            except ChildDiedError:
                continue
            if _is_near(level_db, least_db(config)):
                return config
        raise DeviceError(
            f'Cannot tune the device "{preset.device}"',
            "its results are not those of the CPU, even without any flag",
            "use the device cpu, and report this",
        )

    def _best(self, config: OptimizationConfig, values: list[Candidate]) -> OptimizationConfig:
        """The configuration with the best of these values."""
        kept_before = True
        for candidate in values:
            self.steps_done += 1
            if not candidate.is_news(config) or (candidate.only_after_gain and not kept_before):
                continue
            self._tell(candidate)
            figure = self._measured(config, candidate)
            self.figures.append(figure)
            kept_before = figure.kept
            config = candidate.applied(config) if figure.kept else config
        return config

    def _measured(self, config: OptimizationConfig, candidate: Candidate) -> Figure:
        after = candidate.applied(config)
        least = least_db(after)
        flag = candidate.flag
        plain = Figure(flag, getattr(after, flag), getattr(config, flag), "failed", least_db=least)
        answer = self._compared(config, after, candidate)
        if isinstance(answer, str):
            return replace(plain, detail=answer)
        level = answer["levels"]["after"]
        plain = replace(plain, difference_db=level, before_db=answer["levels"]["before"])
        if not _is_near(level, least):
            return replace(plain, reason="other sound")
        found = answer["comparison"]
        reason = _reason(flag, found["clearness"], found["gain"])
        return replace(
            plain,
            reason=reason,
            kept=reason == "pays",
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
        """What the process answered, or how it ended."""
        try:
            work = {
                "do": "trial",
                "before": asdict(before),
                "after": asdict(after),
                "before_reference": str(self._reference(before)),
                "after_reference": str(self._reference(after)),
                "copies": candidate.copies,
                "varied": candidate.varied,
                "least_db": least_db(after),
                "most_rounds": self.job.most_rounds,
            }
            return self._ask({**self.common, **work})
        except (ChildDiedError, UserError) as error:  # the other flags are measured all the same
            return str(error)

    def _reference(self, config: OptimizationConfig) -> Path:
        """What the plain way on the CPU makes of the clip; made when first needed."""
        plain = plain_twin(config)
        if plain not in self.references:
            path = self.folder / f"reference-{len(self.references)}.npy"
            work = {"do": "reference", "config": asdict(plain), "output": str(path)}
            try:
                self._ask({**self.common, **work})
            except ChildDiedError as error:
                raise DeviceError(
                    "Cannot tune this machine",
                    f"the plain way on the CPU gives no result ({error})",
                    advised(
                        "see what urvc doctor says",
                        "copy the report in Settings › Advanced and send it in",
                    ),
                ) from error
            self.references[plain] = path
        return self.references[plain]

    def _ask(self, work: Mapping[str, Any]) -> Answer:
        return self.ask(work, lambda _: None)

    def _tell(self, candidate: Candidate) -> None:
        done = (self.steps_done - 1) / max(self.steps, 1)
        taken_s = time.monotonic() - self.begun_s
        left_s = taken_s / done * (1 - done) if self.steps_done > 1 else None
        fraction = _PREPARED + (1 - _PREPARED) * done
        self.listener(TuningProgress(candidate.flag, candidate.value, fraction, left_s))


def _is_near(level_db: float | None, least: float) -> bool:
    return level_db is None or level_db >= least


def _reason(flag: str, clearness: str, gain: float) -> Reason:
    if flag in LEFT_AS_IT_IS:
        return "left as it is"
    if clearness == "faster":
        return "pays"
    if clearness == "unclear":
        return "unclear"
    return "slower" if gain < 0 else "no gain"
