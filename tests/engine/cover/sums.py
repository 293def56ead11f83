"""Covers of made songs with a separation that is perfect: the vocals are what both sides share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from engine import ConversionOptions, Converter, starter_voice
from engine.cover.cover import Cover, CoverResult
from engine.cover.loudness import GRID_HZ
from engine.cover.options import CoverNetworks, CoverOptions
from engine.separation.chunks import RoformerPlan
from engine.separation.separator import Separator

FLOAT = ConversionOptions(subtype="float")
separated: list[str] = []


class Sums(Separator):
    """Separates by what both channels have in common, or makes a part of that the lead."""

    def __init__(self, path: Path, *, one_pass: bool = False, sha256: str = "") -> None:
        self.path = path
        self.stems = ()
        self.plan = RoformerPlan(GRID_HZ, 1 if one_pass else 2)
        self.normalises = False
        self.device, self.is_half = "cpu", False
        self.notes = []
        self._share = float(path.read_text().partition(" ")[0])

    def to(self, device: str, *, half: bool = False, record: object = None) -> None:
        pass

    def separate(self, samples: np.ndarray) -> np.ndarray:
        separated.append(self.path.name)
        middle = samples.mean(1, keepdims=True) * np.float32(self._share)
        return np.repeat(middle, 2, axis=1)


INNER = slice(0, -200)
"""The song ends within a word: resampling rings there."""


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def make(
    converter: Converter,
    song: Path,
    networks: CoverNetworks,
    folder: Path,
    options: ConversionOptions = FLOAT,
    **cover: Any,
) -> CoverResult:
    made_by = Cover(converter, networks, folder / "cache")
    return made_by.make(song, starter_voice(), options, CoverOptions(**cover), output_dir=folder)
