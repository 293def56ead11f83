"""What was found about the devices of this machine, kept until the machine changes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from engine.examination import Finding, Verdict
from engine.machine import Machine, read_object, tuning_dir, write_object
from engine.network_signature import PARTS_OF_KINDS
from engine.stages import PARTS, Part

FILE = "devices.json"
_CRASHES = 2
"""A part is given up when the program has ended so often while it was tried: once may be a user
who quits."""


class ProbeRecord:
    """Findings of one device, and whether a program died while it looked for them.

    Parameters
    ----------
    device : its full name, e.g. ``Apple M3 Max (Metal)``
    ways : how the networks are prepared, e.g. their precision; other ways are another record
    folder : None is `tuning_dir`
    """

    def __init__(self, device: str, ways: str, folder: Path | None = None) -> None:
        self._file = tuning_dir(folder) / FILE
        self._key = f"{device}, {ways}"

    def findings(self) -> dict[tuple[Part, str], Finding]:
        """By part and kind; nothing where this machine is not the one that was examined.

        Those of older versions, which knew no kinds, are left out.
        """
        found = (_finding(each) for each in _list(self._entry().get("findings")))
        return {
            (each.part, each.kind): each
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
        """It is not being tried any more; keep the finding beside what was known."""
        known = self.findings()
        if finding is not None:
            known[part, kind] = finding
        tries = dict(_dictionary(self._entry().get("tries")))
        tries.pop(_name(part, kind), None)
        self._write({"findings": [asdict(each) for each in known.values()], "tries": tries})

    def forget(self) -> None:
        """Examine everything anew the next time."""
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
    """A finding as it was written; None where it is none of ours."""
    if not isinstance(record, dict):
        return None
    try:
        finding = Finding(**record)
    except TypeError:
        return None
    known = finding.part in PARTS and finding.verdict in get_args(Verdict)
    return replace(finding, why=str(finding.why), kind=str(finding.kind)) if known else None
