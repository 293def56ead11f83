"""What only Qt's application object hears, and the garbage collector on its thread."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.shell.application import GarbageTimer
from desktop.storage import AppPaths
from tests.desktop.fake_engine import FakeEngine


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    yield made
    made.close()


def test_a_click_in_the_dock_brings_a_closed_window_back(app: App) -> None:
    app.start()
    app.window.hide()
    app.reopen()
    assert app.window.isVisible()


def test_a_hidden_start_stays_hidden_until_the_first_click(app: App) -> None:
    app.start(hidden=True)
    app.reopen()  # macOS activates what it starts
    assert not app.window.isVisible()
    app.reopen()
    assert app.window.isVisible()


@pytest.mark.parametrize("busy", [True, False])
def test_the_systems_quit_is_passed_to_the_app(busy: bool) -> None:
    code = f"""
        import sys
        from PySide6.QtCore import QTimer
        from desktop.shell.application import Application

        application = Application(["test"])
        asked = []

        def ask():
            asked.append(True)
            application.is_over = not {busy}

        application.quit_asked.connect(ask)
        QTimer.singleShot(0, application.quit)
        QTimer.singleShot(300, lambda: application.exit(7))
        code = application.exec()
        print(len(asked) > 0, code)
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "7" if busy else "0"]


@pytest.fixture
def generations() -> Iterator[list[int]]:
    """The generation of each run of the garbage collector."""
    found: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            found.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)


def test_many_objects_that_stay_are_examined_before_they_are_too_many(
    qtbot: QtBot, generations: list[int]
) -> None:
    parent = QObject()
    timer = GarbageTimer(parent, lambda: False)
    kept: list[list[int]] = [[] for _ in range(6_000)]
    qtbot.waitUntil(lambda: 1 in generations)
    timer.close()
    assert generations.index(1) <= 1, len(kept)


def test_all_objects_are_examined_only_while_nobody_would_notice(
    qtbot: QtBot, generations: list[int]
) -> None:
    asked: list[bool] = []
    parent = QObject()
    timer = GarbageTimer(parent, lambda: bool(asked.append(True)) or len(asked) > 3, all_every=2)
    qtbot.waitUntil(lambda: 2 in generations)
    timer.close()
    assert len(asked) == 4
    assert generations.index(2) >= 4
