"""A cache of stages stays within its limits however many takes are made."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from torch import Tensor

from engine import ConversionOptions, Converter, OptimizationConfig
from engine.stage_cache import StageCache
from tests.engine.small_set import write_small_set


class Recorded(StageCache):
    """Knows what was ever kept in it."""

    def __init__(self, *limits: Any) -> None:
        super().__init__(*limits)
        self.kept: dict[tuple[object, ...], int] = {}

    def keep(self, key: tuple[object, ...], result: Tensor) -> None:
        super().keep(key, result)
        self.kept[key] = result.nbytes


def takes(dice: random.Random) -> ConversionOptions:
    """Options of a take; some are of the first stages, some of the others."""
    values = {
        "semitones": float(dice.randint(-12, 12)),
        "f0_min_hz": float(dice.randint(50, 120)),
        "stereo": dice.random() < 0.3,
        "seed": dice.randint(0, 5),
        "protect": dice.choice([0.0, 0.33, 0.5]),
    }
    return ConversionOptions().with_values(values)


@pytest.mark.slow
def test_two_hundred_random_takes_stay_within_the_limits_and_sound_alike(tmp_path: Path) -> None:
    memory_bytes, disk_bytes, config = 16_000, 30_000, OptimizationConfig(device="cpu")
    small, dice = write_small_set(tmp_path / "models"), random.Random(3)
    (tmp_path / "made").mkdir()
    sources = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, path in enumerate(sources):
        noise = np.random.default_rng(number).standard_normal((5_000, 2))
        time_s = np.arange(len(noise)) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (150 + 40 * number) * time_s)
        soundfile.write(path, tone[:, None] + 0.01 * noise, 16_000, "FLOAT")
    folder = tmp_path / "cache"
    in_memory, on_disk = Recorded(None, memory_bytes), Recorded(folder, memory_bytes, disk_bytes)
    converters = [Converter(small.models_dir, config, cache=c) for c in (in_memory, on_disk)]
    plain = Converter(small.models_dir, config)
    for number in range(200):
        source, options = dice.choice(sources), takes(dice)
        made = []
        for each in (*converters, plain) if number % 20 == 0 else converters:
            result = each.convert_file(source, small.voice, options, output_dir=tmp_path / "made")
            assert result.output_path is not None
            made.append(soundfile.read(result.output_path)[0])
            result.output_path.unlink()
        assert all(np.array_equal(made[0], other) for other in made[1:]), options
        held = sum(n for key, n in in_memory.kept.items() if in_memory.find(key) is not None)
        assert 0 < held <= memory_bytes
        assert 0 < sum(path.stat().st_size for path in folder.iterdir()) <= disk_bytes
    assert sum(in_memory.kept.values()) > 5 * memory_bytes
    assert sum(on_disk.kept.values()) > 5 * disk_bytes
