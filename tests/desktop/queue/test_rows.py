"""What a row of the queue shows and does: notes, buttons, keys, and what was dropped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication, QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.engine_protocol import Finished, Order
from desktop.queue.job import Job, JobState
from desktop.queue.job_table import Column
from desktop.queue.live_timings import LiveTimings
from desktop.storage import AppPaths
from desktop.style import PlainLabel
from engine.errors import Text
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000
NOTE = "the source ends early; all of it was converted"


class WritingEngine(FakeEngine):
    """Writes results; those of files called "note" have something to say."""

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        done = super().convert(order, live)
        done.output.touch()
        said = order.job.source.name.startswith("note")
        return Finished(**{**vars(done), "notes": (Text(NOTE),)}) if said else done


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, WritingEngine, lambda *_: True, leave=lambda _code: None)
    made.start()
    qtbot.waitExposed(made.window)
    yield made
    made.window.cancel_all()
    qtbot.waitUntil(lambda: not made.queue.is_busy, timeout=WAIT_MS)
    made.close()


def add(app: App, folder: Path, *names: str) -> tuple[Job, ...]:
    for name in names:
        (folder / name).touch()
    app.take([folder / name for name in names])
    return app.queue.jobs()[-len(names) :]


def convert(app: App, qtbot: QtBot, folder: Path, *names: str) -> tuple[Job, ...]:
    jobs = add(app, folder, *names)
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    return tuple(found for found in (app.queue.job(each.id) for each in jobs) if found)


def titles(app: App) -> list[str]:
    return [job.title for job in app.queue.jobs()]


def picture(app: App, job: Job, column: Column) -> QImage:
    view = app.window.queue_view
    row = app.queue.row_of(job.id)
    assert row is not None
    return view.viewport().grab(view.visualRect(app.queue.index(row, column))).toImage()


def test_a_note_is_marked_in_the_row_and_told_below(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    silent, telling = convert(app, qtbot, tmp_path, "a.wav", "note.wav")
    view = app.window.queue_view
    view.clearSelection()
    assert picture(app, telling, Column.STATE) != picture(app, silent, Column.STATE)
    sentence = "The source ends early; all of it was converted"
    cell = app.queue.index(1, Column.STATE)
    spoken = app.queue.data(cell, Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == f"Finished\n{sentence}"
    view.select_job(telling.id)
    assert app.window.detail.notes == sentence
    labels = app.window.detail.findChildren(PlainLabel)
    said = [QAccessible.queryAccessibleInterface(each) for each in labels if each.isVisible()]
    assert sentence in [each.text(QAccessible.Text.Name) for each in said]
    view.select_job(silent.id)
    assert app.window.detail.notes == ""


def test_what_was_dropped_is_in_sight_selected_and_lit_once(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    convert(app, qtbot, tmp_path, *(f"{number}.wav" for number in range(30)))
    view = app.window.queue_view
    view.scrollToTop()
    new = add(app, tmp_path, "slow.wav", "x.wav")
    assert view.selected_ids() == [job.id for job in new]
    row = app.queue.row_of(new[0].id)
    assert row is not None
    assert view.viewport().rect().contains(view.visualRect(app.queue.index(row, 0)).center())
    lit = picture(app, new[1], Column.SPEED)
    dark = lambda: picture(app, new[1], Column.SPEED) != lit  # noqa: E731
    qtbot.waitUntil(dark, timeout=WAIT_MS)


def test_keys_work_in_the_list(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    (job,) = convert(app, qtbot, tmp_path, "a.wav")
    view = app.window.queue_view
    view.setFocus()
    view.select_job(job.id)
    pressed: list[object] = []
    app.window.toggle_requested.connect(lambda: pressed.append("toggle"))
    app.window.play_requested.connect(lambda which: pressed.append(which.title))
    app.window.seek_requested.connect(pressed.append)
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return):
        QTest.keyClick(view, key)
    assert pressed == ["toggle", -5.0, 5.0, "a.wav"]
    assert view.selected_ids() == [job.id]


def test_the_row_under_the_mouse_has_buttons(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    first, _ = convert(app, qtbot, tmp_path, "a.wav", "bad.wav")
    view = app.window.queue_view
    view.clearSelection()
    hover, _ = view.row_buttons

    def point_at(row: int) -> None:
        place = view.visualRect(app.queue.index(row, 0)).center()
        QTest.mouseMove(view.viewport(), place + QPoint(1, 0))
        qtbot.waitUntil(lambda: hover.job_id == app.queue.jobs()[row].id, timeout=WAIT_MS)

    def shown() -> set[str]:
        names = ("cancel", "retry", "play", "reveal", "remove", "download")
        return {name for name in names if hover.button(name).isVisible()}

    point_at(0)
    assert shown() == {"play", "reveal", "retry", "remove"}
    point_at(1)
    assert shown() == {"retry", "remove"}
    QTest.mouseClick(hover.button("remove"), Qt.MouseButton.LeftButton)
    assert titles(app) == ["a.wav"]
    point_at(0)
    played: list[str] = []
    app.window.play_requested.connect(lambda which: played.append(which.title))
    QTest.mouseClick(hover.button("play"), Qt.MouseButton.LeftButton)
    assert played == ["a.wav"]
    assert view.selected_ids() == [first.id]


def test_the_star_in_a_row_is_filled_once_the_row_has_it(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (job,) = convert(app, qtbot, tmp_path, "a.wav")
    app.window.queue_view.select_job(job.id)
    _, chosen = app.window.queue_view.row_buttons
    star, filled = chosen.button("star"), chosen.button("unstar")
    assert (star.isVisible(), filled.isVisible()) == (True, False)
    hollow = star.grab().toImage()
    star.click()
    assert app.queue.jobs()[0].starred
    assert (star.isVisible(), filled.isVisible()) == (False, True)
    assert filled.accessibleName() == "Remove Star"
    middle = filled.rect().center()
    seen = filled.grab().toImage()
    ratio = filled.devicePixelRatioF()
    assert seen.pixelColor(middle * ratio) != hollow.pixelColor(middle * ratio)
    filled.click()
    assert not app.queue.jobs()[0].starred
    assert star.isVisible()


def test_the_buttons_of_the_chosen_row_are_reached_by_keys(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (slow,) = add(app, tmp_path, "slow.wav")
    qtbot.waitUntil(lambda: app.queue.running() is not None, timeout=WAIT_MS)
    view = app.window.queue_view
    view.setFocus()
    view.select_job(slow.id)
    _, chosen = view.row_buttons
    assert chosen.button("cancel").isVisible()
    QTest.keyClick(view, Qt.Key.Key_Tab)
    assert chosen.button("cancel").hasFocus()
    QTest.keyClick(chosen.button("cancel"), Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    assert app.queue.jobs()[0].state is JobState.CANCELLED
    assert chosen.button("retry").isVisible()
    assert view.hasFocus() or chosen.has_focus()


def test_removed_rows_come_back_where_they_were(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    a, b, c, d = convert(app, qtbot, tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    view = app.window.queue_view
    view.select_jobs([b.id, d.id])
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert titles(app) == ["a.wav", "c.wav"]
    app.window.clear_over()
    assert titles(app) == []
    app.window.actions_.undo.trigger()
    assert titles(app) == ["a.wav", "c.wav"]
    app.window.actions_.undo.trigger()
    assert app.queue.jobs() == (a, b, c, d)
    assert view.selected_ids() == [b.id, d.id]
    app.window.actions_.refresh()
    assert not app.window.actions_.undo.isEnabled()


def test_results_are_copied_as_files(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    a, b = convert(app, qtbot, tmp_path, "a.wav", "b.wav")
    app.window.queue_view.select_jobs([a.id, b.id])
    app.window.actions_.copy.trigger()
    urls = QGuiApplication.clipboard().mimeData().urls()
    assert [Path(url.toLocalFile()) for url in urls] == [a.output, b.output]
    assert app.window.actions_.copy.shortcut().toString() == "Ctrl+C"


def test_the_time_left_counts_all_waiting_files(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    import soundfile

    (tmp_path / "later.wav").touch()
    soundfile.write(tmp_path / "long.wav", [0.0] * 8000 * 60, 8000)
    add(app, tmp_path, "slow.wav")
    app.take([tmp_path / "long.wav", tmp_path / "later.wav"])

    def told() -> bool:
        left_s = app.queue.time_left_s()
        running = app.queue.running()
        progress = app.queue.progress(running.id) if running else None
        if left_s is None or progress is None or progress.remaining_s is None:
            return False
        assert progress.realtime is not None
        assert left_s == pytest.approx(progress.remaining_s + 120 / progress.realtime)
        return app.window.areas.status[1].endswith("left for all files")

    qtbot.waitUntil(told, timeout=WAIT_MS)


def test_a_stopping_job_has_no_time_left_and_keeps_its_bar_when_it_ends(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (slow,) = add(app, tmp_path, "slow.wav")
    remaining = app.queue.index(0, Column.REMAINING)
    shown = lambda: app.queue.data(remaining, Qt.ItemDataRole.DisplayRole) != ""  # noqa: E731
    qtbot.waitUntil(shown, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: app.window.areas.status[1] != "", timeout=WAIT_MS)
    app.window.cancel_selected()
    assert app.queue.data(remaining, Qt.ItemDataRole.DisplayRole) == ""
    assert app.window.areas.status[1] == ""
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    app.window.queue_view.select_job(slow.id)
    assert sum(app.window.detail.timings.bar_widths().values()) == pytest.approx(0.25)
