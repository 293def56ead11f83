"""Queue, runner and worker together, with an engine that does what it is told."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.job import OVER, Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.queue.runner import LOOK_EVERY_MS, JobRunner
from desktop.settings.store import Settings
from desktop.settings.table import IDLE_MINUTES, SETTINGS
from desktop.storage import AppPaths
from engine.optimization import OptimizationConfig
from tests.desktop.fake_engine import FakeEngine, job

WAIT_MS = 20_000


class Bench:
    """A queue that is worked on."""

    def __init__(self, settings: Settings) -> None:
        self.engines: list[FakeEngine] = []
        self.queue = JobQueue()
        self.runner = JobRunner(self.queue, settings, self.make)

    def make(self, optimization: OptimizationConfig) -> FakeEngine:
        self.engines.append(FakeEngine(optimization))
        return self.engines[-1]

    def states(self) -> list[JobState]:
        return [each.state for each in self.queue.jobs()]


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    made = Bench(settings)
    yield made
    assert made.runner.close()


def test_a_failing_job_does_not_stop_the_next(bench: Bench, qtbot: QtBot) -> None:
    jobs = [job(name) for name in ("bad.wav", "bug.wav", "memory.wav", "good.wav")]
    bench.queue.add(jobs)
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert bench.states() == [*[JobState.FAILED] * 3, JobState.FINISHED]
    bad, bug, memory, _ = bench.queue.jobs()
    assert bad.message == 'Cannot read "bad.wav": it is broken; choose another file.'
    assert "ZeroDivisionError" in bug.message
    assert "ZeroDivisionError" in bug.report
    assert "/somewhere/private" not in bug.report
    assert memory.message == "Not enough memory: close other programs, or convert a shorter file."
    assert bench.engines[0].tidied == 4


def test_the_engine_works_on_one_thread_other_than_the_gui(bench: Bench, qtbot: QtBot) -> None:
    bench.queue.add([job(f"{place}.wav") for place in range(3)])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    (engine,) = bench.engines
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


def test_a_cancelled_job_stops_before_its_end_and_the_next_begins(
    bench: Bench, qtbot: QtBot
) -> None:
    slow, after = job("slow.wav"), job("after.wav")
    bench.queue.add([slow, after])
    qtbot.waitUntil(lambda: bench.queue.progress(slow.id) is not None, timeout=WAIT_MS)
    bench.queue.cancel([slow.id])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert bench.states() == [JobState.CANCELLED, JobState.FINISHED]


def test_a_cancel_while_the_engine_is_still_being_created_shows_at_once(
    settings: Settings, qtbot: QtBot
) -> None:
    """Importing torch can take many seconds beside other programs; nothing can interrupt it."""
    go = threading.Event()
    engine = FakeEngine()

    def make(_: OptimizationConfig) -> FakeEngine:
        go.wait(WAIT_MS / 1000)
        return engine

    queue = JobQueue()
    runner = JobRunner(queue, settings, make)
    first, second = job("first.wav"), job("second.wav")
    queue.add([first, second])
    qtbot.waitUntil(lambda: queue.progress(first.id) is not None, timeout=WAIT_MS)
    queue.cancel([first.id])
    assert [each.state for each in queue.jobs()] == [JobState.CANCELLED, JobState.WAITING]
    go.set()
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=WAIT_MS)
    assert [each.state for each in queue.jobs()] == [JobState.CANCELLED, JobState.FINISHED]
    assert engine.done == ["second.wav"]
    assert runner.close()


def test_quitting_does_not_wait_for_an_engine_that_is_still_being_created(
    app_paths: AppPaths, qtbot: QtBot, tmp_path: Path
) -> None:
    go, making, left = threading.Event(), threading.Event(), list[int]()

    def make(_: OptimizationConfig) -> FakeEngine:
        making.set()
        go.wait(WAIT_MS / 1000)
        return FakeEngine()

    app = App(app_paths, make, lambda *_: True, leave=left.append)
    (tmp_path / "good.wav").touch()
    app.take([tmp_path / "good.wav"])
    qtbot.waitUntil(making.is_set, timeout=WAIT_MS)
    app.close()
    assert left == [0]
    go.set()
    assert app.runner.close()


def test_progress_is_reported_regularly_without_flooding(bench: Bench, qtbot: QtBot) -> None:
    told: list[float] = []
    bench.queue.progressed.connect(lambda _: told.append(time.monotonic()))
    slow = job("slow.wav")  # its engine makes some 500 steps a second
    bench.queue.add([slow])
    qtbot.waitUntil(lambda: len(told) > 20, timeout=WAIT_MS)
    bench.queue.cancel([slow.id])
    assert told[20] - told[0] > 0.8 * 20 * LOOK_EVERY_MS / 1000


def test_settings_apply_to_the_next_job_not_to_the_running_one(
    bench: Bench, settings: Settings, qtbot: QtBot
) -> None:
    profiling = next(each for each in SETTINGS if each.key == "optimization.enable_profiling")
    slow, after = job("slow.wav"), job("after.wav")
    bench.queue.add([slow, after])
    qtbot.waitUntil(lambda: bench.queue.progress(slow.id) is not None, timeout=WAIT_MS)
    settings.set(profiling, not settings.value(profiling))
    assert len(bench.engines) == 1
    bench.queue.cancel([slow.id])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert len(bench.engines) == 2
    assert bench.engines[0].unloaded == 1
    assert bench.engines[1].optimization == settings.optimization()


def test_memory_is_freed_at_the_end(bench: Bench, qtbot: QtBot) -> None:
    bench.queue.add([job()])
    qtbot.waitUntil(lambda: bool(bench.engines) and not bench.queue.is_busy, timeout=WAIT_MS)
    assert bench.engines[0].unloaded == 0
    assert bench.runner.close()
    assert bench.engines[0].unloaded == 1


def test_memory_is_freed_when_idle(
    bench: Bench, settings: Settings, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.queue.runner._MINUTE_MS", 30)
    settings.set(IDLE_MINUTES, 1)
    bench.queue.add([job()])
    qtbot.waitUntil(lambda: bool(bench.engines) and bench.engines[0].unloaded == 1)
    bench.queue.add([job("again.wav")])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert bench.states() == [JobState.FINISHED] * 2
    assert len(bench.engines) == 2


def test_an_engine_that_cannot_be_created_fails_only_the_job(
    settings: Settings, qtbot: QtBot
) -> None:
    tries: list[OptimizationConfig] = []

    def make(optimization: OptimizationConfig) -> FakeEngine:
        tries.append(optimization)
        if len(tries) == 1:
            raise ImportError("no torch")
        return FakeEngine(optimization)

    queue = JobQueue()
    runner = JobRunner(queue, settings, make)
    queue.add([job("a.wav"), job("b.wav")])
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=WAIT_MS)
    assert [each.state for each in queue.jobs()] == [JobState.FAILED, JobState.FINISHED]
    assert runner.close()


def test_closing_while_busy_leaves_the_job_unfinished_not_cancelled(
    settings: Settings, qtbot: QtBot
) -> None:
    bench = Bench(settings)
    slow = job("slow.wav")
    bench.queue.add([slow, job("after.wav")])
    qtbot.waitUntil(lambda: bench.queue.progress(slow.id) is not None, timeout=WAIT_MS)
    assert bench.runner.close()
    qtbot.wait(50)
    assert bench.states() == [JobState.RUNNING, JobState.WAITING]


def test_a_thousand_jobs_each_end_in_exactly_one_state(bench: Bench, qtbot: QtBot) -> None:
    chance = random.Random(7)
    kinds = chance.choices(["good", "bad", "bug", "memory", "slow"], [60, 15, 10, 5, 10], k=1000)
    jobs = [job(f"{kind} {place}.wav") for place, kind in enumerate(kinds)]
    ends: dict[str, list[JobState]] = {each.id: [] for each in jobs}
    threads = threading.active_count()

    def on_end(ended: Sequence[Job]) -> None:
        for each in ended:
            ends[each.id].append(each.state)

    def meddle(job_ids: Sequence[str]) -> None:
        found = bench.queue.running()
        if found is None or found.id not in job_ids:
            return
        if found.title.startswith("slow") or chance.random() < 0.1:
            bench.queue.cancel([found.id])
        if chance.random() < 0.1:
            waiting = [each.id for each in bench.queue.jobs() if each.state is JobState.WAITING]
            if waiting:
                bench.queue.cancel([chance.choice(waiting)])
                bench.queue.move([chance.choice(waiting)], chance.randrange(1000))

    bench.queue.jobs_ended.connect(on_end)
    bench.queue.jobs_changed.connect(meddle)
    bench.queue.add(jobs)
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=300_000)
    assert all(len(states) == 1 for states in ends.values())
    final = {each.id: each.state for each in bench.queue.jobs()}
    assert final == {job_id: states[0] for job_id, states in ends.items()}
    assert set(final.values()) == OVER
    assert len(bench.engines) == 1
    assert len(bench.engines[0].threads) == 1
    assert threading.active_count() <= threads + 1
    titles = {each.id: each.title for each in jobs}
    finished = [titles[i] for i, state in final.items() if state is JobState.FINISHED]
    assert all(title.startswith("good") for title in finished)
    assert len(finished) > 400
