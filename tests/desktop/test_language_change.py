"""Another language is spoken at once, by the whole app, without disturbing its work."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from desktop.app import App
from desktop.background import Listener
from desktop.queue import intake
from desktop.queue.job import JobState
from desktop.settings.table import LANGUAGE
from desktop.storage import AppPaths
from desktop.translation import install_translators
from desktop.tuning.optimization_page import TuningPanel
from desktop.voices.voices_page import VoicesPage
from engine.machine import Machine
from engine.measure.tuning_record import Tuning, TuningProgress, TuningRecord
from engine.progress import CancelToken
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot, qapp: QApplication) -> Iterator[App]:
    app = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    app.settings.set(LANGUAGE, "en")
    app.start()
    qtbot.wait(50)
    yield app
    app.close()
    install_translators(qapp, "en")


def speak(app: App, language: str, qtbot: QtBot) -> None:
    before = app.window
    app.settings.set(LANGUAGE, language)
    qtbot.waitUntil(lambda: app.window is not before, timeout=WAIT_MS)


def titles(app: App) -> list[str]:
    return [action.text() for action in app.window.menuBar().actions()]


def test_menus_panes_and_table_change_their_language_and_back(app: App, qtbot: QtBot) -> None:
    app.show_settings()
    english = titles(app)
    speak(app, "zh_TW", qtbot)
    assert titles(app)[0] == "檔案"
    assert app.window.isVisible()
    assert app.settings_window is not None
    assert app.settings_window.isVisible()
    assert "語言：" in {label.text() for label in app.settings_window.findChildren(QLabel)}
    assert app.queue.headerData(0, app.window.queue_view.horizontalHeader().orientation()) == "名稱"
    speak(app, "en", qtbot)
    assert titles(app) == english


def test_a_change_of_language_keeps_the_conversion_and_the_selection(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    for name in ("slow.wav", "next.wav"):
        (tmp_path / name).touch()
    app.take([tmp_path / "slow.wav", tmp_path / "next.wav"])
    qtbot.waitUntil(lambda: app.queue.running() is not None, timeout=WAIT_MS)
    running = app.queue.running()
    assert running is not None
    app.window.queue_view.select_job(running.id)
    speak(app, "zh_TW", qtbot)
    assert app.window.queue_view.selected_ids() == [running.id]
    assert app.queue.running() is not None
    app.window.cancel_selected()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    assert [job.state for job in app.queue.jobs()] == [JobState.CANCELLED, JobState.FINISHED]


def test_an_earlier_failure_is_shown_in_the_new_language(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").touch()
    app.take([tmp_path / "bad.wav"])
    qtbot.waitUntil(lambda: app.queue.count(JobState.FAILED) == 1, timeout=WAIT_MS)
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    assert app.window.detail.failure.startswith('Cannot read "bad.wav"')
    speak(app, "zh_TW", qtbot)
    assert app.window.detail.failure.startswith("無法讀取「bad.wav」")


def test_the_old_windows_are_deleted_and_receive_no_signals(
    app: App, qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    gone = []
    app.window.destroyed.connect(lambda: gone.append("window"))
    speak(app, "zh_TW", qtbot)
    qtbot.waitUntil(lambda: gone == ["window"], timeout=WAIT_MS)
    (tmp_path / "bad.wav").touch()
    app.take([tmp_path / "bad.wav"])  # signals of queue, draft and settings go to the new one only
    qtbot.waitUntil(lambda: app.queue.count(JobState.FAILED) == 1, timeout=WAIT_MS)
    app.voices.refused.emit("No.")
    assert app.window.notice.text == "No."
    assert len(qapp.findChildren(QTranslator)) <= 4  # those of before are on their way out


class NameOfTheStarter(QTranslator):
    """Knows this one word."""

    def translate(
        self, context: str, source: str, _disambiguation: str | None = None, _n: int = -1
    ) -> str:
        return "入門聲音" if (context, source) == ("voices", "Starter") else ""

    def isEmpty(self) -> bool:  # noqa: N802 - Qt's name
        return False


def test_the_built_in_voice_has_a_name_in_each_language(
    app: App, qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    assert app.draft.voice.name == "Starter"
    words = NameOfTheStarter()
    qapp.installTranslator(words)
    speak(app, "zh_TW", qtbot)
    assert app.window.areas.voice_panel.picker.currentText() == "入門聲音"
    app.show_settings()
    assert app.settings_window is not None
    app.settings_window.show_pane("voices")
    page = app.settings_window.findChild(VoicesPage)
    assert (page.list.item(0).text(), page.card.name.text()) == ("入門聲音", "入門聲音")
    (tmp_path / "good.wav").touch()
    app.take([tmp_path / "good.wav"])
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1, timeout=WAIT_MS)
    assert app.queue.jobs()[0].voice.name == "入門聲音"
    qapp.removeTranslator(words)
    speak(app, "en", qtbot)
    assert app.draft.voice.name == "Starter"


def test_a_notice_with_an_unanswered_button_is_kept_in_the_new_language(
    app: App, qtbot: QtBot
) -> None:
    app.crash.crashed.emit("a report")
    app.voices.refused.emit("No.")
    speak(app, "zh_TW", qtbot)
    crashed, refused = app.window.notice.text.splitlines()
    assert crashed.startswith("發生內部錯誤")
    assert refused == "No."
    app.window.notice.buttons()[0].click()
    assert "Python" in QGuiApplication.clipboard().text()


@pytest.mark.parametrize("found_late", [True, False])
def test_a_folder_being_searched_during_the_change_still_arrives(
    app: App, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, found_late: bool
) -> None:
    go = threading.Event()
    sort_paths = intake.sort_paths

    def slowly(paths: Iterable[Path]) -> intake.Intake:
        go.wait(WAIT_MS / 1000)
        return sort_paths(paths)

    monkeypatch.setattr(intake, "sort_paths", slowly)
    folder = tmp_path / "Songs"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).touch()
    app.take([folder])
    old = app.window
    if found_late:
        speak(app, "zh_TW", qtbot)
        qtbot.waitUntil(lambda: not isValid(old), timeout=WAIT_MS)
        go.set()
    else:  # it is on its way when the windows change
        go.set()
        for thread in threading.enumerate():
            if thread.name == "gatherer":
                thread.join()
        app.change_language()
    qtbot.waitUntil(lambda: app.queue.rowCount() > 0, timeout=WAIT_MS)
    qtbot.wait(50)
    assert [job.source.name for job in app.queue.jobs()] == ["a.wav", "b.wav"]


class Measurement:
    """Finds the tiles that were fastest once it is let go."""

    def __init__(self) -> None:
        self.progress = TuningProgress("use_fp16", True, 0.4, 150.0)
        self.go = threading.Event()

    def __call__(self, cancel: CancelToken, tell: Listener) -> Tuning:
        while not self.go.wait(0.005):
            cancel.raise_if_cancelled()
        when = "2026-11-24T12:00:00+00:00"
        flags = {"tile_frames": 800}
        found = Tuning(Machine.here(), "Apple M3", when, "0.1", "Aria", 10.0, flags, ())
        TuningRecord().save("cpu", found)
        return found


@pytest.fixture
def measurement(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measurement:
    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path / "tuning"))
    made = Measurement()
    app.tuning.make_work = lambda: made
    return made


def tuning_panel(app: App) -> TuningPanel:
    assert app.settings_window is not None
    (panel,) = app.settings_window.findChildren(TuningPanel)
    return panel


def test_tuning_continues_and_is_shown_in_the_new_settings_window(
    app: App, qtbot: QtBot, measurement: Measurement
) -> None:
    app.show_optimization()
    tuning_panel(app).button.click()
    speak(app, "zh_TW", qtbot)
    assert app.tuning.is_running
    panel = tuning_panel(app)
    assert panel.bar.isVisible()
    assert panel.bar.value() == 400
    assert panel.status.text().startswith("正在量測")
    measurement.go.set()
    qtbot.waitUntil(panel.button.isVisible, timeout=WAIT_MS)
    assert "Apple M3" in panel.status.text()
    assert app.settings.optimization().tile_frames == 800


def test_tuning_can_be_cancelled_in_the_new_window_and_stops_for_a_conversion(
    app: App, qtbot: QtBot, measurement: Measurement, tmp_path: Path
) -> None:
    app.show_optimization()
    tuning_panel(app).button.click()
    speak(app, "zh_TW", qtbot)
    tuning_panel(app).cancel_button.click()
    qtbot.waitUntil(lambda: app.tuning.last == "cancelled", timeout=WAIT_MS)
    tuning_panel(app).button.click()
    assert app.settings_window is not None
    app.settings_window.close()
    speak(app, "en", qtbot)
    assert app.settings_window is None
    assert app.tuning.is_running
    (tmp_path / "next.wav").touch()
    app.take([tmp_path / "next.wav"])
    qtbot.waitUntil(lambda: app.tuning.last == "gave way", timeout=WAIT_MS)


def test_tuning_without_a_window_is_applied(
    app: App, qtbot: QtBot, measurement: Measurement
) -> None:
    app.show_optimization()
    tuning_panel(app).button.click()
    assert app.settings_window is not None
    app.settings_window.close()
    speak(app, "zh_TW", qtbot)
    measurement.go.set()
    qtbot.waitUntil(lambda: app.tuning.last == "finished", timeout=WAIT_MS)
    assert app.settings.optimization().tile_frames == 800
