"""The form in which each part runs fastest: by which accelerator, in which layout and precision.

What may be tried follows from the flags, which a form only turns off for one part. `urvc tune`
tries each form in a process of its own, because a framework may hang or end its process. A form is
used if its result is right and it is clearly faster than torch as the flags say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from engine.accelerators import TORCH, find, offered
from engine.device import half_type
from engine.finding import USUAL, Finding, Form
from engine.optimization import OptimizationConfig
from engine.stages import CPU, Part, Placement

GAIN = 1.1
"""A form has to be so many times as fast; closer figures are within the noise."""

PARTS_WITH_FORMS: tuple[Part, ...] = ("pitch", "content", "latent", "vocoder")
_FORM_FLAGS = ("use_channels_last", "use_fp16")

LEAST_DB = 45.0
"""Least agreement in float32. Kernels that add in another order, or multiply with 10 bits as
NVIDIA's do, stay above; those that compute something else reach 20 dB or less."""

LEAST_ACCELERATOR_DB = 60.0
"""The same for a framework other than torch; for the pitch, which is voiced or not, as above."""

LEAST_HALF_DB = 25.0
"""Least agreement in half precision."""


@dataclass(frozen=True)
class Trial:
    """What one process tries.

    Attributes
    ----------
    forms : of the part, all of one accelerator
    limit_s : after which the process is stopped
    """

    part: Part
    forms: tuple[Form, ...]
    limit_s: float

    def crashed(self, why: str, kind: str) -> list[Finding]:
        """What is known if the process ended without an answer."""
        crash = Finding(self.part, "crashed", why=why, kind=kind)
        return [crash.of_form(form) for form in self.forms]


def is_half(part: Part, form: Form, config: OptimizationConfig) -> bool:
    """Whether the part is rounded to 16 bits; the filter and the pitch never are."""
    if part in ("filter", "pitch"):
        return False
    always = bool(form.accelerator) and find(form.accelerator).always_half
    return always or (config.use_fp16 and "use_fp16" not in form.without)


def is_rounded(part: Part, placement: Placement, config: OptimizationConfig) -> bool:
    """Whether a part computes in half precision where it is placed."""
    name, device = placement.accelerator_of(part), placement.device_of(part)
    if not is_half(part, Form(name or "", placement.without.get(part, ())), config):
        return False
    # By torch a part that was moved from its device stays exact, and so do distances on a CPU.
    exact = device == CPU and (config.device != CPU or part == "retrieval")
    return name is not None or not (exact or half_type(device) is None)


def least_db(part: Part, form: Form, config: OptimizationConfig) -> float:
    """Agreement with torch in float32 on the CPU that the part must have."""
    if is_half(part, form, config):
        return LEAST_HALF_DB
    return LEAST_ACCELERATOR_DB if form.accelerator and part != "pitch" else LEAST_DB


def forms_of(
    part: Part, config: OptimizationConfig, device: str, unable: Collection[str] = ()
) -> tuple[Form, ...]:
    """The forms that a part can have, the usual one first.

    Parameters
    ----------
    device : where torch would run it; on the CPU the usual form is torch's only one
    unable : accelerators that cannot build the network
    """
    if part not in PARTS_WITH_FORMS:
        return (USUAL,)
    on = [flag for flag in _FORM_FLAGS if getattr(config, flag)]
    if part == "pitch":  # which is never rounded
        on = [flag for flag in on if flag != "use_fp16"]
    forms = [USUAL]
    if device != CPU:
        forms = [Form(without=each) for n in range(len(on) + 1) for each in combinations(on, n)]
    for name in offered(part, device, config, unable):
        row = find(name)
        if name != TORCH:
            forms.append(Form(name, version=row.version))
            if "use_fp16" in on and not row.always_half:
                forms.append(Form(name, ("use_fp16",), row.version))
    return tuple(forms)


def untried(
    part: Part, possible: Sequence[Form], known: Iterable[Finding], *, again: bool = False
) -> list[Trial]:
    """What has to be tried to know the best of the possible forms.

    Where anything is missing, all are tried again except those that ended their process, so that
    all times are of one day.

    Parameters
    ----------
    known : about the part and the kind of its network
    again : as if nothing but the crashes were known
    """
    tried = {each.form: each.verdict for each in known}
    if len(possible) < 2 or (not again and all(form in tried for form in possible)):
        return []
    forms = [form for form in possible if tried.get(form) != "crashed"]
    trials = []
    for name in dict.fromkeys(form.accelerator for form in forms):
        own = tuple(form for form in forms if form.accelerator == name)
        limit_s = find(name or TORCH).trial_limit_s * len(own)
        trials.append(Trial(part, own, limit_s))
    return trials


def best_form(findings: Sequence[Finding]) -> Form:
    """The form that a part should have, from what was found about it; see the module.

    An accelerator that was not compared with torch is not used.
    """
    right = [each for each in findings if each.verdict == "right" and each.tried_s is not None]
    of_torch = [each for each in right if not each.accelerator]
    if not of_torch:
        rejected = any(each.form == USUAL and each.verdict != "crashed" for each in findings)
        return min(right, key=_seconds).form if rejected and right else USUAL
    usual = next((each for each in of_torch if each.form == USUAL), None)
    fastest = min(of_torch, key=_seconds)
    chosen = fastest if usual is None or _seconds(fastest) * GAIN < _seconds(usual) else usual
    others = [each for each in right if each.accelerator]
    if others and _seconds(min(others, key=_seconds)) * GAIN < _seconds(chosen):
        chosen = min(others, key=_seconds)
    return chosen.form


def _seconds(finding: Finding) -> float:
    return float("inf") if finding.tried_s is None else finding.tried_s
