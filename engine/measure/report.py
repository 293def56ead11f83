"""A benchmark as Markdown: rows for the README's table, and one file for an issue."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.machine import Machine, app_version
from engine.measure.benchmark import BASELINE, COUNTED_STAGES, WHOLE, Measurement
from engine.measure.doctor import SOUND_OUTPUT, Check, results_folder

HEAD = (
    "machine", "sound", "flags", "plain", "with flags", "× realtime", "peak memory",
    "same as plain",
)  # fmt: skip

_HOMES = r"/(?:Users|home|root)\b"
_REST = r"[^\"'():;,|\n]*"
"""What may follow in a path, with spaces."""


@dataclass(frozen=True)
class Benchmark:
    """Where and with what the measurements were made.

    Attributes
    ----------
    device : its full name, e.g. ``Apple M3 Max (Metal)``
    sound_s : seconds of sound
    voice : which one, without its name
    flags : what was measured together: ``preset``, or the flags that were chosen
    """

    device: str
    sound_s: float
    voice: str
    flags: str
    measured: Sequence[Measurement]

    def rows(self) -> list[list[str]]:
        """A row of the README's table for each whole configuration, beginning with the head."""
        plain = next((each for each in self.measured if each.name == BASELINE), None)
        rows = [list(HEAD)]
        for each in self.measured:
            if plain is None or each.name not in WHOLE:
                continue
            level = "identical" if each.difference_db is None else f"{each.difference_db:.0f} dB"
            memory = f"{plain.peak_memory_bytes / 1e9:.2f} → {each.peak_memory_bytes / 1e9:.2f} GB"
            rows.append(
                [
                    self.device,
                    f"{self.sound_s:g} s",
                    self.flags + WHOLE[each.name],
                    f"{plain.seconds:.1f} s",
                    f"{each.seconds:.1f} s",
                    f"{each.realtime:.1f} ×",
                    memory,
                    level,
                ]
            )
        return rows

    def report(self, checks: Sequence[Check], private: Iterable[str | Path]) -> str:
        """Everything that somebody else needs to understand the figures, without personal paths.

        Parameters
        ----------
        checks : of the doctor
        private : folders and names that its sentences may contain, to be left out
        """
        here = Machine.here()
        versions = f"{here.system}, PyTorch {here.torch}, Python {platform.python_version()}"
        stages = [["", *COUNTED_STAGES]]
        for each in self.measured:
            times = [f"{each.stage_s.get(stage, 0.0):.2f}" for stage in COUNTED_STAGES]
            stages.append([each.name, *times])
        notes = [f"- {each.name}: {note}" for each in self.measured for note in each.notes]
        found = [["", "check", "found"]]
        found += [[each.state, each.name, _detail(each)] for each in checks]
        sections = [
            f"# Benchmark of {self.device}",
            f"Ultimate RVC {app_version()}, {versions}, voice: {self.voice}",
            as_markdown(self.rows()),
            "Seconds of each stage:",
            as_markdown(stages),
            *(["What the conversions noted:", "\n".join(notes)] if notes else []),
            "Doctor:",
            as_markdown(found),
        ]
        return _without_paths("\n\n".join(sections), [*private, results_folder()]) + "\n"


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = ["| " + " | ".join(_cell(each) for each in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _detail(check: Check) -> str:
    """What a check found; loudspeakers are often named after their owner."""
    return "" if check.name == SOUND_OUTPUT and check.state == "ok" else check.detail


def _without_paths(text: str, private: Iterable[str | Path]) -> str:
    """The text with ``…`` for these folders and names and for what lies in somebody's home."""
    known = {str(each.absolute()) if isinstance(each, Path) else each for each in private}
    for each in sorted(known - {"/", ""}, key=len, reverse=True):
        text = text.replace(each, "…")
    return re.sub(f"(?:{re.escape(str(Path.home()))}|{_HOMES}){_REST}", "…", text)
