"""Names of files, of voices and of what a server lists are shown as they are, tags included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication, Qt, QTextDocument
from PySide6.QtWidgets import QAbstractItemView, QApplication, QLabel, QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.background import Outcome
from desktop.networks.network_needs import agree_to_licence
from desktop.queue.job import JobState
from desktop.shell.menu_bar import MenuBar
from desktop.storage import AppPaths
from desktop.widgets import ask_user
from engine.errors import Text
from engine.library.link import RemoteFile, VoiceOffer
from engine.library.networks import NETWORKS
from engine.library.voice_library import VoiceLibrary
from engine.paths import starter_dir
from tests.desktop.fake_engine import FakeEngine

NAME = "<b>bold</b> & <img src=x>"
TRICKS = "\u202e\x1b\u2066"
"""A terminal or a label would obey these: a voice's name and a picture's would read backwards."""

WAIT_MS = 15_000


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot, tmp_path: Path) -> Iterator[App]:
    library = VoiceLibrary(app_paths.voices_dir)
    (imported,) = library.import_files([starter_dir() / "voice.pth"]).imported
    library.rename(imported.voice.id, NAME)
    made = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    made.start()
    yield made
    made.close()


def shown_places() -> Iterator[tuple[str, str, bool]]:
    """Place, text as the user reads it, and whether tags in it would be obeyed."""
    for widget in QApplication.allWidgets():
        kind = type(widget).__name__
        yield f"tool tip of {kind}", *_as_read(widget.toolTip())
        if isinstance(widget, QLabel):
            rich = widget.textFormat() != Qt.TextFormat.PlainText
            yield f"text of {kind}", widget.text(), rich
        if isinstance(widget, QMenu):
            assert not widget.toolTipsVisible()
            for action in widget.actions():
                yield "menu", action.text(), "&" in action.text().replace("&&", "")
        if isinstance(widget, QAbstractItemView):
            yield from _cells(widget)


def _cells(view: QAbstractItemView) -> Iterator[tuple[str, str, bool]]:
    model = view.model()
    for row in range(model.rowCount() if model is not None else 0):
        for column in range(10):
            if model.hasIndex(row, column):
                tip = model.index(row, column).data(Qt.ItemDataRole.ToolTipRole)
                yield f"tool tip in {type(view).__name__}", *_as_read(tip or "")


def _as_read(tip: str) -> tuple[str, bool]:
    document = QTextDocument()
    if Qt.mightBeRichText(tip):
        document.setHtml(tip)
    else:
        document.setPlainText(tip)
    return document.toPlainText(), "bold" in tip and "<b>bold" not in document.toPlainText()


def test_no_widget_interprets_tags_in_a_name(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    voice = next(each for each in app.voices.voices() if each.name == NAME)
    app.draft.set_voice(voice)
    folder = tmp_path / NAME.replace("/", "_")
    folder.mkdir()
    files = [folder / f"{word} <b>bold<b>{TRICKS} & <i>.wav" for word in ("bad", "good")]
    for file in files:
        file.touch()
    (folder / f"<b>bold<b>{TRICKS}.txt").touch()
    app.take([*files, folder / f"<b>bold<b>{TRICKS}.txt"])
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    (failed,) = [job for job in app.queue.jobs() if job.state is JobState.FAILED]
    app.window.queue_view.select_job(failed.id)
    app.show_settings()
    assert app.settings_window is not None
    for pane in ("general", "voices", "models"):
        app.settings_window.show_pane(pane)
    app.window.voice_dialogs.ask_for_link()
    assert app.window.voice_dialogs.links is not None
    links = app.window.voice_dialogs.links
    links.task.ended.emit(Outcome("finished", (offer(NAME), offer(f"<b>bold<b>{TRICKS}"))))
    app.menu_bar.rebuild()
    for menu in app.window.menuBar().findChildren(QMenu):
        menu.aboutToShow.emit()
    found = [(place, text, obeyed) for place, text, obeyed in shown_places() if "bold" in text]
    assert [(place, text) for place, text, obeyed in found if obeyed] == []
    assert [(place, text) for place, text, _ in found if set(TRICKS) & set(text)] == []
    places = {place for place, _, _ in found}
    assert {"text of ElidedLabel", "tool tip of ElidedLabel", "menu"} <= places
    assert {"tool tip in QTreeWidget", "tool tip in QueueView", "text of PlainLabel"} <= places


def offer(title: str) -> VoiceOffer:
    """As a server may list it."""
    return VoiceOffer(title, (RemoteFile("https://example.org/a.zip", f"{title}.zip", 9),))


def test_questions_show_tags_as_they_are(app: App, qtbot: QtBot) -> None:
    seen: list[QLabel] = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        for label in box.findChildren(QLabel):
            if "bold" in label.text():
                seen.append(label)
                assert label.textFormat() == Qt.TextFormat.PlainText
        box.reject()
        box.deleteLater()

    QTimer.singleShot(0, look)
    assert not ask_user(app.window, NAME, NAME, "Yes")
    network = replace(NETWORKS[0], title=Text(NAME), source_page=f"https://example.org/{NAME}")
    QTimer.singleShot(0, look)
    assert not agree_to_licence(app.window, network)
    assert len(seen) == 4


def test_a_desktops_notification_has_no_tags(
    app: App, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(MenuBar, "is_shown", property(lambda _: True))
    monkeypatch.setattr(app.menu_bar.tray, "showMessage", lambda _, text, *__: said.append(text))
    inactive = Qt.ApplicationState.ApplicationInactive
    monkeypatch.setattr(QGuiApplication, "applicationState", lambda: inactive)
    (tmp_path / "good <b>bold<b>.wav").touch()
    app.take([tmp_path / "good <b>bold<b>.wav"])
    qtbot.waitUntil(lambda: bool(said), timeout=WAIT_MS)
    assert "bold" in said[0]
    assert "<" not in said[0]
