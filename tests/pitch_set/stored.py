"""The small set that the tests use: its speech was made once and is kept with the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.pitch_set.item import Item, degraded, sines

FILE = Path(__file__).parents[1] / "data" / "pitch_set.npz"
KEPT_S = 2.4
DEGRADED = ("speech, own", "sung and sine 130-1040 Hz")
_SCALE = 32767.0


def store(items: list[Item]) -> None:
    """Keep the beginning of one item of each row, as 16-bit samples."""
    arrays: dict[str, np.ndarray] = {}
    for each in items:
        if each.row in {name.partition("|")[0] for name in arrays}:
            continue
        n = round(KEPT_S * 100)
        key = f"{each.row}|{each.name}"
        arrays[f"{key}|samples"] = np.round(each.samples[: 160 * n] * _SCALE).astype(np.int16)
        arrays[f"{key}|f0"] = each.f0_hz[: n + 1]
    np.savez_compressed(FILE, **arrays)


def small_set() -> list[Item]:
    """About a minute: the stored items, sines, and two of them degraded."""
    with np.load(FILE) as stored:
        keys = sorted({key.rpartition("|")[0] for key in stored.files})
        clean = [
            Item(
                key.partition("|")[0],
                key.partition("|")[2],
                stored[f"{key}|samples"].astype(np.float32) / np.float32(_SCALE),
                stored[f"{key}|f0"],
            )
            for key in keys
        ]
    changed = [made for each in clean if each.row in DEGRADED for made in degraded(each)]
    return [*clean, *sines(), *changed]
