"""Calls of Core ML come from one thread, have a limit, and can be cancelled."""

from __future__ import annotations

import threading

import pytest

from engine.accelerators import AcceleratorFailed
from engine.accelerators.coreml.session import OwnThread
from engine.errors import ConversionCancelled
from engine.stopping import StopBetweenOperations


def test_calls_run_on_one_thread_and_their_errors_are_raised() -> None:
    thread = OwnThread()
    names = {thread.run(lambda: threading.current_thread().name) for _ in range(3)}
    assert names == {"Core ML"}
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)


def test_a_call_that_hangs_is_given_up_and_so_are_those_after_it() -> None:
    thread, release = OwnThread(), threading.Event()
    with pytest.raises(AcceleratorFailed, match="no answer within"):
        thread.run(release.wait, limit_s=0.2)
    with pytest.raises(AcceleratorFailed, match="has not answered before"):
        thread.run(lambda: 1)
    release.set()


def test_a_cancel_ends_the_waiting() -> None:
    thread, release, cancelled = OwnThread(), threading.Event(), threading.Event()

    def begin() -> bool:
        cancelled.set()
        return release.wait()

    with pytest.raises(ConversionCancelled), StopBetweenOperations(cancelled.is_set):
        thread.run(begin)
    release.set()
    assert thread.run(lambda: 2) == 2
