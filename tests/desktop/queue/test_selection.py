"""What the areas below the queue say of what is selected in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop import style
from desktop.app import App
from desktop.queue.job import JobState
from desktop.queue.job_table import Column
from desktop.storage import AppPaths
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot, tmp_path: Path) -> Iterator[App]:
    """A finished, a failed and a cancelled file."""
    made = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    made.start()
    for name in ("good.wav", "bad.wav", "slow.wav"):
        (tmp_path / name).touch()
        made.take([tmp_path / name])
    qtbot.waitUntil(lambda: made.queue.count(JobState.RUNNING) == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: made.queue.count(JobState.FAILED) == 1, timeout=WAIT_MS)
    yield made
    made.window.cancel_all()
    qtbot.waitUntil(lambda: not made.queue.is_busy, timeout=WAIT_MS)
    made.close()


def result_lane(app: App) -> str:
    return app.listen_panel.lanes.rows[1].view.message


def select(app: App, name: str) -> None:
    job = next(job for job in app.queue.jobs() if job.title == name)
    app.window.queue_view.select_job(job.id)


def test_the_number_of_selected_files_is_shown(app: App) -> None:
    app.window.queue_view.selectAll()
    assert app.window.detail._title.text() == "3 files selected – slow.wav"
    app.window.queue_view.clearSelection()
    assert app.window.detail._title.text() == "No file selected"


def test_a_result_is_announced_only_for_jobs_that_can_have_one(app: App, qtbot: QtBot) -> None:
    select(app, "slow.wav")
    assert result_lane(app) == "The result will appear here"
    app.window.cancel_selected()
    qtbot.waitUntil(lambda: result_lane(app) == "No result", timeout=WAIT_MS)
    select(app, "bad.wav")
    assert result_lane(app) == "No result"
    app.window.retry_selected()
    assert result_lane(app) == "The result will appear here"


def test_a_selected_row_has_the_systems_colour_only_while_the_queue_has_the_focus(
    app: App, qtbot: QtBot
) -> None:
    view = app.window.queue_view
    view.setFocus()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton)
    select(app, "good.wav")

    def ground() -> QColor:
        place = view.visualRect(app.queue.index(0, Column.SPEED))
        return view.viewport().grab(place).toImage().pixelColor(2, 2)

    qtbot.waitUntil(lambda: view.hasFocus() and ground() == style.selection(view.palette()))
    app.window.areas.voice_panel.picker.setFocus()
    quiet = style.selection(view.palette(), focused=False)
    qtbot.waitUntil(lambda: ground() == quiet)
