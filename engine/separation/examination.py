"""Is a separation network right, and worth it, where it is to run? Examined as voices are.

A network is compared with float32 on the CPU before its first use on a device, and half precision
before its first use anywhere. What was found is kept until the machine changes. `urvc tune`
measures besides which form is fastest. See `engine.examination`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from engine import device as devices
from engine.agreement import agreement_db
from engine.examination import SLOWER_RATIO, timed
from engine.finding import USUAL, Finding, Form, ProbeRecord, Verdict
from engine.forms import LEAST_HALF_DB, best_form
from engine.stages import CPU, Part

PART: Part = "separation"
EXACT = Form(without=("use_fp16",))
"""In float32 though half precision is asked for."""

LEAST_DB = 50.0
"""Agreement of a device with the CPU, below which the device is not used."""

SHORT_FRAMES, LONG_FRAMES = 48, 480
"""Half a second tells whether the numbers are right; five, whether the device is worth it."""


class Subject(Protocol):
    """A separation network that can be moved and rounded."""

    @property
    def network_kind(self) -> str:
        """In words; networks of one kind run the same operators on tensors of one width."""

    def run_noise(self, device: str, frames: int) -> Tensor:
        """What the network makes of seeded noise, left on the device."""

    def round(self) -> None:
        """Compute in the 16-bit type of the device where it is from now on."""


@dataclass(frozen=True)
class Choice:
    """How a network is to run.

    Attributes
    ----------
    device : the one that was asked for, or the CPU
    half : whether in half precision
    findings : what the choice is made by, the form that was asked for first
    """

    device: str
    half: bool
    findings: tuple[Finding, ...] = ()


def choose(
    subject: Subject,
    device: str,
    *,
    half: bool,
    record: ProbeRecord | None = None,
    measures: bool = False,
) -> Choice:
    """Where and how a network runs; what is not known yet is examined.

    Parameters
    ----------
    half : whether half precision is asked for
    record : where findings are kept; None keeps nothing
    measures : examine again, by five seconds of sound, so that the fastest form is known. One that
        has ended the program stays rejected
    """
    forms = _forms(device, half=half)
    if forms == (USUAL,) and device == CPU:
        return Choice(CPU, half=False)
    known = {} if record is None else _of_kind(record.forms(), subject.network_kind)
    if measures or any(form not in known for form in forms):
        known = _examined(subject, device, forms, record, LONG_FRAMES if measures else SHORT_FRAMES)
    return _choice(device, [known[form] for form in forms])


def _forms(device: str, *, half: bool) -> tuple[Form, ...]:
    """Those that a network can have, the one that is asked for first."""
    return (USUAL, EXACT) if half and devices.half_type(device) is not None else (USUAL,)


def _of_kind(findings: Iterable[Finding], kind: str) -> dict[Form, Finding]:
    return {each.form: each for each in findings if each.part == PART and each.kind == kind}


def _choice(device: str, findings: Sequence[Finding]) -> Choice:
    """The fastest form that is right; the one that was asked for where speeds are not known."""
    right = [each for each in findings if each.verdict == "right"]
    if not right:
        return Choice(CPU, half=False, findings=tuple(findings))
    form = right[0].form
    if all(each.tried_s is not None for each in right):
        form = best_form(right)
    return Choice(device, len(findings) > 1 and form == USUAL, tuple(findings))


def _examined(
    subject: Subject, device: str, forms: Sequence[Form], record: ProbeRecord | None, frames: int
) -> dict[Form, Finding]:
    """What is found about each form; kept, unless memory was short, which says nothing."""
    kind = subject.network_kind
    may = True
    with contextlib.suppress(OSError):  # a full disk means that the next start examines again
        may = record is None or record.begin(PART, kind)
    try:
        if may:
            bench = _Bench(subject, device)
            found = [replace(each, kind=kind) for each in bench.findings(forms, frames)]
        else:
            found = [Finding(PART, "crashed", kind=kind).of_form(form) for form in forms]
        with contextlib.suppress(OSError):
            if record is not None and not any(each.why == _NO_MEMORY for each in found):
                record.keep_forms(found)
    finally:  # an error is not the end of the program
        with contextlib.suppress(OSError):
            if record is not None and may:
                record.end(PART, kind)
    return {each.form: each for each in found}


_NO_MEMORY = "not enough memory"


class _Bench:
    """Compares a network with itself in float32 on the CPU, before it is rounded."""

    def __init__(self, subject: Subject, device: str) -> None:
        self._subject = subject
        self._device = device
        self._expected: dict[int, tuple[Tensor, float]] = {}

    def findings(self, forms: Sequence[Form], frames: int) -> Iterator[Finding]:
        """About each form; a device that is wrong in float32 is not tried in half precision."""
        exact = self._in_float32(frames)
        if len(forms) == 1:
            yield exact.of_form(USUAL)
            return
        rounded = exact
        if exact.verdict in ("right", "slower"):
            self._subject.round()
            tried_frames = frames if exact.tried_s is None else LONG_FRAMES
            rounded = self._compared(tried_frames, LEAST_HALF_DB)
        yield rounded.of_form(USUAL)
        yield exact.of_form(EXACT)

    def _in_float32(self, frames: int) -> Finding:
        if self._device == CPU:
            _, seconds = self._reference(frames)
            return Finding(PART, "right", seconds, seconds, tried_s=_long_s(frames, seconds))
        found = self._compared(frames, LEAST_DB)
        may_s = SLOWER_RATIO * (found.cpu_s or 0.0) * LONG_FRAMES / frames
        if found.verdict == "slower" and (found.device_s or 0.0) < may_s:
            return self._compared(LONG_FRAMES, LEAST_DB)  # it may only wait for its kernels
        return found

    def _reference(self, frames: int) -> tuple[Tensor, float]:
        if frames not in self._expected:
            run = timed(lambda: self._subject.run_noise(CPU, frames), CPU)
            self._expected[frames] = run
        return self._expected[frames]

    def _compared(self, frames: int, least_db: float) -> Finding:
        expected, cpu_s = self._reference(frames)
        try:
            found, device_s = timed(
                lambda: self._subject.run_noise(self._device, frames), self._device
            )
        except (RuntimeError, NotImplementedError, TypeError, ValueError, MemoryError) as error:
            reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            short = devices.is_out_of_memory(error)
            return Finding(PART, "failed", why=_NO_MEMORY if short else reason)
        if not bool(torch.isfinite(found).all()):
            return Finding(PART, "not finite", device_s, cpu_s)
        level_db = agreement_db(expected, found)
        if level_db is not None and not level_db >= least_db:
            return Finding(PART, "wrong", device_s, cpu_s, level_db)
        slower = self._device != CPU and device_s > SLOWER_RATIO * cpu_s
        verdict: Verdict = "slower" if slower else "right"
        return Finding(PART, verdict, device_s, cpu_s, level_db, tried_s=_long_s(frames, device_s))


def _long_s(frames: int, seconds: float) -> float | None:
    """The time by which forms are compared; of a short run it says too little."""
    return seconds if frames == LONG_FRAMES else None


def described(record: ProbeRecord, device: str, *, half: bool) -> list[str]:
    """Where and how each network runs that was examined, and why not in other ways."""
    lines = []
    forms, kept = _forms(device, half=half), record.forms()
    for kind in dict.fromkeys(each.kind for each in kept if each.part == PART):
        known = _of_kind(kept, kind)
        if any(form not in known for form in forms):
            continue
        findings = [known[form] for form in forms]
        choice = _choice(device, findings)
        title = f"separation, {kind}"
        lines.append(f"{title}: {choice.device}, {_precision(half=choice.half)}")
        used = USUAL if choice.half or len(forms) == 1 else EXACT
        others = findings if choice.device != device else [f for f in findings if f.form != used]
        lines += [
            f"{title} by torch on {device} in {_precision(half=len(forms) > 1 and f.form == USUAL)}"
            f": not used, {f.cause(known[used].tried_s)}"
            for f in others
        ]
    return lines


def _precision(*, half: bool) -> str:
    return "half precision" if half else "float32"
