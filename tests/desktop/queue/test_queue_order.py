"""Rows of the queue change places by mouse and by keyboard; results leave it as files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication
from pytestqt.qtbot import QtBot

from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_table import ROWS_TYPE
from desktop.queue.queue_store import QueueStore
from desktop.queue.queue_view import QueueView
from tests.desktop.fake_engine import job

A, B, C, D = (job(f"{name}.wav") for name in "abcd")
DONE = replace(job("done.wav"), state=JobState.FINISHED, output=Path("/results/done (Aria).wav"))
LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def show(qtbot: QtBot) -> Callable[[Sequence[Job]], QueueView]:
    kept = []

    def make(jobs: Sequence[Job]) -> QueueView:
        queue = JobQueue(jobs)
        view = QueueView(queue)
        kept.append(queue)  # a view does not own its model
        qtbot.addWidget(view)
        view.resize(800, 400)
        view.show()
        qtbot.waitExposed(view)
        return view

    return make


def order(view: QueueView) -> str:
    return "".join(each.source.stem[0] for each in view._queue.jobs())


def drop(view: QueueView, data: QMimeData, row: int, *, below: bool = False) -> bool:
    """Let go over the upper or lower part of a row; whether it was taken."""
    place = view.visualRect(view._queue.index(row, 0))
    point = QPoint(place.center().x(), place.bottom() - 3 if below else place.top() + 3)
    both = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
    target = view.viewport()
    QApplication.sendEvent(target, QDragEnterEvent(point, both, data, LEFT, PLAIN))
    QApplication.sendEvent(target, QDragMoveEvent(point, both, data, LEFT, PLAIN))
    event = QDropEvent(QPointF(point), both, data, LEFT, PLAIN)
    QApplication.sendEvent(target, event)
    return event.isAccepted()


def dragged(view: QueueView, *rows: int) -> QMimeData:
    return view._queue.mimeData([view._queue.index(row, 0) for row in rows])


def test_rows_dropped_between_others_are_moved_there(
    show: Callable[[Sequence[Job]], QueueView],
) -> None:
    view = show([A, B, C, D])
    assert drop(view, dragged(view, 3), 0)
    assert order(view) == "dabc"
    assert drop(view, dragged(view, 0, 1), 3, below=True)
    assert order(view) == "bcda"


def test_the_selection_follows_the_rows(show: Callable[[Sequence[Job]], QueueView]) -> None:
    view = show([A, B, C, D])
    view.select_job(D.id)
    drop(view, dragged(view, 3), 0)
    assert view.selected_ids() == [D.id]


def test_the_running_row_stays_and_waiting_rows_stay_behind_it(
    show: Callable[[Sequence[Job]], QueueView],
) -> None:
    view = show([A, B, C, D])
    view._queue.begin(B.id)
    drop(view, dragged(view, 1), 3, below=True)
    assert order(view) == "abcd"
    drop(view, dragged(view, 3), 0)
    assert order(view) == "abdc"


def test_dropped_files_are_handled_by_the_window(
    show: Callable[[Sequence[Job]], QueueView],
) -> None:
    view = show([A, B])
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/songs/new.wav")])
    event = QDragEnterEvent(QPoint(20, 20), Qt.DropAction.CopyAction, data, LEFT, PLAIN)
    QApplication.sendEvent(view.viewport(), event)
    assert not event.isAccepted()


def test_a_dragged_result_is_a_file_that_can_only_be_copied(
    show: Callable[[Sequence[Job]], QueueView], monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[Qt.DropAction] = []
    monkeypatch.setattr(QAbstractItemView, "startDrag", lambda _view, how: offered.append(how))
    view = show([DONE, A])
    every = view._queue.supportedDragActions()
    for chosen in (DONE, A):
        view.select_job(chosen.id)
        view.startDrag(every)
    assert offered == [Qt.DropAction.CopyAction, Qt.DropAction.MoveAction]
    assert dragged(view, 0, 1).urls() == [QUrl.fromLocalFile("/results/done (Aria).wav")]
    assert not dragged(view, 1).hasUrls()
    assert dragged(view, 1).hasFormat(ROWS_TYPE)


def test_the_order_is_restored_at_the_next_start(
    show: Callable[[Sequence[Job]], QueueView], tmp_path: Path
) -> None:
    view = show([A, B, C, D])
    store = QueueStore(tmp_path / "queue.json")
    view._queue.queue_changed.connect(lambda: store.save(view._queue.jobs()))
    drop(view, dragged(view, 3), 1)
    store.close()
    again = QueueStore(tmp_path / "queue.json")
    assert [each.source.stem for each in again.load()] == ["a", "d", "b", "c"]
    again.close()
