"""Menus and keys are those that a Mac user expects, and each does something."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QFileOpenEvent, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.shell.application import Application
from desktop.storage import AppPaths
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000
KEYS = {
    "Open…": "Ctrl+O",
    "Close Window": "Ctrl+W",
    "Quit": "Ctrl+Q",
    "Settings…": "Ctrl+,",
    "Cancel": "Ctrl+.",
    "Paste": "Ctrl+V",
    "Select All": "Ctrl+A",
    "Minimize": "Ctrl+M",
    "Move Up": "Ctrl+Alt+Up",
    "Move Down": "Ctrl+Alt+Down",
}


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    app = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    app.start()
    yield app
    app.close()
    QGuiApplication.clipboard().clear()  # what lies there would outlive Python, and crash


def menus(app: App) -> dict[str, QMenu]:
    return {menu.title(): menu for menu in app.window.menuBar().findChildren(QMenu) if menu.title()}


def test_the_menus_have_the_order_of_macos(app: App) -> None:
    titles = [action.text() for action in app.window.menuBar().actions()]
    assert titles == ["File", "Edit", "Queue", "Playback", "Window", "Help"]


def test_the_usual_shortcuts_exist_and_are_unique(app: App) -> None:
    keys = {action.text(): action.shortcut() for action in app.window.actions()}
    for title, key in KEYS.items():
        assert keys[title] == QKeySequence(key), title
    given = [key.toString() for key in keys.values() if not key.isEmpty()]
    assert len(given) == len(set(given))


def test_every_action_can_be_found_in_a_menu(app: App) -> None:
    found = {action.text() for menu in menus(app).values() for action in menu.actions()}
    assert {action.text() for action in app.window.actions()} <= found


def test_the_list_of_keys_is_made_from_the_actions(app: App) -> None:
    lines = app.window.actions_.keys_text().splitlines()
    assert "Ctrl+O\tOpen…" in lines
    assert lines[0] == "Space\tPlay or pause"


def test_all_keys_are_shown_in_sight_on_a_small_screen(app: App) -> None:
    app.window.actions_.keys.trigger()
    box = app.window.findChild(QMessageBox)
    size = box.sizeHint()
    box.done(0)
    assert "Ctrl+O" in box.text()
    assert size.width() < 1200
    assert size.height() < 700


def test_recent_sources_that_are_still_there_are_offered_again(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("one & two.wav", "gone.wav")]
    for path in paths:
        path.touch()
    app.take(paths)
    qtbot.waitUntil(lambda: app.queue.rowCount() == 2 and not app.queue.is_busy, timeout=WAIT_MS)
    paths[1].unlink()
    recent = app.window.actions_.recent
    recent.aboutToShow.emit()
    (action,) = recent.actions()
    assert action.text() == "one && two.wav"
    action.trigger()
    qtbot.waitUntil(lambda: app.queue.rowCount() == 3, timeout=WAIT_MS)
    assert app.queue.jobs()[1].source == paths[0]  # beneath the first take of it


def test_files_pasted_from_finder_are_converted(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "名前 é.wav").touch()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "名前 é.wav"))])
    QGuiApplication.clipboard().setMimeData(data)
    app.window.actions_.paste.trigger()
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1, timeout=WAIT_MS)


class Opened:
    """What the application collects, without making a second one in this process."""

    take_files = Application.take_files
    event = Application.event

    def __init__(self) -> None:
        self._files: list[Path] = []
        self.files_opened = self
        self.told = 0

    def emit(self) -> None:
        self.told += 1


def test_files_opened_by_dock_or_finder_are_kept_until_taken(
    qapp: QApplication,
) -> None:
    opened = Opened()
    for name in ("a song.wav", "名前.m4a"):
        event = QFileOpenEvent(QUrl.fromLocalFile(f"/music/{name}"))
        assert opened.event(event)  # type: ignore[misc]
    assert opened.told == 2
    assert opened.take_files() == [Path("/music/a song.wav"), Path("/music/名前.m4a")]
    assert opened.take_files() == []


def test_files_of_a_second_start_come_into_the_queue_and_the_window_to_the_front(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "song.wav").touch()
    app.window.hide()
    app.take_from_elsewhere([tmp_path / "song.wav"])
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1, timeout=WAIT_MS)
    assert app.window.isVisible()
