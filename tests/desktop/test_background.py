from __future__ import annotations

import threading
import time

import pytest
from pytestqt.qtbot import QtBot

from desktop.background import BackgroundTask, Listener, Outcome, Work
from engine.errors import OptionError
from engine.progress import CancelToken

AGAIN = "try again; if it happens again, send the report."


def fails_for_the_user(_cancel: CancelToken, _tell: Listener) -> None:
    raise OptionError("Cannot do it", "it is a test", "try another")


def fails_by_mistake(_cancel: CancelToken, _tell: Listener) -> None:
    raise ZeroDivisionError("oops")


def waits(cancel: CancelToken, _tell: Listener) -> None:
    while True:
        cancel.raise_if_cancelled()
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("work", "state", "words"),
    [
        (lambda _cancel, _tell: 7, "finished", ""),
        (fails_for_the_user, "failed", "Cannot do it: it is a test; try another."),
        (
            fails_by_mistake,
            "failed",
            f"An internal error occurred (ZeroDivisionError: oops): {AGAIN}",
        ),
    ],
)
def test_work_ends_in_exactly_one_outcome_on_the_gui_thread(
    qtbot: QtBot, work: Work, state: str, words: str
) -> None:
    task = BackgroundTask()
    outcomes: list[tuple[Outcome, threading.Thread]] = []
    task.ended.connect(lambda outcome: outcomes.append((outcome, threading.current_thread())))
    assert task.start(work)
    qtbot.waitUntil(lambda: bool(outcomes))
    qtbot.wait(20)
    ((outcome, thread),) = outcomes
    assert (outcome.state, outcome.sentence) == (state, words)
    assert thread is threading.main_thread()
    assert not task.is_running


def test_cancelled_work_says_so_and_the_next_can_begin(qtbot: QtBot) -> None:
    task = BackgroundTask()
    with qtbot.waitSignal(task.ended, timeout=2000) as told:
        assert task.start(waits)
        assert not task.start(waits)
        task.cancel()
    assert told.args[0].state == "cancelled"
    with qtbot.waitSignal(task.ended, timeout=2000) as told:
        assert task.start(lambda _cancel, _tell: "next")
    assert told.args[0].value == "next"


def test_progress_does_not_flood(qtbot: QtBot) -> None:
    task = BackgroundTask()
    told: list[object] = []
    task.progressed.connect(lambda done, _total: told.append(done))

    def counts(_cancel: CancelToken, tell: Listener) -> None:
        for done in range(100_001):
            tell(done, 100_000)

    with qtbot.waitSignal(task.ended, timeout=5000):
        task.start(counts)
    assert told[-1] == 100_000
    assert len(told) < 60
