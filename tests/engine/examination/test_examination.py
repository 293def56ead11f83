"""How a result is compared, and how its time is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest
import torch
from torch import Tensor

from engine import examination
from engine.agreement import agreement_db
from engine.examination import Examination, Reference, timed
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.probe_run import Given
from engine.stages import CPU, Part, Placement


def test_a_few_frames_between_voiced_and_unvoiced_may_fall_to_either_side() -> None:
    f0_hz = torch.full((100,), 180.0)
    moved = f0_hz.clone()
    moved[:2] = 0
    assert agreement_db(f0_hz, moved, outliers=0.03) is None
    level_db = agreement_db(f0_hz, moved)
    assert level_db == pytest.approx(17.0, abs=0.1)


def test_the_time_of_a_part_is_its_shortest_after_a_first_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    takes_s = iter((0.001, 0.7, 0.3, 0.5, 0.6, 0.8))  # what the first run takes does not count

    def run() -> Tensor:
        nonlocal now_s
        now_s += next(takes_s)
        return torch.ones(2, dtype=torch.float16)

    monkeypatch.setattr(time, "perf_counter", lambda: now_s)
    result, seconds = timed(run, CPU)
    assert result.dtype == torch.float32
    assert seconds == pytest.approx(0.3)
    takes_s = iter((0.001, 7.0))  # a long run is not repeated
    assert timed(run, CPU)[1] == pytest.approx(7.0)


@pytest.mark.parametrize(("device_s", "sounds_s"), [(12.0, [1, 1]), (2.0, [1, 1, 10, 10])])
def test_a_part_that_is_slow_is_tried_with_a_longer_sound_unless_that_is_hopeless(
    device_s: float, sounds_s: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_s: list[int] = []

    def run(_part: Part, _models: Models, given: Given, device: str) -> Callable[[], Tensor]:
        heard_s.append(given.audio.shape[1] // 16_000)
        return partial(torch.full, (3,), 1.0 if device == CPU else 1.00001)

    monkeypatch.setattr(
        examination, "timed", lambda run, device: (run(), 1.0 if device == CPU else device_s)
    )
    models = cast("Models", None)
    compared_with = Reference(models, 1, run), Reference(models, 10, run)
    config = OptimizationConfig(device="mps")
    placement = Placement({"filter": "mps"})
    examined = Examination(models, compared_with, placement, config, run).examine("filter")
    assert examined.verdict == "slower"
    assert heard_s == sounds_s
