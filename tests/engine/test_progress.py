"""Times of stages, and cancelling."""

from __future__ import annotations

import time

import pytest

from engine.errors import ConversionCancelled
from engine.progress import CancelToken, PerformanceProfiler


def test_report_counts_and_adds_up_the_runs_of_a_stage() -> None:
    profiler = PerformanceProfiler()
    for pause_s in (0.002, 0.01):
        with profiler.measure("content"):
            time.sleep(pause_s)
    statistics = profiler.report()["content"]
    assert statistics.count == 2
    assert statistics.min_s <= statistics.average_s <= statistics.max_s
    assert statistics.total_s == pytest.approx(statistics.min_s + statistics.max_s)
    assert statistics.min_s >= 0.002
    assert statistics.max_s >= 0.01


def test_only_profiling_waits_for_the_device() -> None:
    waits: list[bool] = []
    for enabled in (False, True):
        profiler = PerformanceProfiler(enabled=enabled, synchronize=lambda: waits.append(True))
        with profiler.measure("pitch"):
            pass
    assert len(waits) == 2  # both ends of the one enabled measurement


def test_a_stage_left_by_an_exception_can_be_measured_again() -> None:
    profiler = PerformanceProfiler()
    with pytest.raises(RuntimeError), profiler.measure("synthesis"):
        raise RuntimeError
    with profiler.measure("synthesis"):
        pass
    assert profiler.report()["synthesis"].count == 2


def test_unpaired_calls_are_programming_errors() -> None:
    profiler = PerformanceProfiler()
    with pytest.raises(ValueError, match="not started"):
        profiler.end("write")
    profiler.start("write")
    with pytest.raises(ValueError, match="already"):
        profiler.start("write")


def test_a_cancelled_token_stays_cancelled() -> None:
    token = CancelToken()
    token.raise_if_cancelled()
    token.cancel()
    assert token.cancelled
    with pytest.raises(ConversionCancelled):
        token.raise_if_cancelled()


def test_a_report_is_a_mapping_and_prints_as_a_table() -> None:
    profiler = PerformanceProfiler()
    assert str(profiler.report()).split() == [
        "stage", "runs", "total", "average", "shortest", "longest", "share"
    ]  # fmt: skip
    for stage in ("content", "synthesis", "content"):
        with profiler.measure(stage):
            pass
    report = profiler.report()
    assert report == dict(report)
    head, *rows = str(report).splitlines()
    assert [row.split()[:2] for row in rows] == [["content", "2"], ["synthesis", "1"]]
    assert len({len(line) for line in (head, *rows)}) == 1
