"""After a job the device is warmed up; a job that arrives never waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from desktop.queue.job import JobState
from desktop.queue.job_queue import JobQueue
from desktop.queue.runner import JobRunner
from desktop.settings.store import Settings
from engine.optimization import OptimizationConfig
from tests.desktop.fake_engine import VOICE, FakeEngine, job

WAIT_MS = 20_000


class Bench:
    def __init__(self, settings: Settings) -> None:
        self.engine = FakeEngine()
        self.queue = JobQueue()
        self.runner = JobRunner(self.queue, settings, self.make)

    def make(self, _optimization: OptimizationConfig) -> FakeEngine:
        return self.engine


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    made = Bench(settings)
    yield made
    assert made.runner.close()


def test_a_voice_is_warmed_up_once_while_idle(bench: Bench, qtbot: QtBot) -> None:
    bench.queue.add([job("a.wav"), job("b.wav")])
    qtbot.waitUntil(lambda: bool(bench.engine.warmed), timeout=WAIT_MS)
    assert bench.engine.done == ["a.wav", "b.wav"]
    bench.queue.add([job("c.wav")])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    qtbot.wait(100)
    assert [voice for voice, _ in bench.engine.warmed] == [VOICE]


def test_a_new_job_stops_the_warm_up_which_is_repeated_later(bench: Bench, qtbot: QtBot) -> None:
    bench.engine.warms_long = True
    bench.queue.add([job("a.wav")])
    qtbot.waitUntil(lambda: len(bench.engine.warmed) == 1, timeout=WAIT_MS)
    after = job("b.wav")
    bench.queue.add([after])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert bench.engine.done == ["a.wav", "b.wav"]
    assert bench.engine.warmed[0][1].cancelled
    qtbot.waitUntil(lambda: len(bench.engine.warmed) == 2, timeout=WAIT_MS)
    assert not bench.engine.warmed[1][1].cancelled


def test_closing_stops_the_warm_up(settings: Settings, qtbot: QtBot) -> None:
    bench = Bench(settings)
    bench.engine.warms_long = True
    bench.queue.add([job()])
    qtbot.waitUntil(lambda: bool(bench.engine.warmed), timeout=WAIT_MS)
    assert bench.runner.close()


def test_a_failed_warm_up_does_not_affect_jobs(
    bench: Bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(FakeEngine, "warm_up", fail)
    bench.queue.add([job("a.wav")])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    bench.queue.add([job("b.wav")])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    assert [each.state for each in bench.queue.jobs()] == [JobState.FINISHED] * 2


def test_a_failed_job_causes_no_warm_up(bench: Bench, qtbot: QtBot) -> None:
    bench.queue.add([job("bad.wav")])
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=WAIT_MS)
    qtbot.wait(100)
    assert bench.engine.warmed == []
