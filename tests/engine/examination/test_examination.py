"""How a result is compared, and how its time is taken."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from engine.agreement import agreement_db
from engine.examination import timed
from engine.stages import CPU


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
    takes_s = iter((0.001, 7.0, 3.0, 5.0, 6.0, 8.0))  # what the first run takes does not count

    def run() -> Tensor:
        nonlocal now_s
        now_s += next(takes_s)
        return torch.ones(2, dtype=torch.float16)

    monkeypatch.setattr(time, "perf_counter", lambda: now_s)
    result, seconds = timed(run, CPU)
    assert result.dtype == torch.float32
    assert seconds == pytest.approx(3.0)
