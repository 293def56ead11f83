"""How each stage went: what was held out, by step."""

from __future__ import annotations

import json
from pathlib import Path

STAGES = ("encoder", "vocoder", "prior")

Curves = dict[str, list[dict[str, float]]]


def read_curves(folder: Path) -> Curves:
    """The held-out figures of every stage that has been trained in this folder."""
    curves: Curves = {}
    for stage in STAGES:
        file = folder / f"{stage}.jsonl"
        if file.exists():
            notes = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            curves[stage] = [note for note in notes if any("held-out" in name for name in note)]
    return curves


def curve_table(curves: Curves) -> str:
    """One line for each figure of each stage, in Markdown."""
    lines = ["| stage | held out | by step |", "|---|---|---|"]
    for stage, notes in curves.items():
        for name in [name for name in (notes[-1] if notes else {}) if name != "step"]:
            values = ", ".join(f"{note[name]:.3f} @{note['step']:.0f}" for note in notes)
            lines.append(f"| {stage} | {name.removeprefix('held-out ')} | {values} |")
    return "\n".join(lines) + "\n"
