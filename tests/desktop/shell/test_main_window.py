"""The window over a queue whose engine does what the names of the files say."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.intake import sort_paths
from desktop.queue.job import JobState
from desktop.queue.job_table import Column
from desktop.storage import AppPaths
from desktop.voices.draft import SONG, FileKind
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000


class Questions:
    """Answers what the app asks."""

    def __init__(self) -> None:
        self.answer = False
        self.asked: list[str] = []

    def __call__(self, _parent: QWidget, text: str, _explanation: str, _yes: str) -> bool:
        self.asked.append(text)
        return self.answer


@pytest.fixture
def questions() -> Questions:
    return Questions()


@pytest.fixture
def start(app_paths: AppPaths, questions: Questions, qtbot: QtBot) -> Iterator[Callable[[], App]]:
    made: list[App] = []

    def make() -> App:
        app = App(app_paths, FakeEngine, questions, leave=lambda _code: None)
        made.append(app)
        app.start()
        return app

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(start: Callable[[], App]) -> App:
    return start()


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def mime(paths: list[Path]) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drag_over(app: App, data: QMimeData) -> QDragEnterEvent:
    event = QDragEnterEvent(
        QPoint(500, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(app.window, event)
    return event


def drop(app: App, paths: list[Path]) -> None:
    data = mime(paths)
    drag_over(app, data)
    event = QDropEvent(
        QPointF(500, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(app.window, event)


def until_idle(app: App, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: app.queue.rowCount() > 0 and not app.queue.is_busy, timeout=WAIT_MS)


def titles(app: App) -> list[str]:
    return [job.title for job in app.queue.jobs()]


@pytest.mark.parametrize(
    ("kind", "told"), [(SONG, "As a whole song"), ("vocals", "As the vocals of a song")]
)
def test_a_drag_says_what_the_file_will_be_taken_for(
    app: App, tmp_path: Path, kind: FileKind, told: str
) -> None:
    app.draft.set_file_kind(kind)
    drag_over(app, mime(files(tmp_path, "a.wav")))
    assert app.window.overlay.detail.startswith(told)
    drag_over(app, mime(files(tmp_path, "v.zip")))
    assert told not in app.window.overlay.detail


def test_a_drop_anywhere_converts_and_is_announced(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    paths = files(tmp_path, "a.wav", "b.mp4", "c.txt")
    event = drag_over(app, mime(paths))
    assert event.isAccepted()
    assert app.window.overlay.isVisible()
    assert app.window.overlay.text == "Convert 2 Files with Starter"
    assert "c.txt" in app.window.overlay.detail
    assert "As a voice alone, without music" in app.window.overlay.detail
    drop(app, paths)
    assert not app.window.overlay.isVisible()
    until_idle(app, qtbot)
    assert titles(app) == ["a.wav", "b.mp4"]
    assert "“c.txt”" in app.window.notice.text


def test_after_the_first_drop_the_keys_go_to_the_queue(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    drop(app, files(tmp_path, "a.wav"))
    until_idle(app, qtbot)
    assert app.window.focusWidget() is app.window.queue_view
    qtbot.mouseClick(app.window.areas.convert, Qt.MouseButton.LeftButton)
    until_idle(app, qtbot)
    assert app.queue.rowCount() == 2
    assert app.window.focusWidget() is app.window.queue_view


def test_in_a_small_window_names_and_rows_have_the_room(app: App, qtbot: QtBot) -> None:
    (panel := QWidget()).setFixedHeight(150)
    areas, view, timings = app.window.areas, app.window.queue_view, app.window.detail.timings
    areas.pages.setCurrentWidget(view.parentWidget())
    high = timings.height()
    areas.add_panel(panel)
    app.window.resize(900, 600)
    qtbot.waitUntil(lambda: timings.height() < high, timeout=WAIT_MS)
    rows = 3 * view.verticalHeader().defaultSectionSize()
    qtbot.waitUntil(lambda: view.viewport().height() >= rows, timeout=WAIT_MS)
    assert view.isColumnHidden(Column.SPEED)
    app.window.resize(1100, 900)
    qtbot.waitUntil(lambda: timings.height() == high, timeout=WAIT_MS)
    assert not view.isColumnHidden(Column.SPEED)


def test_other_files_are_refused_with_the_reason(app: App, tmp_path: Path) -> None:
    event = drag_over(app, mime(files(tmp_path, "c.txt")))
    assert not event.isAccepted()
    assert app.window.overlay.text == "“c.txt” isn't an audio, video or voice file"
    QApplication.sendEvent(app.window, QDragLeaveEvent())
    assert not app.window.overlay.isVisible()


def test_a_dropped_folder_converts_all_its_files(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    inner = tmp_path / "songs" / "more"
    inner.mkdir(parents=True)
    files(inner, "x.wav", "y.flac")
    drop(app, [tmp_path / "songs"])
    until_idle(app, qtbot)
    assert titles(app) == ["x.wav", "y.flac"]


def test_sounds_beside_a_dropped_voice_are_told_and_not_converted(app: App, tmp_path: Path) -> None:
    folder = tmp_path / "Aria voice"
    folder.mkdir()
    files(folder, "aria.pth", "sample.wav")
    assert drag_over(app, mime([folder])).isAccepted()
    assert app.window.overlay.text == "Install Voice"
    assert "“sample.wav” belongs to the voice" in app.window.overlay.detail
    app.window.accept_intake(sort_paths([folder]))
    assert "“sample.wav” belongs to the voice" in app.window.notice.text
    assert app.queue.rowCount() == 0


def test_a_dragged_voice_is_announced_as_an_installation(app: App, tmp_path: Path) -> None:
    assert drag_over(app, mime(files(tmp_path, "v.pth"))).isAccepted()
    assert app.window.overlay.text == "Install Voice"


def test_pasting_files_converts_them(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    QGuiApplication.clipboard().setMimeData(mime(files(tmp_path, "p.wav")))
    app.window.paste()
    until_idle(app, qtbot)
    assert titles(app) == ["p.wav"]
    QGuiApplication.clipboard().setText("only words")
    app.window.paste()
    assert app.window.notice.text == "The clipboard contains no file or link"


def test_the_empty_page_is_replaced_by_the_queue_and_comes_back(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    assert app.window.areas.empty.isVisible()
    app.window.take(files(tmp_path, "a.wav"))
    until_idle(app, qtbot)
    assert app.window.queue_view.isVisible()
    app.window.clear_over()
    assert app.window.areas.empty.isVisible()


def test_the_running_job_is_selected_and_its_chart_stays(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    app.window.take(files(tmp_path, "a.wav", "b.wav"))
    until_idle(app, qtbot)
    assert [job.title for job in app.window.selected_jobs()] == ["a.wav", "b.wav"]
    assert app.window.detail.job is not None
    assert app.window.detail.job.title == "b.wav"
    widths = app.window.detail.timings.bar_widths()
    assert widths == {"content": 0.25, "synthesis": 0.75}
    app.window.detail.copy()
    copied = QGuiApplication.clipboard().text()
    assert "b.wav → Starter" in copied
    assert "1,500 ms" in copied
    assert "peak memory 1.0 GB" in copied


def test_bars_grow_while_a_job_runs(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    app.window.take(files(tmp_path, "slow.wav"))
    timings = app.window.detail.timings
    qtbot.waitUntil(lambda: sum(timings.bar_widths().values()) > 0.2, timeout=WAIT_MS)
    assert sum(timings.bar_widths().values()) == pytest.approx(0.25)
    app.window.cancel_selected()
    until_idle(app, qtbot)


def test_a_failure_shows_a_sentence_and_offers_a_report(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    app.window.take(files(tmp_path, "bad.wav"))
    until_idle(app, qtbot)
    assert app.window.detail.failure.startswith('Cannot read "bad.wav": it is broken')
    app.window.detail.copy()
    report = QGuiApplication.clipboard().text()
    assert "AudioFileError" in report
    assert str(tmp_path) not in report


def test_rows_are_cancelled_retried_moved_and_removed(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    app.window.take(files(tmp_path, "slow.wav", "a.wav", "b.wav"))
    qtbot.waitUntil(lambda: app.queue.running() is not None, timeout=WAIT_MS)
    slow, _, b = app.queue.jobs()
    app.window.queue_view.select_job(b.id)
    app.window.move_selected(-1)
    assert titles(app) == ["slow.wav", "b.wav", "a.wav"]
    app.window.cancel_selected()
    assert app.queue.jobs()[1].state is JobState.CANCELLED
    app.window.retry_selected()
    assert app.queue.jobs()[1].state is JobState.WAITING
    app.window.remove_selected()
    assert titles(app) == ["slow.wav", "a.wav"]
    app.window.queue_view.select_job(slow.id)
    app.window.cancel_selected()
    until_idle(app, qtbot)
    states = [job.state for job in app.queue.jobs()]
    assert states == [JobState.CANCELLED, JobState.FINISHED]


def test_quitting_asks_only_while_busy(
    app: App, questions: Questions, qtbot: QtBot, tmp_path: Path
) -> None:
    app.window.take(files(tmp_path, "slow.wav"))
    app.quit()
    assert questions.asked == ["Quit while converting?"]
    assert app.window.isVisible()
    app.window.cancel_all()
    until_idle(app, qtbot)
    app.quit()
    assert len(questions.asked) == 1
    assert not app.window.isVisible()


def test_unfinished_jobs_come_back_and_can_be_continued(
    start: Callable[[], App], questions: Questions, qtbot: QtBot, tmp_path: Path
) -> None:
    first = start()
    first.window.take(files(tmp_path, "a.wav", "slow.wav", "c.wav"))
    qtbot.waitUntil(lambda: first.queue.count(JobState.FINISHED) == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: first.queue.running() is not None, timeout=WAIT_MS)
    questions.answer = True
    first.quit()
    second = start()
    states = [job.state for job in second.queue.jobs()]
    assert states == [JobState.FINISHED, JobState.INTERRUPTED, JobState.INTERRUPTED]
    assert "2" in second.window.notice.text
    by_title = {button.text(): button for button in second.window.notice.buttons()}
    by_title["Continue"].click()
    qtbot.waitUntil(lambda: second.queue.running() is not None, timeout=WAIT_MS)
    second.window.cancel_all()
    until_idle(second, qtbot)


def test_the_voice_panel_changes_the_next_job(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    panel = app.window.areas.voice_panel
    panel.rows["semitones"].slider.setValue(24 + 7)
    panel.rows["protect"].slider.setValue(10)
    app.window.take(files(tmp_path, "a.wav"))
    (job,) = app.queue.jobs()
    assert (job.options.semitones, job.options.protect) == (7, 0.1)
    app.draft.reset()
    assert panel.rows["semitones"].value() == 0
    assert app.queue.jobs()[0].options.semitones == 7
    until_idle(app, qtbot)


def test_every_control_has_a_name(app: App) -> None:
    nameless = [
        f"{type(child).__name__} {child.objectName()}"
        for child in app.window.findChildren(QWidget)
        if child.focusPolicy() & Qt.FocusPolicy.TabFocus
        and child.isVisible()
        and not child.accessibleName()
        and not (isinstance(child, QPushButton) and child.text())
        and not getattr(child, "text", str)()
        and not type(child).__name__.startswith(("QScroll", "QLineEdit"))
    ]
    assert nameless == []


def test_closing_hides_a_window_that_can_be_reopened_and_quits_otherwise(
    app: App, questions: Questions, qtbot: QtBot
) -> None:
    app.window.reopenable = True
    app.window.close()
    assert not app.window.isVisible()
    app.take_from_elsewhere([])
    assert app.window.isVisible()
    app.window.reopenable = False
    with qtbot.waitSignal(app.window.quit_requested):
        app.window.close()


def test_a_thousand_rows_are_added_without_blocking(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.wav" for place in range(1000)]
    begun_s = time.thread_time()  # a busy machine does not count
    app.window.take([tmp_path / "slow.wav", *paths])
    app.window.queue_view.repaint()
    assert time.thread_time() - begun_s < 0.5
    app.window.cancel_all()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
