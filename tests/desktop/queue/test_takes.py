"""Takes of a source stand together, and none replaces another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.engine_protocol import Finished, Order
from desktop.queue.job import Job, JobState, Voice
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_table import Column
from desktop.queue.job_text import difference_text
from desktop.queue.live_timings import LiveTimings
from desktop.queue.queue_store import QueueStore
from desktop.storage import AppPaths
from engine.cover.options import COVER_OPTIONS, MUTED_DB, CoverOptions
from engine.option import Option
from engine.options import ConversionOptions, all_options
from engine.plain_text import plain
from tests.desktop.fake_engine import FakeEngine, job

WAIT_MS = 15_000


class WritingEngine(FakeEngine):
    """Writes each result under a name of its own, as the real one does."""

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        done = super().convert(order, live)
        place = done.output
        while place.exists():
            place = place.with_name(f"{place.stem}+.wav")
        place.write_text(order.job.id)
        return replace(done, output=place)


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, WritingEngine, lambda *_: True, leave=lambda _code: None)
    made.start()
    qtbot.waitExposed(made.window)
    yield made
    made.window.cancel_all()
    qtbot.waitUntil(lambda: not made.queue.is_busy, timeout=WAIT_MS)
    made.close()


@pytest.fixture
def queue(qapp: object) -> JobQueue:
    made = JobQueue()
    made.tester = QAbstractItemModelTester(  # type: ignore[attr-defined]
        made, QAbstractItemModelTester.FailureReportingMode.Fatal
    )
    return made


def drop(app: App, qtbot: QtBot, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()
    app.take([folder / name for name in names])
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)


def shown(queue: JobQueue) -> list[tuple[str, int]]:
    return [(each.title, each.take) for each in queue.jobs()]


def test_a_take_with_other_settings_stands_beneath_its_source_and_keeps_the_first_result(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    drop(app, qtbot, tmp_path, "a.wav", "b.wav")
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    app.draft.set_options(ConversionOptions(semitones=3.0, index_rate=0.6))
    app.window.actions_.convert.trigger()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    assert shown(app.queue) == [("a.wav", 1), ("a.wav", 2), ("b.wav", 1)]
    first, second, _ = app.queue.jobs()
    assert app.window.queue_view.selected_ids() == [second.id]
    assert first.output != second.output
    for each in (first, second):
        assert each.output is not None
        assert each.output.read_text() == each.id
    cell = app.queue.index(1, Column.NAME)
    spoken = app.queue.data(cell, Qt.ItemDataRole.AccessibleTextRole)
    assert spoken.splitlines() == ["a.wav", "Take 2"]
    told = app.queue.data(cell, Qt.ItemDataRole.AccessibleDescriptionRole)
    assert "+3" in told
    assert "60 %" in told


def test_a_row_beneath_shows_what_tells_the_take_from_the_others(queue: JobQueue) -> None:
    def of(*options: ConversionOptions) -> list[str]:
        takes = [replace(job(), id=str(n), options=each) for n, each in enumerate(options)]
        return [difference_text(each, takes) for each in takes]

    both = {"semitones": 12.0, "index_rate": 0.4}
    assert of(ConversionOptions(**both), ConversionOptions(semitones=12.0)) == [
        "Index strength 40 %", "Index strength 75 %",
    ]  # fmt: skip
    assert (
        of(ConversionOptions(**both), ConversionOptions(**both))
        == [
            "Aria · Key +12 · Index strength 40 %",
        ]
        * 2
    )
    one, other = job(), replace(job(), id="2", voice=Voice("Bea", Path("b.pth")))
    assert difference_text(other, [one, other]) == "Bea"


def other_value(option: Option) -> Any:
    """One that is not its default."""
    if option.kind in ("number", "whole number"):
        start = option.low if option.default is None else option.default
        return start - 1 if start == option.high else start + option.step
    if option.kind == "file":
        return Path("folder", "file.csv")
    if option.kind == "switch":
        return not option.default
    return next(each.value for each in option.values if each.value != option.default)


@pytest.mark.parametrize(
    "option", [each for each in all_options() if each.in_app], ids=lambda each: each.name
)
def test_takes_that_differ_in_one_setting_tell_it_and_nothing_else(option: Option) -> None:
    value = other_value(option)
    other = job(options=ConversionOptions().with_values({option.name: value}))
    takes = [job(), other]
    assert difference_text(takes[0], takes) == str(option.told(option.default))
    assert difference_text(other, takes) == str(option.told(value))


@pytest.mark.parametrize("option", COVER_OPTIONS[1:], ids=lambda each: each.name)
def test_covers_that_differ_in_one_setting_tell_it_and_nothing_else(option: Option) -> None:
    value = other_value(option)
    other = job(cover=CoverOptions().with_values({option.name: value}))
    takes = [job(cover=CoverOptions()), other]
    assert difference_text(takes[0], takes) == str(option.told(option.default))
    assert difference_text(other, takes) == str(option.told(value))


def test_a_take_tells_a_muted_part_another_backing_voice_and_that_it_repeats_another() -> None:
    backing = CoverOptions(backing="convert")
    muted = CoverOptions(backing="convert", lead_db=MUTED_DB)
    takes = [
        job(cover=backing),
        job(cover=muted, backing_voice=Voice("Bea", Path("b.pth"))),
        job(cover=backing, repeats="a recipe"),
        job(),
    ]
    converted = "whole song · Backing voices Convert · Lead"
    assert [difference_text(each, takes) for each in takes] == [
        f"{converted} 0 dB · backing by the same voice",
        f"{converted} muted · backing by Bea",
        f"{converted} 0 dB · backing by the same voice · exact repeat",
        "a voice",
    ]


def test_files_of_one_name_and_long_seeds_are_told_apart() -> None:
    def told(name: str, *values: Any) -> list[str]:
        takes = [job(options=ConversionOptions().with_values({name: each})) for each in values]
        return [difference_text(each, takes) for each in takes]

    assert told("f0_file", Path("one", "a.csv"), Path("two", "a.csv")) == [
        f"Pitch line {Path('one', 'a.csv')}", f"Pitch line {Path('two', 'a.csv')}",
    ]  # fmt: skip
    assert told("seed", 2**62, 2**62 + 1) == [
        "Seed 4611686018427387904", "Seed 4611686018427387905",
    ]  # fmt: skip


def test_a_waiting_source_gets_a_take_too(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "slow.wav").touch()
    (tmp_path / "b.wav").touch()
    app.take([tmp_path / "slow.wav", tmp_path / "b.wav"])
    app.window.queue_view.select_job(app.queue.jobs()[1].id)
    app.window.areas.convert.click()
    assert shown(app.queue) == [("slow.wav", 1), ("b.wav", 1), ("b.wav", 2)]


def test_converting_again_keeps_the_finished_take_and_repeats_a_failed_one(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    drop(app, qtbot, tmp_path, "a.wav", "bad.wav")
    first, failed = app.queue.jobs()
    app.window.queue_view.select_jobs([first.id, failed.id])
    app.window.retry_selected()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    assert shown(app.queue) == [("a.wav", 1), ("a.wav", 2), ("bad.wav", 1)]
    assert app.queue.jobs()[0] == first
    assert app.queue.jobs()[1].output != first.output
    assert app.queue.jobs()[2].id == failed.id


def test_a_take_is_starred_renamed_removed_and_brought_back(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    drop(app, qtbot, tmp_path, "a.wav", "b.wav")
    view, actions = app.window.queue_view, app.window.actions_
    view.select_job(app.queue.jobs()[0].id)
    actions.retry.trigger()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    take = app.queue.jobs()[1]

    def picture() -> QImage:
        cell = view.visualRect(app.queue.index(1, Column.NAME))
        return view.viewport().grab(cell).toImage()

    before = picture()
    actions.star.trigger()
    assert actions.star.text() == "Remove Star"
    assert picture() != before
    actions.rename.trigger()
    (field,) = view.findChildren(QLineEdit)
    field.setText("the best\u202e")
    QTest.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not view.findChildren(QLineEdit))
    kept = app.queue.job(take.id)
    assert kept is not None
    assert (kept.name, kept.starred) == (plain("the best\u202e"), True)
    app.window.remove_selected()
    assert app.queue.job(take.id) is None
    assert take.output is not None
    assert take.output.exists()
    actions.undo.trigger()
    assert app.queue.jobs()[1] == kept
    app.store.save(app.queue.jobs())
    assert app.store.flush()
    assert app.store.load()[1] == kept


def test_no_move_parts_the_takes_of_a_source(queue: JobQueue) -> None:
    a, b, c = (job(f"{name}.wav") for name in "abc")
    queue.add([a, b, c])
    queue.add([b.another_take(), a.another_take()])
    assert shown(queue) == [("a.wav", 1), ("a.wav", 2), ("b.wav", 1), ("b.wav", 2), ("c.wav", 1)]
    queue.move([c.id], 3)
    assert [each.title[0] for each in queue.jobs()] == list("aacbb")
    queue.move([c.id], 1)
    assert [each.title[0] for each in queue.jobs()] == list("caabb")
    queue.move([c.id], 2)
    assert [each.title[0] for each in queue.jobs()] == list("aacbb")
    queue.move([a.id], 2)
    assert shown(queue)[:2] == [("a.wav", 2), ("a.wav", 1)]
    queue.move([a.id], 99)
    for row in range(6):
        queue.move([c.id], row)
        assert len({each.title: None for each in queue.jobs()}) == 3
        together = [each.title for each in queue.jobs()]
        assert sorted(together, key=together.index) == together


def test_a_removed_take_comes_back_to_its_source(queue: JobQueue) -> None:
    a, b = job("a.wav"), job("b.wav")
    queue.add([a, b])
    queue.add([a.another_take()])
    second = queue.jobs()[1]
    queue.remove([second.id])
    queue.add([a.another_take(), job("0.wav")])
    assert shown(queue) == [("a.wav", 1), ("a.wav", 2), ("b.wav", 1), ("0.wav", 1)]
    queue.move([queue.jobs()[3].id], 0)
    queue.undo_remove()
    assert [each.title for each in queue.jobs()] == ["0.wav", "a.wav", "a.wav", "a.wav", "b.wav"]


OLD = {
    "source": "/m/a.wav", "options": {"semitones": 3.0}, "cover": None, "output_dir": None,
    "state": "finished", "stages": [], "source_s": 2.0, "taken_s": 1.0, "fraction": 1.0,
    "message": None, "report": "", "notes": [], "needs": [], "device": "cpu",
    "voice": {"name": "Aria", "weights": "/v/a.pth", "index": None, "key": "aria",
              "built_in": False},
    "memory_bytes": 3, "peak_memory_bytes": 4,
}  # fmt: skip
"""A job as it was written before takes had numbers."""


def test_an_old_queue_is_read_with_nothing_lost_and_its_takes_together(tmp_path: Path) -> None:
    file = tmp_path / "queue.json"
    names = ("a", "b", "a", "c", "a")
    records = [
        {**OLD, "id": str(n), "source": f"/m/{name}.wav", "output": f"/m/{name} {n}.wav"}
        for n, name in enumerate(names)
    ]
    file.write_text(json.dumps({"version": 1, "jobs": records}))
    store = QueueStore(file)
    try:
        loaded = store.load()
        assert [(each.id, each.take) for each in loaded] == [
            ("0", 1), ("2", 2), ("4", 3), ("1", 1), ("3", 1),
        ]  # fmt: skip
        assert {str(each.output) for each in loaded} == {each["output"] for each in records}
        assert all(each.state is JobState.FINISHED for each in loaded)
        store.save([loaded[1], *loaded[3:]])
        assert store.flush()
        assert [each.take for each in store.load()] == [2, 1, 1]
    finally:
        store.close()


def test_hundreds_of_sources_that_are_here_already_get_their_takes(queue: JobQueue) -> None:
    jobs: list[Job] = [job(f"{n}.wav") for n in range(300)]
    queue.add(jobs)
    queue.add([each.another_take() for each in jobs])
    assert shown(queue)[:3] == [("0.wav", 1), ("0.wav", 2), ("1.wav", 1)]
    assert queue.rowCount() == 600
