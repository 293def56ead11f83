from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.queue.job import OVER, JobState
from tests.desktop.fake_engine import FakeEngine
from tests.desktop.soak import Soak, Usage

MORE_MEMORY_MB = 30.0
"""Above what the first 300 left; rows, reports and caches of a queue are gone by then."""


class OneThatMisses(FakeEngine):
    """As the real one, it finds out that a file is gone."""

    def convert(self, order, live):  # type: ignore[no-untyped-def]
        if not order.job.source.exists():
            raise FileNotFoundError(order.job.source)
        return super().convert(order, live)


@pytest.fixture
def soak(tmp_path: Path, qapp: object) -> Iterator[Soak]:
    made = Soak(tmp_path, OneThatMisses, seed=11)
    yield made
    made.app.close()


def test_a_thousand_disturbed_jobs_each_end_once_without_leaks(soak: Soak) -> None:
    soak.run(soak.write_files(300))
    assert soak.faults() == []
    soak.forget()
    before = Usage.now()
    soak.run(soak.write_files(1000, 300))
    assert soak.faults() == []
    states = soak.states()
    assert set(states) == OVER
    assert states[JobState.FINISHED] > 500
    assert len({job.source for job in soak.app.queue.jobs()}) == 1000
    soak.forget()
    after = Usage.now()
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    assert after.memory_mb < before.memory_mb + MORE_MEMORY_MB
