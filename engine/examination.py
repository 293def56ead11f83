"""Is a device right, and worth its while? Each part is compared with the CPU.

Metal has had kernels that gave wrong numbers without a word, and some networks run slower there
than on the processor beside it; neither is seen unless one looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from engine import device as devices
from engine.agreement import agreement_db
from engine.networks import Models
from engine.probe_run import Given, made_up, part_run
from engine.retrieval.search import ExactSearch
from engine.stages import CPU, PART_TITLES, PARTS, Part

Verdict = Literal["right", "wrong", "not finite", "failed", "slower", "crashed"]

LEAST_DB = 45.0
"""What is right in float32: signal over difference to the CPU. Kernels that only add in another
order, or multiply with 10 bits as NVIDIA's do, stay above; those that compute something else give
20 dB and less."""

LEAST_HALF_DB = 25.0
"""What is right in half precision."""

SHORT_S, LONG_S = 1, 10
"""A part that is slower on one second may only be waiting for its kernels to be started: it is
asked again with ten before it is sent away."""

_RUNS = 2
_SLOWER = 1.1
"""The CPU must be a tenth faster than the device: closer than that, clocks decide."""

PITCH_OUTLIERS = 0.03
"""Frames between voiced and unvoiced may fall to either side."""

_BEFORE: dict[Part, Part] = {"retrieval": "content", "latent": "content", "vocoder": "latent"}
"""Whose result on the CPU a part is given."""

PartRun = Callable[[Part, Models, Given, str], Callable[[], Tensor]]


@dataclass(frozen=True)
class Finding:
    """What came of one part.

    Attributes
    ----------
    verdict : ``right`` leaves the part on the device; all others send it to the CPU
    device_s, cpu_s : seconds for the sound it was tried with; None where it did not get so far
    difference_db : signal over difference to the CPU; None where equal or not compared
    why : what the device said, if it failed
    kind : of the part's network, see `engine.network_signature`
    """

    part: Part
    verdict: Verdict
    device_s: float | None = None
    cpu_s: float | None = None
    difference_db: float | None = None
    why: str = ""
    kind: str = ""

    def sentence(self, device: str) -> str:
        """Which part runs on the CPU, and why, for the user."""
        why = {
            "right": "",
            "wrong": f"{device} gives other numbers than the CPU ({self._level()})",
            "not finite": f"{device} gives numbers that are none",
            "failed": f"{device} cannot run it ({self.why})",
            "slower": f"{device} takes {self._times()} as long",
            "crashed": f"the program ended while {device} was examined",
        }[self.verdict]
        return f"{PART_TITLES[self.part]} runs on the CPU, because {why}"

    def _level(self) -> str:
        return "none alike" if self.difference_db is None else f"{self.difference_db:.0f} dB"

    def _times(self) -> str:
        return f"{(self.device_s or 0.0) / (self.cpu_s or 1.0):.1f} times"


class Reference:
    """What the CPU makes of a sound, part by part, each when it is first needed."""

    def __init__(self, models: Models, seconds: int, run: PartRun = part_run) -> None:
        self._models = models
        self._run = run
        self._found: dict[Part, tuple[Tensor, float]] = {}
        self.given = made_up(seconds)

    def of(self, part: Part) -> tuple[Tensor, float]:
        """Result of a part and the seconds it took; afterwards `given` has what the part needs."""
        before = _BEFORE.get(part)
        if before is not None:
            self.of(before)
        if part not in self._found:
            found = timed(self._run(part, self._models, self.given, CPU), CPU)
            self._found[part] = found
            if part == "content":
                doubled = found[0].repeat_interleave(2, dim=1)
                features = doubled[:, : self.given.f0_hz.shape[1]]
                self.given = replace(self.given, features=features)
            elif part == "latent":
                self.given = replace(self.given, latent=found[0])
        return self._found[part]


class Examination:
    """Compares parts of a loaded voice with the CPU.

    Parameters
    ----------
    on_device, on_cpu : the same voice; the second in float32
    half : whether the first is in half precision
    run : what runs a part
    """

    def __init__(
        self,
        on_device: Models,
        on_cpu: Models,
        device: str,
        *,
        half: bool,
        run: PartRun = part_run,
    ) -> None:
        self._models = on_device
        self._device = device
        self._half = half
        self._run = run
        self._short = Reference(on_cpu, SHORT_S, run)
        self._long = Reference(on_cpu, LONG_S, run)

    def examine(self, part: Part) -> Finding:
        """Try one part."""
        finding = self._compare(part, self._short)
        if finding.verdict == "slower":
            again = self._compare(part, self._long)
            return again if again.verdict != "right" else replace(finding, verdict="right")
        return finding

    def _compare(self, part: Part, reference: Reference) -> Finding:
        expected, cpu_s = reference.of(part)
        try:
            run = self._run(part, self._models, reference.given, self._device)
            found, device_s = timed(run, self._device)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, MemoryError) as error:
            if devices.is_out_of_memory(error):
                raise
            reason = str(error).strip().partition("\n")[0]
            return Finding(part, "failed", cpu_s=cpu_s, why=reason or type(error).__name__)
        verdict, level_db = self._judge(part, expected, found)
        if verdict == "right" and device_s > _SLOWER * cpu_s:
            verdict = "slower"
        return Finding(part, verdict, device_s, cpu_s, level_db)

    def _judge(self, part: Part, expected: Tensor, found: Tensor) -> tuple[Verdict, float | None]:
        if found.shape != expected.shape:
            return "wrong", None
        if not bool(torch.isfinite(found).all()):
            return "not finite", None
        level_db = agreement_db(expected, found, outliers=PITCH_OUTLIERS if part == "pitch" else 0)
        half = self._half and part not in ("filter", "pitch")  # which are never rounded
        least_db = LEAST_HALF_DB if half else LEAST_DB
        right = level_db is None or level_db >= least_db
        return "right" if right else "wrong", level_db


def timed(run: Callable[[], Tensor], device: str) -> tuple[Tensor, float]:
    """Result on the CPU in float32, and the shortest time of a few runs after a first one."""
    where = torch.device(device)
    result = run()
    devices.synchronize(where)
    best_s = float("inf")
    for _ in range(_RUNS):
        started_s = time.perf_counter()
        result = run()
        devices.synchronize(where)
        best_s = min(best_s, time.perf_counter() - started_s)
    return result.float().cpu(), best_s


def parts_to_examine(models: Models, *, device_filter: bool) -> tuple[Part, ...]:
    """Those that this voice and these flags would have run on the device."""
    left_out: set[Part] = set()
    if not device_filter:
        left_out.add("filter")
    if models.tracker is None:
        left_out.add("pitch")
    if not isinstance(models.search, ExactSearch):
        left_out.add("retrieval")
    return tuple(part for part in PARTS if part not in left_out)
