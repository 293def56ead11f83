import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from desktop.queue.engine_protocol import Cancelled, Failed, Finished
from desktop.queue.job import JobProgress, JobState, StageTime
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_table import Column
from engine.errors import Text
from tests.desktop.fake_engine import job

A, B, C, D = (job(f"{name}.wav") for name in "abcd")


@pytest.fixture
def queue(qapp: object) -> JobQueue:
    made = JobQueue()
    made.tester = QAbstractItemModelTester(  # type: ignore[attr-defined]
        made, QAbstractItemModelTester.FailureReportingMode.Fatal
    )
    made.add([A, B, C, D])
    return made


def names(queue: JobQueue) -> str:
    return "".join(each.source.stem for each in queue.jobs())


def cell(queue: JobQueue, row: int, column: Column) -> str:
    return str(queue.data(queue.index(row, column), Qt.ItemDataRole.DisplayRole))


@pytest.mark.parametrize(
    ("moved", "row", "expected"),
    [
        ([A], 2, "bacd"), ([A], 4, "bcda"), ([D], 0, "dabc"), ([B, D], 0, "bdac"),
        ([A, B], 4, "cdab"), ([D, A], 2, "badc"), ([B], 1, "abcd"), ([B], 2, "abcd"),
        ([C], -5, "cabd"), ([A], 99, "bcda"),
    ],
)  # fmt: skip
def test_rows_move_together(queue: JobQueue, moved: list, row: int, expected: str) -> None:
    queue.move([each.id for each in moved], row)
    assert names(queue) == expected
    assert [queue.row_of(each.id) for each in queue.jobs()] == [0, 1, 2, 3]


def test_the_next_job_follows_the_shown_order(queue: JobQueue) -> None:
    queue.move([D.id], 0)
    assert queue.next_waiting() == D


def test_every_outcome_ends_the_job_and_a_second_one_changes_nothing(
    queue: JobQueue, qtbot: QtBot
) -> None:
    ended = []
    queue.jobs_ended.connect(ended.extend)
    finished = Finished(A.id, A.source, 4.0, 2.0, (StageTime("pitch", 1, "cpu"),), "cpu", 5, 6)
    outcomes = (finished, Failed(B.id, Text("It broke."), "trace"), Cancelled(C.id))
    for outcome in outcomes:
        queue.begin(outcome.job_id)
        queue.finish(outcome)
        queue.finish(Failed(outcome.job_id, Text("too late"), ""))
    states = [each.state for each in queue.jobs()]
    assert states == [JobState.FINISHED, JobState.FAILED, JobState.CANCELLED, JobState.WAITING]
    assert [each.state for each in ended] == states[:3]
    assert cell(queue, 0, Column.SPEED) == "2.0 ×"
    assert cell(queue, 0, Column.ELAPSED) == "2.0 s"
    found = queue.job(B.id)
    assert found is not None
    assert found.message == Text("It broke.")


def test_cancelling_ends_waiting_jobs_and_asks_the_worker_to_stop_the_running_one(
    queue: JobQueue,
) -> None:
    asked: list[str] = []
    queue.cancel_wanted.connect(asked.append)
    queue.begin(A.id)
    queue.cancel([A.id, B.id])
    queue.cancel([A.id])
    assert asked == [A.id]
    assert cell(queue, 0, Column.STATE) == "Stopping…"
    assert [each.state for each in queue.jobs()][:2] == [JobState.RUNNING, JobState.CANCELLED]


def test_a_running_job_cannot_be_removed_or_restarted(queue: JobQueue) -> None:
    queue.begin(A.id)
    queue.remove([each.id for each in (A, B, C)])
    queue.retry([A.id])
    assert names(queue) == "ad"
    assert queue.running() is not None


def test_busy_is_emitted_once_per_change(queue: JobQueue) -> None:
    told: list[bool] = []
    queue.busy_changed.connect(told.append)
    queue.cancel([each.id for each in queue.jobs()])
    queue.retry([A.id])
    queue.cancel([A.id])
    assert told == [False, True, False]


def test_only_finished_jobs_are_cleared(queue: JobQueue) -> None:
    queue.begin(A.id)
    queue.cancel([B.id])
    queue.clear_over()
    assert names(queue) == "acd"


def test_progress_is_shown_while_the_job_runs(queue: JobQueue) -> None:
    queue.begin(A.id)
    queue.set_progress(JobProgress(A.id, 0.5, 61.0, 61.0, 12.34, "pitch"))
    shown = [cell(queue, 0, column) for column in (Column.ELAPSED, Column.REMAINING, Column.SPEED)]
    assert shown == ["1:01", "1:01", "12.3 ×"]
    queue.finish(Cancelled(A.id))
    assert queue.progress(A.id) is None
    assert cell(queue, 0, Column.REMAINING) == ""


def test_a_row_that_is_dragged_out_carries_its_result(queue: JobQueue) -> None:
    queue.begin(A.id)
    queue.finish(Finished(A.id, A.source.absolute(), 1, 1, (), "cpu", 0, 0))
    data = queue.mimeData([queue.index(0, 0), queue.index(0, 1), queue.index(1, 0)])
    assert [url.toLocalFile() for url in data.urls()] == [str(A.source.absolute())]
    assert not queue.flags(QModelIndex()) & Qt.ItemFlag.ItemIsDragEnabled


def test_the_same_job_is_not_added_twice(queue: JobQueue) -> None:
    queue.add([A, job("e.wav")])
    assert names(queue) == "abcde"
