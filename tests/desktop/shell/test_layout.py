"""Nothing is cut off: in the smallest window, in each language, and in one with longer words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, QTranslator
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QSizePolicy,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.job import JobState
from desktop.settings.store import Settings
from desktop.shell.settings_window import SettingsWindow
from desktop.storage import AppPaths
from desktop.translation import install_translators
from desktop.voices.voice_panel import WIDTH, VoicePanel
from tests.desktop.fake_engine import FakeEngine

SMALLEST = (900, 600)
PANES = ("general", "optimization", "voices", "models", "advanced")


class LongWords(QTranslator):
    """Every sentence a third longer, as German or Finnish would have it."""

    def translate(
        self, _context: str, source: str, _disambiguation: str | None = None, n: int = -1
    ) -> str:
        words = source.replace("%n", str(n)) if n >= 0 else source
        return f"{words} {('lopado ' * 50)[: max(2, len(words) // 3)].strip()}"

    def isEmpty(self) -> bool:  # noqa: N802 - Qt's name
        return False


@pytest.fixture(params=["en", "zh_TW", "long"])
def language(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[str]:
    """The app speaks this language during the test."""
    long_words = LongWords()
    if request.param == "long":
        qapp.installTranslator(long_words)
    translators = install_translators(qapp, request.param)
    yield request.param
    for translator in (*translators, long_words):
        qapp.removeTranslator(translator)


@pytest.fixture
def app(app_paths: AppPaths, language: str, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    made.window.resize(*SMALLEST)
    made.start()
    yield made
    made.close()


def name(widget: QWidget) -> str:
    text = getattr(widget, "text", None)
    words = text() if callable(text) else widget.accessibleName()
    return f"{type(widget).__name__} “{words}” in {type(widget.parentWidget()).__name__}"


def may_give_way(label: QLabel) -> bool:
    """It shortens itself, and its tool tip has all of it."""
    gives_way = label.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Ignored
    return gives_way and not label.wordWrap() and label.toolTip() == label.text()


def is_cut(widget: QWidget) -> bool:
    """Whether it is smaller than what is in it."""
    room, wanted = widget.size(), widget.sizeHint()
    if isinstance(widget, QLabel):
        if not widget.text() or may_give_way(widget):
            return False
        if widget.wordWrap():
            return room.height() < widget.heightForWidth(room.width())
        return room.width() < wanted.width()
    if isinstance(widget, QAbstractButton):
        return bool(widget.text()) and room.width() < wanted.width()
    return room.width() < widget.minimumSizeHint().width()


def sticks_out(widget: QWidget) -> bool:
    """Whether a part of it lies outside of what it stands in, and cannot be scrolled to."""
    parent = widget.parentWidget()
    while parent is not None and not parent.isWindow():
        if isinstance(parent.parentWidget(), QAbstractScrollArea):
            area = parent.parentWidget()
            place = QRect(widget.mapTo(parent, QPoint()), widget.size())
            return place.right() > parent.width() and not area.horizontalScrollBar().isVisible()
        place = QRect(widget.mapTo(parent, QPoint()), widget.size())
        if not parent.rect().contains(place):
            return True
        parent = parent.parentWidget()
    return False


def faults(window: QWidget) -> list[str]:
    """What stays cut off; while figures change, their labels are laid out a moment later."""
    found = [""]
    for _ in range(20):
        QApplication.processEvents()
        if not (found := faults_now(window)):
            break
    return found


def faults_now(window: QWidget) -> list[str]:
    kinds = (QLabel, QAbstractButton, QComboBox, QAbstractSpinBox)
    shown = [each for kind in kinds for each in window.findChildren(kind) if each.isVisible()]
    assert shown
    cut = [f"cut off: {name(each)}" for each in shown if is_cut(each)]
    return cut + [f"sticks out: {name(each)}" for each in shown if sticks_out(each)]


def test_the_smallest_window_shows_everything(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    assert faults(app.window) == []
    for title in ("good one.wav", "bad one.wav", "slow one.wav"):
        (tmp_path / title).touch()
    app.window.take([tmp_path])
    qtbot.waitUntil(lambda: app.queue.count(JobState.FINISHED) == 1, timeout=20_000)
    qtbot.waitUntil(lambda: app.queue.count(JobState.RUNNING) == 1, timeout=20_000)
    for job in app.queue.jobs():
        app.window.queue_view.select_job(job.id)
        assert faults(app.window) == [], job.title
    app.window.notice.tell(app.window.tr("There is no file in the clipboard"), warning=True)
    assert faults(app.window) == []
    assert (app.window.width(), app.window.height()) == SMALLEST
    app.window.cancel_all()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=20_000)


def test_the_open_side_panel_shows_everything(app: App) -> None:
    panel = app.window.findChild(VoicePanel)
    panel.more.setChecked(True)
    assert faults(app.window) == []
    assert panel.width() >= WIDTH, "the scroll bar takes room from the controls"
    assert (app.window.width(), app.window.height()) == SMALLEST


def test_in_a_high_window_more_stays_below_the_other_options(app: App) -> None:
    app.window.resize(1040, 1500)
    assert faults(app.window) == []
    panel = app.window.findChild(VoicePanel)
    lowest = panel.rows["stereo"]
    gap = panel.more.y() - lowest.mapTo(panel, QPoint(0, lowest.height())).y()
    assert 0 <= gap < panel.more.height()


def test_every_pane_of_the_settings_shows_everything(
    app_paths: AppPaths, settings: Settings, language: str, qtbot: QtBot
) -> None:
    window = SettingsWindow(settings, app_paths, app_paths.data / "models")
    qtbot.addWidget(window)
    window.resize(window.minimumSize())
    window.show()
    for pane in PANES:
        window.show_pane(pane)
        assert faults(window) == [], pane
