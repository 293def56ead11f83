import time

import pytest

from desktop.queue.live_timings import LiveTimings, WatchedProfiler
from engine.progress import StageProgress


def test_a_running_stage_grows_between_two_steps() -> None:
    live = LiveTimings("x")
    live.stage_begins("pitch")
    first = live.look()
    time.sleep(0.02)
    second = live.look()
    assert first.stage == second.stage == "pitch"
    assert second.stages[0].seconds - first.stages[0].seconds >= 0.02


def test_the_engines_own_figures_replace_ours() -> None:
    live = LiveTimings("x")
    live.stage_begins("pitch")
    live.stage_ends("pitch", 9.0)
    live.step(StageProgress("pitch", 1.25, "mps", 0.5))
    (stage,) = live.look().stages
    assert (stage.seconds, stage.device) == (1.25, "mps")


def test_time_outside_of_the_engine_is_added() -> None:
    live = LiveTimings("x")
    with live.measure("load"):
        time.sleep(0.02)
    live.stage_begins("load")
    live.stage_ends("load", 1.0)
    live.step(StageProgress("load", 1.0, "cpu", 0.0))
    assert live.stages()[0].seconds >= 1.02


def test_progress_never_decreases_and_remaining_time_is_not_estimated_too_early() -> None:
    live = LiveTimings("x")
    live.source(10.0)
    live.step(StageProgress("filter", 0.1, "cpu", 0.01))
    assert live.look().remaining_s is None
    live.step(StageProgress("pitch", 0.1, "cpu", 0.5))
    live.step(StageProgress("load", 0.1, "cpu", 0.0))
    look = live.look()
    assert look.fraction == 0.5
    assert look.remaining_s == pytest.approx(look.elapsed_s, rel=0.2)
    assert look.realtime == pytest.approx(5.0 / look.elapsed_s, rel=0.2)


def test_the_profiler_reports_the_start_and_end_of_stages() -> None:
    profiler = WatchedProfiler()
    with profiler.measure("pitch"):
        pass
    profiler.live = LiveTimings("x")
    profiler.start("content")
    assert profiler.live.look().stage == "content"
    seconds = profiler.end("content")
    assert profiler.live.look().stage is None
    assert profiler.live.stages()[0].seconds == seconds


def test_each_stage_keeps_its_peak_memory() -> None:
    live = LiveTimings("a")
    profiler = WatchedProfiler()
    profiler.live = live
    held = iter([300, 900, 500])
    profiler.memory_bytes = lambda: next(held)
    for stage in ("pitch", "content", "content"):
        profiler.start(stage)
        profiler.end(stage)
    assert [(each.stage, each.memory_bytes) for each in live.stages()] == [
        ("pitch", 300),
        ("content", 900),
    ]
    assert live.look().memory_bytes == 500
