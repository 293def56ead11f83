"""Voices that come in the window: in the settings at once, and whole or not at all at quitting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QProgressBar
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.storage import AppPaths
from desktop.voices.voices_page import VoicesPage
from engine.library import voice_library
from engine.library.installed_voice import read_voice
from engine.library.voice_library import VoiceLibrary
from engine.options import ConversionOptions
from engine.progress import CancelToken
from tests.desktop.fake_engine import FakeEngine
from tests.engine.loading import zoo

WAIT_S = 60.0


@pytest.fixture
def left() -> list[int]:
    return []


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot, left: list[int], tmp_path: Path) -> Iterator[App]:
    (tmp_path / "Aria.pth").write_bytes(zoo.voice())
    (tmp_path / "Bela.zip").write_bytes(zoo.packed({"Bela.pth": zoo.voice(9)}))
    made = App(app_paths, FakeEngine, lambda *_: True, leave=left.append)
    made.start()
    yield made
    made.close()


class Held:
    """Holds an import in its middle: until it is cancelled, or for good if it is deaf."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()
        self._deaf = deaf
        self._prepare = voice_library.prepare

    def __call__(self, *given: Any, cancel: CancelToken, **named: Any) -> Any:
        self.reached.set()
        end_s = time.monotonic() + WAIT_S
        while not self.go.is_set() and time.monotonic() < end_s:
            if cancel.cancelled and not self._deaf:
                break
            time.sleep(0.005)
        return self._prepare(*given, cancel=cancel, **named)


def test_quitting_stops_an_import_without_leftovers(
    app: App, app_paths: AppPaths, tmp_path: Path, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    monkeypatch.setattr(voice_library, "prepare", held)
    app.take([tmp_path / "Bela.zip", tmp_path / "Aria.pth"])
    assert held.reached.wait(WAIT_S)
    app.close()
    assert left == []
    assert list(app_paths.voices_dir.glob(".staging/*")) == []
    held.go.set()
    time.sleep(0.3)  # nobody may be at work any more
    assert [voice.name for voice in VoiceLibrary(app_paths.voices_dir).voices()] == ["Starter"]


def test_nothing_is_emitted_after_quitting(
    app: App, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    for signal in (app.voices.installed, app.voices.refused, app.voices.changed):
        signal.connect(lambda *given: told.append(given))
    held = Held()
    monkeypatch.setattr(voice_library, "prepare", held)
    app.take([tmp_path / "Aria.pth"])
    assert held.reached.wait(WAIT_S)
    told.clear()
    app.close()
    qtbot.wait(50)
    app.voices.install([tmp_path / "Bela.zip"])
    qtbot.wait(50)
    assert told == []


def test_an_import_that_does_not_stop_ends_with_the_process(
    app: App, tmp_path: Path, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(deaf=True)
    monkeypatch.setattr(voice_library, "prepare", held)
    monkeypatch.setattr("desktop.app._PATIENCE_S", 0.1)
    app.take([tmp_path / "Aria.pth"])
    assert held.reached.wait(WAIT_S)
    app.close()
    assert left == [0]
    held.go.set()
    held_until_s = time.monotonic() + WAIT_S
    while not app.voices.close() and time.monotonic() < held_until_s:
        time.sleep(0.01)
    assert app.voices.close()


def test_settings_being_saved_are_complete_before_the_app_quits(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (aria,) = app.voices.library.import_files([tmp_path / "Aria.pth"]).imported
    app.voices.refresh()
    write_card: Callable[..., None] = voice_library.write_card

    def slowly(*given: Any) -> None:
        time.sleep(0.5)
        write_card(*given)

    monkeypatch.setattr(voice_library, "write_card", slowly)
    app.draft.set_voice(app.voices.voices()[1])
    app.draft.set_options(ConversionOptions(semitones=5))
    app.draft.make_usual()
    app.close()
    kept = read_voice(aria.voice.folder)  # not the library: that would wait
    assert kept is not None
    assert kept.defaults == {"semitones": 5}


def test_a_voice_from_the_window_appears_in_the_open_settings(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    app.show_settings()
    assert app.settings_window is not None
    app.settings_window.show_pane("voices")
    (page,) = app.settings_window.findChildren(VoicesPage)
    app.take([tmp_path / "Aria.pth"])
    qtbot.waitUntil(lambda: page.list.count() == 2, timeout=10_000)
    assert page.list.item(1).text() == "Aria"


def test_a_slider_moved_just_before_the_language_changes_is_saved(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    (aria,) = app.voices.library.import_files([tmp_path / "Aria.pth"]).imported
    app.show_settings()
    assert app.settings_window is not None
    app.settings_window.show_pane("voices")
    (page,) = app.settings_window.findChildren(VoicesPage)
    page.list.setCurrentRow(1)
    page.card.defaults.rows["semitones"].slider.setValue(30)
    before = app.window
    app.change_language()
    qtbot.waitUntil(lambda: app.window is not before, timeout=10_000)
    kept = read_voice(aria.voice.folder)
    assert kept is not None
    assert kept.defaults == {"semitones": 6}


def test_the_panel_shows_how_far_an_import_is(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    shares: list[float] = []
    app.voices.progressed.connect(shares.append)
    bar = app.window.areas.voice_panel.findChild(QProgressBar)
    assert bar.isHidden()
    with qtbot.waitSignal(app.voices.installed, timeout=int(WAIT_S * 1000)):
        app.voices.install([tmp_path / "Bela.zip", tmp_path / "Aria.pth"])
        assert not bar.isHidden()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert bar.isHidden()


def test_quitting_does_not_wait_for_an_import_in_the_settings_that_does_not_stop(
    app: App, tmp_path: Path, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(deaf=True)
    monkeypatch.setattr(voice_library, "prepare", held)
    app.show_settings()
    assert app.settings_window is not None
    app.settings_window.show_pane("voices")
    page = app.settings_window.findChild(VoicesPage)
    page.import_paths([tmp_path / "Aria.pth"])
    assert held.reached.wait(WAIT_S)
    app.close()
    assert left == [0]
    held.go.set()
    page.task.close(WAIT_S)
    assert not page.task.is_alive
