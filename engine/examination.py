"""Is each part right, and worth it, where it is to run? Before its first use it is examined.

Metal has had kernels that gave wrong numbers without an error, and some networks run slower there
than on the processor beside it. So each part is compared with torch on the CPU; one that fails
runs on the CPU from then on, and what was found is kept until the machine changes.

That takes seconds. The forms that a part can have besides (`engine.forms`) are tried only by
`urvc tune`, which takes minutes; here what it found is used.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine import device as devices
from engine.accelerators import ACCELERATORS, TORCH, offered
from engine.agreement import agreement_db
from engine.errors import Text
from engine.finding import (
    PARTS_OF_KINDS,
    USUAL,
    Finding,
    Form,
    ProbeRecord,
    Verdict,
    kind_name,
    preparation,
)
from engine.forms import (
    GAIN,
    PARTS_WITH_FORMS,
    Trial,
    best_form,
    forms_of,
    is_half,
    is_rounded,
    least_db,
    untried,
)
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.probe_run import Given, part_run, test_signal
from engine.stages import CONVERSION_PARTS, CPU, PART_TITLES, Part, Placement, parse_parts

SHORT_S, LONG_S = 1, 10
"""A part that is slower on one second may only wait for its kernels to start: it is tried again
with ten before it is rejected. Forms are compared by five, the short signal repeated."""

_REPEATED = 5

_RUNS = 2
_LONG_RUN_S = 2.0
SLOWER_RATIO = 1.1
"""Rejected if it takes 1.1 times as long as the CPU; closer figures are within the noise."""

ACCELERATOR_RATIO = 1 / GAIN
"""Another framework beside the CPU has to be clearly faster than torch on it."""

PITCH_OUTLIERS = 0.03
"""Frames between voiced and unvoiced may fall to either side."""

_BEFORE: dict[Part, Part] = {"retrieval": "content", "latent": "content", "vocoder": "latent"}
"""Whose result on the CPU a part is given."""

PartRun = Callable[[Part, Models, Given, str], Callable[[], Tensor]]


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


def references(on_cpu: Models, run: PartRun = part_run) -> tuple[Reference, Reference]:
    """For the short and the long sound; torch's results in float32 on the CPU."""
    return Reference(on_cpu, SHORT_S, run), Reference(on_cpu, LONG_S, run)


class Examination:
    """Compares parts of a loaded voice with torch on the CPU.

    Parameters
    ----------
    models : the voice
    compared_with : see `references`
    placement, config : of the models
    run : runs a part
    """

    def __init__(
        self,
        models: Models,
        compared_with: tuple[Reference, Reference],
        placement: Placement,
        config: OptimizationConfig,
        run: PartRun = part_run,
    ) -> None:
        self._models = models
        self._placement = placement
        self._config = config
        self._run = run
        self._short, self._long = compared_with

    def seconds(self, part: Part) -> float:
        """For five seconds of sound; by this the forms of a part are compared."""
        device = self._placement.device_of(part)
        self._short.result(part)
        given = self._short.given.repeated(_REPEATED)
        return timed(self._run(part, self._models, given, device), device)[1]

    def examine(self, part: Part) -> Finding:
        """Try one part."""
        finding = self._compare(part, self._short)
        if finding.verdict == "slower" and not self._is_hopeless(finding):
            again = self._compare(part, self._long)
            return again if again.verdict != "right" else replace(finding, verdict="right")
        return finding

    def _is_hopeless(self, finding: Finding) -> bool:
        """Whether it takes longer for the short sound than it may for the long one."""
        may_s = self._ratio(finding.part) * (finding.cpu_s or 0.0) * LONG_S / SHORT_S
        return (finding.device_s or 0.0) > may_s

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
        if verdict == "right" and device_s > self._ratio(part) * cpu_s:
            verdict = "slower"
        return Finding(part, verdict, device_s, cpu_s, level_db)

    def _ratio(self, part: Part) -> float:
        """Beside a GPU torch would run there, so that there the CPU's time says less."""
        beside_cpu = self._config.device == CPU and self._placement.accelerator_of(part)
        return ACCELERATOR_RATIO if beside_cpu else SLOWER_RATIO

    def _judge(self, part: Part, expected: Tensor, found: Tensor) -> tuple[Verdict, float | None]:
        if found.shape != expected.shape:
            return "wrong", None
        if not bool(torch.isfinite(found).all()):
            return "not finite", None
        level_db = agreement_db(expected, found, outliers=PITCH_OUTLIERS if part == "pitch" else 0)
        form = Form(
            self._placement.accelerator_of(part) or "", self._placement.without.get(part, ())
        )
        right = level_db is None or level_db >= least_db(part, form, self._config)
        return "right" if right else "wrong", level_db


def timed(run: Callable[[], Tensor], device: str) -> tuple[Tensor, float]:
    """Result on the CPU in float32, and the shortest time of a few runs after a first one.

    A run of seconds is not repeated: a trial has to end within its time.
    """
    where = torch.device(device)
    result = run()
    devices.synchronize(where)
    best_s = float("inf")
    for _ in range(_RUNS):
        started_s = time.perf_counter()
        result = run()
        devices.synchronize(where)
        best_s = min(best_s, time.perf_counter() - started_s)
        if best_s > _LONG_RUN_S:
            break
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

    Attributes
    ----------
    record : the findings, also those about separation networks
    """

    def __init__(
        self,
        device: str,
        full_name: str,
        config: OptimizationConfig,
        folder: Path | None = None,
        run: PartRun = part_run,
    ) -> None:
        self.device = device
        self._config = config
        self._run = run
        self.record = ProbeRecord(full_name, preparation(config), folder)
        self._known = {
            key: each
            for key, each in self.record.findings().items()
            if each.version == _version(each.accelerator)
        }
        self._forms = self.record.forms()
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
        if not config.use_gpu_filter:
            on_cpu.add("filter")
        if not config.searches_on_device:
            on_cpu.add("retrieval")
        others, without = {}, {}
        for part in CONVERSION_PARTS:
            form = None if part in kept else self.form_of(part)
            if form is None or form == USUAL:
                continue
            on_cpu.discard(part)
            if form.accelerator:
                others[part] = form.accelerator
            if form.without:
                without[part] = form.without
        return Placement.on(self.device, on_cpu, others, without)

    def form_of(self, part: Part) -> Form:
        """By what and how the part is to run, unless torch on the device is bad.

        The best form if they were tried; before any voice was loaded, of the network tried last.
        Else the first accelerator that offers the part and is not known to be bad.
        """
        tried = self._tried(part)
        if tried:
            return best_form(tried)
        if self._needs_faiss(part):
            return USUAL
        bad = {each.accelerator for each in self._bad() if each.part == part}
        names = offered(part, self.device, self._config, self._unable.get(part, ()))
        name = next((each for each in names if each not in bad), TORCH)
        return USUAL if name == TORCH else Form(name)

    def _tried(self, part: Part) -> list[Finding]:
        """What is known about possible forms of the part; see `form_of`."""
        possible = forms_of(part, self._config, self.device, self._unable.get(part, ()))
        found = [each for each in self._forms if each.part == part and each.form in possible]
        if not found:
            return []
        kind = found[-1].kind if self._kinds is None else self._kinds.get(part, "")
        return [each for each in found if each.kind == kind]

    def trials(self, models: Models, *, again: bool = False) -> list[Trial]:
        """The forms that have to be tried for these networks, each trial in a process of its own.

        Parameters
        ----------
        again : try those that are known, too, except those that ended their process
        """
        self._kinds = models.kinds
        kept = parse_parts(self._config.cpu_parts)
        found: list[Trial] = []
        for part in PARTS_WITH_FORMS:
            if part in kept or part not in self._parts_with_work(models):
                continue
            possible = forms_of(part, self._config, self.device, self._unable.get(part, ()))
            found += untried(part, possible, self._tried(part), again=again)
        return found

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
        """Drop all findings, as if the device were new, except forms that ended their process."""
        self._known = {}
        with contextlib.suppress(OSError):
            self.record.forget()
        self._forms = [each for each in self._forms if each.verdict == "crashed"]

    def sentences(self) -> list[Text]:
        """Why parts run elsewhere, for the user; not where another form is merely no faster."""
        bad = [
            each
            for each in self._bad()
            if not self._tried(each.part) or self.form_of(each.part) == USUAL
        ]
        for part in PARTS_WITH_FORMS:
            used = self.form_of(part).accelerator
            bad += [
                each
                for each in self._tried(part)
                if each.accelerator not in ("", used) and each.verdict not in ("right", "slower")
            ]
        said = (each.sentence(self.device, self.form_of(each.part).accelerator) for each in bad)
        return list(dict.fromkeys(said))

    def described(self) -> list[str]:
        """By what and how each part runs, as far as that was examined; why not in other forms."""
        lines = []
        placement, known = self.placement, {each.part for each in self._known.values()}
        for part in CONVERSION_PARTS:
            tried, form = self._tried(part), self.form_of(part)
            if not tried and part not in known:
                continue
            on_cpu = part in placement.cpu_parts
            words = [form.accelerator or (CPU if on_cpu else self.device)]
            if part in PARTS_OF_KINDS:
                words.append(
                    "half precision" if is_rounded(part, placement, self._config) else "float32"
                )
            if "use_channels_last" in form.without:
                words.append("plain layout")
            usual_s, best_s = (_seconds(tried, each) for each in (USUAL, form))
            if form != USUAL and usual_s and best_s:
                words.append(f"{usual_s / best_s:.1f} x as fast as by torch with these flags")
            title = str(PART_TITLES[part]).removeprefix("the ")
            lines.append(f"{title}: {', '.join(words)}")
            others = (each for each in tried if each.form != form)
            lines += (
                f"{title} by {self._form_words(each)}: not used, {each.cause(best_s or usual_s)}"
                for each in others
            )
        return [*lines, *map(str, self.sentences())]

    def _form_words(self, found: Finding) -> str:
        """By what and how it was tried, e.g. ``mlx in half precision``."""
        words = found.accelerator or f"torch on {self.device}"
        if found.part in PARTS_OF_KINDS:
            half = is_half(found.part, found.form, self._config)
            words += " in half precision" if half else " in float32"
        return words + (", plain layout" if "use_channels_last" in found.without else "")

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
            for part in self._parts_with_work(models)
            if part not in placement.cpu_parts
            and (part, self._kind_of(part, models, placement)) not in self._known
            and (not self._tried(part) or self.form_of(part) == USUAL)  # tried by tuning
        ]
        if not parts:
            return False
        examination = Examination(
            models, references(load_on_cpu(), self._run), placement, self._config, self._run
        )
        try:
            for part in parts:
                pause()
                found = self._examined(part, models, placement, examination)
                self._known[found.key] = found
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        return True

    @staticmethod
    def _parts_with_work(models: Models) -> list[Part]:
        """Parts that this voice and these options use."""
        unused = {"pitch"} if models.tracker is None or models.pitch_on_cpu else set()
        if models.search is None:
            unused.add("retrieval")
        return [part for part in CONVERSION_PARTS if part not in unused]

    @staticmethod
    def _kind_of(part: Part, models: Models, placement: Placement) -> str:
        return kind_name(models.kinds.get(part, ""), placement.accelerator_of(part) or "")

    def _examined(
        self, part: Part, models: Models, placement: Placement, examination: Examination
    ) -> Finding:
        kind = self._kind_of(part, models, placement)
        # A full disk only means that the next start examines again.
        may, found = True, None
        with contextlib.suppress(OSError):
            may = self.record.begin(part, kind)
        try:
            found = replace(
                examination.examine(part) if may else Finding(part, "crashed"),
                kind=models.kinds.get(part, ""),
                accelerator=placement.accelerator_of(part) or "",
                version=_version(placement.accelerator_of(part) or ""),
            )
        finally:
            with contextlib.suppress(OSError):
                self.record.end(part, kind, found)
        return found


def _seconds(found: list[Finding], form: Form) -> float | None:
    return next((each.tried_s for each in found if each.form == form), None)


def _version(accelerator: str) -> str:
    """Of its package; "" for torch, which the record's machine has, and one that is gone."""
    rows = (row.version for row in ACCELERATORS if row.name == accelerator)
    return next(rows, "")
