"""What an examination found about a part, and the record in which findings are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.errors import Text
from engine.machine import Machine, read_object, tuning_dir, write_object
from engine.optimization import OptimizationConfig
from engine.stages import PART_TITLES, PARTS, Part

Verdict = Literal["right", "wrong", "not finite", "failed", "slower", "crashed"]

PARTS_OF_KINDS: frozenset[Part] = frozenset({"content", "pitch", "latent", "vocoder"})
"""Parts that a network does; filter and retrieval are the same for every voice."""

_SENTENCES: dict[Verdict, str] = {
    "wrong": "{part} runs on {place}, because {device} gives other numbers than the CPU "
    "({level_db:.0f} dB)",
    "not finite": "{part} runs on {place}, because {device} returned NaN or infinite values",
    "failed": "{part} runs on {place}, because {device} cannot run it ({reason})",
    "slower": "{part} runs on {place}, because {device} takes {factor:.1f} times as long",
    "crashed": "{part} runs on {place}, because the program ended while {device} was examined",
}


@dataclass(frozen=True)
class Form:
    """By what and how a part runs.

    Attributes
    ----------
    accelerator : empty for torch
    without : flags of `OptimizationConfig` that are off for this part though they are on for the
        others: ``use_channels_last``, ``use_fp16``
    version : of the accelerator's package
    """

    accelerator: str = ""
    without: tuple[str, ...] = ()
    version: str = ""


USUAL = Form()
"""By torch, as the flags say."""


@dataclass(frozen=True)
class Finding:
    """The result of examining one part.

    Attributes
    ----------
    verdict : ``right`` leaves the part where it is; all others send it to torch or to the CPU
    device_s, cpu_s : seconds for the sound it was tried with; None where it did not get so far
    difference_db : agreement with the CPU; None where equal or not compared
    why : what the device said, if it failed
    kind : of the part's network, see `Models.kinds` and `Separator.network_kind`
    accelerator : that was examined; empty for torch
    without, version : the rest of the `form` that was tried
    tried_s : seconds for the sound by which forms are compared; None where not compared
    """

    part: Part
    verdict: Verdict
    device_s: float | None = None
    cpu_s: float | None = None
    difference_db: float | None = None
    why: str = ""
    kind: str = ""
    accelerator: str = ""
    without: tuple[str, ...] = ()
    version: str = ""
    tried_s: float | None = None

    @property
    def form(self) -> Form:
        """By what and how the part ran."""
        return Form(self.accelerator, self.without, self.version)

    def of_form(self, form: Form) -> Finding:
        """The same about a part in this form."""
        return replace(
            self, accelerator=form.accelerator, without=form.without, version=form.version
        )

    @property
    def key(self) -> tuple[Part, str]:
        """What the finding is about: the part, and its kind of network or accelerator."""
        return self.part, kind_name(self.kind, self.accelerator)

    def cause(self, used_s: float | None) -> str:
        """Why this form is not used.

        Parameters
        ----------
        used_s : what the form in use takes for the sound by which forms are compared
        """
        if self.verdict == "right" and used_s and self.tried_s:
            return f"{used_s / self.tried_s:.2f} x as fast as what is used"
        if self.verdict == "slower":
            return f"{(self.device_s or 0.0) / (self.cpu_s or 1.0):.1f} times as long as the CPU"
        if self.verdict == "wrong" and self.difference_db is not None:
            return f"other numbers than the CPU ({self.difference_db:.0f} dB)"
        causes = {"wrong": "a result of another shape", "not finite": "NaN or infinite values"}
        return causes.get(self.verdict) or self.why or "its time was not measured"

    def sentence(self, device: str, instead: str = "") -> Text:
        """Where a rejected part runs instead, and why, for the user.

        Parameters
        ----------
        instead : the accelerator that runs it; empty is torch
        """
        ended = self.verdict == "crashed" and self.why  # the process that tried it alone
        template = _SENTENCES["failed" if ended else self.verdict]
        if self.verdict == "wrong" and self.difference_db is None:
            template = "{part} runs on {place}, because the result of {device} has another shape"
        if self.verdict == "slower" and self.accelerator:
            template = "{part} runs on {place}, because {device} is not clearly faster"
        return Text(
            template,
            part=PART_TITLES[self.part],
            place=instead or (Text("torch") if self.accelerator else Text("the CPU")),
            device=self.accelerator or device,
            level_db=self.difference_db or 0.0,
            reason=self.why,
            factor=(self.device_s or 0.0) / (self.cpu_s or 1.0),
        )


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
        findings = [asdict(each) for each in known.values()]
        self._write({**self._entry(), "findings": findings, "tries": tries})

    def forms(self) -> list[Finding]:
        """What was found about the forms of parts, in the order in which they were tried."""
        found = (_finding(each) for each in _list(self._entry().get("forms")))
        return [each for each in found if each is not None]

    def keep_forms(self, findings: Sequence[Finding]) -> None:
        """Keep these findings about forms, in place of earlier ones about the same.

        Raises
        ------
        OSError : the disk is full or refuses
        """
        new = {(each.part, each.kind, each.form) for each in findings}
        before = [each for each in self.forms() if (each.part, each.kind, each.form) not in new]
        self._write({**self._entry(), "forms": [asdict(each) for each in (*before, *findings)]})

    def forget(self) -> None:
        """Examine everything again the next time, except forms that ended their process."""
        self._write({"forms": _crashed(self._entry())})

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


def preparation(config: OptimizationConfig) -> str:
    """The precision and layout of the networks, under which findings are kept."""
    precision = "float16" if config.use_fp16 else "float32"
    layout = "channels last" if config.use_channels_last else "plain layout"
    return f"{precision}, {layout}"


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


def forget_forms(folder: Path | None = None) -> None:
    """Drop what was found about forms of parts, on all devices, except which ended their process.

    Raises
    ------
    OSError : the folder cannot be written
    """
    file = tuning_dir(folder) / RECORD_FILE
    kept = read_object(file)
    entries = {key: _dictionary(each) for key, each in _dictionary(kept.get("devices")).items()}
    if any(each.get("forms") for each in entries.values()):
        devices = {key: {**each, "forms": _crashed(each)} for key, each in entries.items()}
        write_object(file, {**kept, "devices": devices})


def _crashed(entry: dict[str, Any]) -> list[dict[str, Any]]:
    forms = map(_dictionary, _list(entry.get("forms")))
    return [each for each in forms if each.get("verdict") == "crashed"]


def kind_name(network: str, accelerator: str) -> str:
    """The kind of a part's network by an accelerator."""
    return f"{accelerator}: {network}" if accelerator else network
