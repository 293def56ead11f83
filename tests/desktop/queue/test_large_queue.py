"""What is done to a thousand jobs at once is told at once: the window must not stand still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QModelIndex
from pytestqt.qtbot import QtBot

from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_table import JobTable
from desktop.queue.queue_view import QueueView
from tests.desktop.fake_engine import job

MANY = 1000
FEW = 20


class Told:
    """Counts what the views of a queue are told."""

    def __init__(self, queue: JobQueue) -> None:
        self.counts: Counter[str] = Counter()
        for name in (
            "dataChanged", "rowsInserted", "rowsRemoved", "rowsMoved", "layoutChanged",
            "modelReset", "queue_changed", "jobs_changed", "jobs_ended",
        ):  # fmt: skip
            getattr(queue, name).connect(lambda *_, name=name: self.counts.update([name]))

    def total(self) -> int:
        """All of them, since the last time."""
        total = sum(self.counts.values())
        self.counts.clear()
        return total


@pytest.fixture
def queue(qapp: object) -> JobQueue:
    return JobQueue([job(f"{number:04d}.wav") for number in range(MANY)])


@pytest.fixture
def told(queue: JobQueue) -> Told:
    return Told(queue)


@pytest.fixture
def view(queue: JobQueue, qtbot: QtBot) -> Iterator[QueueView]:
    made = QueueView(queue)
    qtbot.addWidget(made)
    yield made
    made.setModel(None)


def ids(queue: JobQueue) -> list[str]:
    return [each.id for each in queue.jobs()]


def test_cancelling_and_retrying_emit_one_signal(queue: JobQueue, told: Told) -> None:
    ended: list[Job] = []
    queue.jobs_ended.connect(ended.extend)
    queue.cancel(ids(queue))
    assert told.total() <= 4
    assert len({each.id for each in ended}) == MANY == len(ended)
    assert queue.count(JobState.CANCELLED) == MANY
    queue.retry(ids(queue))
    assert told.total() <= 4
    assert queue.count(JobState.WAITING) == MANY


def test_rows_removed_in_many_places_emit_few_signals(queue: JobQueue, told: Told) -> None:
    kept = ids(queue)[1::2]
    queue.remove(ids(queue)[::2])
    assert told.total() <= FEW
    assert ids(queue) == kept
    assert all(queue.row_of(job_id) == row for row, job_id in enumerate(kept))
    queue.remove(kept[10:400] + kept[450:])
    assert told.total() <= FEW
    assert ids(queue) == kept[:10] + kept[400:450]


def test_removing_all_keeps_the_running_job(queue: JobQueue) -> None:
    running = ids(queue)[500]
    queue.begin(running)
    queue.remove(ids(queue))
    assert ids(queue) == [running]


def test_many_rows_move_and_stay_selected(queue: JobQueue, told: Told, view: QueueView) -> None:
    few = JobQueue(queue.jobs())
    before = ids(queue)
    queue.begin(before[3])
    few.begin(before[3])
    chosen = before[100:400:3]
    view.selectionModel().clear()
    flags = view.selectionModel().SelectionFlag
    for job_id in chosen:
        row = queue.row_of(job_id)
        assert row is not None
        view.selectionModel().select(queue.index(row, 0), flags.Select | flags.Rows)
    told.total()
    for row in (0, 250, MANY):
        queue.move(chosen, row)
        assert told.total() <= FEW
        at = row
        for job_id in sorted(chosen, key=ids(few).index):  # one by one, as a few are moved
            few.move([job_id], at)
            found = few.row_of(job_id)
            assert found is not None
            at = found + 1
        assert ids(queue) == ids(few)
        assert sorted(view.selected_ids()) == sorted(chosen)


def test_selecting_all_does_not_query_every_cell(
    queue: JobQueue, view: QueueView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[QModelIndex] = []
    flags = JobTable.flags

    def counting(table: JobTable, index: QModelIndex) -> object:
        asked.append(index)
        return flags(table, index)

    monkeypatch.setattr(JobTable, "flags", counting)
    view.selectAll()
    asked.clear()
    assert view.selected_ids() == ids(queue)
    assert len(asked) <= FEW


def test_the_only_selected_job_is_known_after_a_reset(
    queue: JobQueue, view: QueueView, qtbot: QtBot
) -> None:
    first, second = ids(queue)[:2]
    view.select_job(first)
    assert view.is_only_selected(first)
    view.selectAll()
    assert not view.is_only_selected(first)
    view.select_job(second)
    queue.cancel([second])
    with qtbot.waitSignal(view.selection_moved):
        queue.clear_over()
    assert not view.is_only_selected(second)
    assert view.selected_ids() == []


@pytest.mark.parametrize("in_sight", [True, False])
def test_a_chosen_row_in_sight_stays_in_sight_where_the_list_becomes_lower(
    queue: JobQueue, view: QueueView, *, in_sight: bool
) -> None:
    """The areas below grow when a job has ended; a row that was scrolled away stays away."""
    view.resize(600, 700)
    view.show()
    view.select_job(ids(queue)[6])
    if not in_sight:
        view.scrollToBottom()
    view.resize(600, 200)
    place = view.visualRect(view.currentIndex())
    assert view.viewport().rect().contains(place) == in_sight
    assert view.viewport().rect().intersects(place) == in_sight
