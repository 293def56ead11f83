"""Is each part right, and worth it, where it is to run? Before its first use it is examined.

Metal has had kernels that gave wrong numbers without an error, and some networks run slower there
than on the processor beside it. So each part is compared with torch on the CPU; one that fails
runs on the CPU from then on, and what was found is kept until the machine changes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

from engine import device as devices
from engine.accelerators import TORCH, offered
from engine.agreement import agreement_db
from engine.errors import Text
from engine.machine import Machine, read_object, tuning_dir, write_object
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.probe_run import Given, part_run, test_signal
from engine.stages import CPU, PART_TITLES, PARTS, Part, Placement, parse_parts

Verdict = Literal["right", "wrong", "not finite", "failed", "slower", "crashed"]

LEAST_DB = 45.0
"""Least agreement in float32. Kernels that add in another order, or multiply with 10 bits as
NVIDIA's do, stay above; those that compute something else reach 20 dB or less."""

LEAST_HALF_DB = 25.0
"""Least agreement in half precision."""

SHORT_S, LONG_S = 1, 10
"""A part that is slower on one second may only wait for its kernels to start: it is tried again
with ten before it is rejected."""

_RUNS = 2
SLOWER_RATIO = 1.1
"""Rejected if it takes 1.1 times as long as the CPU; closer figures are within the noise."""

PITCH_OUTLIERS = 0.03
"""Frames between voiced and unvoiced may fall to either side."""

_BEFORE: dict[Part, Part] = {"retrieval": "content", "latent": "content", "vocoder": "latent"}
"""Whose result on the CPU a part is given."""

PARTS_OF_KINDS: frozenset[Part] = frozenset({"content", "pitch", "latent", "vocoder"})
"""Parts that a network does; filter and retrieval are the same for every voice."""

PartRun = Callable[[Part, Models, Given, str], Callable[[], Tensor]]

_SENTENCES: dict[Verdict, str] = {
    "wrong": "{part} runs on {place}, because {device} gives other numbers than the CPU "
    "({level_db:.0f} dB)",
    "not finite": "{part} runs on {place}, because {device} returned NaN or infinite values",
    "failed": "{part} runs on {place}, because {device} cannot run it ({reason})",
    "slower": "{part} runs on {place}, because {device} takes {factor:.1f} times as long",
    "crashed": "{part} runs on {place}, because the program ended while {device} was examined",
}


@dataclass(frozen=True)
class Finding:
    """The result of examining one part.

    Attributes
    ----------
    verdict : ``right`` leaves the part where it is; all others send it to torch or to the CPU
    device_s, cpu_s : seconds for the sound it was tried with; None where it did not get so far
    difference_db : agreement with the CPU; None where equal or not compared
    why : what the device said, if it failed
    kind : of the part's network, see `Models.kinds`
    accelerator : that was examined; empty for torch
    """

    part: Part
    verdict: Verdict
    device_s: float | None = None
    cpu_s: float | None = None
    difference_db: float | None = None
    why: str = ""
    kind: str = ""
    accelerator: str = ""

    @property
    def key(self) -> tuple[Part, str]:
        """What the finding is about: the part, and its kind of network or accelerator."""
        return self.part, _kind(self.kind, self.accelerator)

    def sentence(self, device: str) -> Text:
        """Where a rejected part runs instead, and why, for the user."""
        template = _SENTENCES[self.verdict]
        if self.verdict == "wrong" and self.difference_db is None:
            template = "{part} runs on {place}, because the result of {device} has another shape"
        return Text(
            template,
            part=PART_TITLES[self.part],
            place=Text("torch") if self.accelerator else Text("the CPU"),
            device=self.accelerator or device,
            level_db=self.difference_db or 0.0,
            reason=self.why,
            factor=(self.device_s or 0.0) / (self.cpu_s or 1.0),
        )


class Reference:
    """Results of the CPU for one sound, part by part, each computed when it is first needed."""

    def __init__(self, models: Models, seconds: int, run: PartRun = part_run) -> None:
        self._models = models
        self._run = run
        self._found: dict[Part, tuple[Tensor, float]] = {}
        self.given = test_signal(seconds)

    def result(self, part: Part) -> tuple[Tensor, float]:
        """Result of a part and the seconds it took; then `given` has what the part needs."""
        before = _BEFORE.get(part)
        if before is not None:
            self.result(before)
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
    """Compares parts of a loaded voice with torch on the CPU.

    Parameters
    ----------
    models, on_cpu : the same voice; the second by torch in float32 on the CPU
    placement : of the first
    half : whether the first is in half precision
    run : runs a part
    """

    def __init__(
        self,
        models: Models,
        on_cpu: Models,
        placement: Placement,
        *,
        half: bool,
        run: PartRun = part_run,
    ) -> None:
        self._models = models
        self._placement = placement
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
        expected, cpu_s = reference.result(part)
        device = self._placement.device_of(part)
        try:
            run = self._run(part, self._models, reference.given, device)
            found, device_s = timed(run, device)
        except (RuntimeError, NotImplementedError, TypeError, ValueError, MemoryError) as error:
            if devices.is_out_of_memory(error):
                raise
            reason = str(error).strip().partition("\n")[0]
            return Finding(part, "failed", cpu_s=cpu_s, why=reason or type(error).__name__)
        verdict, level_db = self._judge(part, expected, found)
        if verdict == "right" and device_s > SLOWER_RATIO * cpu_s:
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


class FirstUse:
    """Knows, or finds out, which parts can run where and by what.

    What torch runs on the CPU is not examined.

    Parameters
    ----------
    device : of torch, by name, e.g. ``mps``
    full_name : with the chip, under which findings are kept
    folder : of the findings; None is the user's own
    run : runs a part
    """

    def __init__(
        self,
        device: str,
        full_name: str,
        config: OptimizationConfig,
        folder: Path | None = None,
        run: PartRun = part_run,
    ) -> None:
        self._device = device
        self._config = config
        self._run = run
        precision = "float16" if config.use_fp16 else "float32"
        layout = "channels last" if config.use_channels_last else "plain layout"
        self._record = ProbeRecord(full_name, f"{precision}, {layout}", folder)
        self._known = self._record.findings()
        self._kinds: Mapping[Part, str] | None = None
        self._unable: Mapping[Part, Collection[str]] = {}

    @property
    def placement(self) -> Placement:
        """Everything on the device except what is known to be bad there, or kept from it.

        Before any voice was loaded, a part is bad that was so with every network it ran.
        """
        config = self._config
        kept = set(parse_parts(config.cpu_parts))
        bad = {(finding.part, finding.accelerator) for finding in self._bad()}
        on_cpu = kept | {part for part, accelerator in bad if not accelerator}
        if not self._config.use_gpu_filter:
            on_cpu.add("filter")
        if not self._config.searches_on_device:
            on_cpu.add("retrieval")
        found = {
            part: offered(part, self._device, config, self._unable.get(part, ()))
            for part in PARTS
            if part not in kept
        }
        others = {
            part: name
            for part, name in found.items()
            if name != TORCH and (part, name) not in bad and not self._needs_faiss(part)
        }
        return Placement.on(self._device, on_cpu, others)

    def _needs_faiss(self, part: Part) -> bool:
        return part == "retrieval" and self._config.retrieval == "faiss"

    def findings(self) -> tuple[Finding, ...]:
        """What is known, of all networks."""
        return tuple(self._known.values())

    def _bad(self) -> list[Finding]:
        """Rejections that concern the networks in use."""
        bad = [found for found in self._known.values() if found.verdict != "right"]
        if self._kinds is None:
            right = {
                (found.part, found.accelerator)
                for found in self._known.values()
                if found.verdict == "right"
            }
            return [found for found in bad if (found.part, found.accelerator) not in right]
        return [found for found in bad if self._kinds.get(found.part, "") == found.kind]

    def forget(self) -> None:
        """Drop all findings, as if the device were new."""
        self._known = {}
        with contextlib.suppress(OSError):
            self._record.forget()

    def sentences(self) -> list[Text]:
        """Why parts run elsewhere, for the user."""
        return [finding.sentence(self._device) for finding in self._bad()]

    def use(self, models: Models, unable: Mapping[Part, Collection[str]]) -> None:
        """Give the placement for these networks from now on.

        Parameters
        ----------
        unable : accelerators that cannot build them
        """
        self._kinds, self._unable = models.kinds, dict(unable)

    def examine(
        self, models: Models, load_on_cpu: Callable[[], Models], pause: Callable[[], None]
    ) -> bool:
        """Examine the parts that are not known yet; whether there were any.

        Parameters
        ----------
        models : the networks in use, placed as `placement` says
        load_on_cpu : the same voice by torch in float32 on the CPU
        pause : called between parts, and may raise to stop; findings so far are kept, also if
            memory runs out, which says nothing about a part
        """
        placement = self.placement
        parts = [
            part
            for part in self._parts_in_use(models, placement)
            if (part, self._kind_of(part, models, placement)) not in self._known
        ]
        if not parts:
            return False
        half = self._config.use_fp16
        examination = Examination(models, load_on_cpu(), placement, half=half, run=self._run)
        try:
            for part in parts:
                pause()
                found = self._examined(part, models, placement, examination)
                self._known[found.key] = found
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        return True

    def _parts_in_use(self, models: Models, placement: Placement) -> list[Part]:
        """Parts that this voice and these flags run elsewhere than by torch on the CPU."""
        unused = {"pitch"} if models.tracker is None or models.pitch_on_cpu else set()
        if models.search is None:
            unused.add("retrieval")
        on_cpu = placement.cpu_parts
        return [part for part in PARTS if part not in unused and part not in on_cpu]

    @staticmethod
    def _kind_of(part: Part, models: Models, placement: Placement) -> str:
        return _kind(models.kinds.get(part, ""), placement.accelerator_of(part) or "")

    def _examined(
        self, part: Part, models: Models, placement: Placement, examination: Examination
    ) -> Finding:
        kind = self._kind_of(part, models, placement)
        # A full disk only means that the next start examines again.
        may, found = True, None
        with contextlib.suppress(OSError):
            may = self._record.begin(part, kind)
        try:
            found = replace(
                examination.examine(part) if may else Finding(part, "crashed"),
                kind=models.kinds.get(part, ""),
                accelerator=placement.accelerator_of(part) or "",
            )
        finally:
            with contextlib.suppress(OSError):
                self._record.end(part, kind, found)
        return found


RECORD_FILE = "devices.json"
_CRASHES = 2
"""A part is rejected when the program has ended so often while it was tried: once may be a user
who quits."""


class ProbeRecord:
    """Findings of one device, and whether a program died while it looked for them.

    Parameters
    ----------
    device : its full name, e.g. ``Apple M3 Max (Metal)``
    preparation : of the networks, e.g. their precision; each has a record of its own
    folder : None is `tuning_dir`
    """

    def __init__(self, device: str, preparation: str, folder: Path | None = None) -> None:
        self._file = tuning_dir(folder) / RECORD_FILE
        self._key = f"{device}, {preparation}"

    def findings(self) -> dict[tuple[Part, str], Finding]:
        """By `Finding.key`; nothing if this machine is not the one that was examined.

        Those of older versions without kinds are left out.
        """
        found = (_finding(each) for each in _list(self._entry().get("findings")))
        return {
            each.key: each
            for each in found
            if each is not None and bool(each.kind) == (each.part in PARTS_OF_KINDS)
        }

    def begin(self, part: Part, kind: str = "") -> bool:
        """Note that a part is about to be tried; False if that has ended the program too often."""
        entry, name = self._entry(), _name(part, kind)
        before = _dictionary(entry.get("tries")).get(name)
        count = before if isinstance(before, int) else 0
        if count >= _CRASHES:
            return False
        tries = {**_dictionary(entry.get("tries")), name: count + 1}
        self._write({**entry, "tries": tries})
        return True

    def end(self, part: Part, kind: str = "", finding: Finding | None = None) -> None:
        """Note that it is no longer being tried; keep the finding beside the others."""
        known = self.findings()
        if finding is not None:
            known[finding.key] = finding
        tries = dict(_dictionary(self._entry().get("tries")))
        tries.pop(_name(part, kind), None)
        self._write({"findings": [asdict(each) for each in known.values()], "tries": tries})

    def forget(self) -> None:
        """Examine everything again the next time."""
        self._write({})

    def _entry(self) -> dict[str, Any]:
        kept = read_object(self._file)
        if kept.get("machine") != asdict(Machine.here()):
            return {}
        entry = _dictionary(kept.get("devices")).get(self._key)
        return _dictionary(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        kept, machine = read_object(self._file), asdict(Machine.here())
        others = _dictionary(kept.get("devices")) if kept.get("machine") == machine else {}
        write_object(self._file, {"machine": machine, "devices": {**others, self._key: entry}})


def _name(part: Part, kind: str) -> str:
    return f"{part} {kind}".strip()


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _finding(record: object) -> Finding | None:
    """A finding as it was written; None for anything else."""
    try:
        finding = msgspec.convert(record, Finding)
    except msgspec.ValidationError:
        return None
    return finding if finding.part in PARTS else None


def _kind(network: str, accelerator: str) -> str:
    return f"{accelerator}: {network}" if accelerator else network
