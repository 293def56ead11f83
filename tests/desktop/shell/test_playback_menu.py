"""The menu Playback does what the player can do, and only what applies is enabled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.listen.player import Player
from desktop.storage import AppPaths
from tests.desktop.fake_engine import FakeEngine
from tests.desktop.listen.fake_device import FakeDevice

WAIT_MS = 15_000
RATE_HZ = 48_000
LENGTH_S = 4.0


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    made.listen_panel.playback.make_player = lambda: Player(FakeDevice())
    made.start()
    yield made
    made.close()


def actions(app: App) -> dict[str, QAction]:
    (menu,) = (m for m in app.window.menuBar().findChildren(QMenu) if m.title() == "Playback")
    return {each.text(): each for each in menu.actions() if not each.isSeparator()}


def enabled(app: App) -> set[str]:
    return {title for title, action in actions(app).items() if action.isEnabled()}


def listen(app: App, qtbot: QtBot, folder: Path) -> None:
    """A source and its result in the lanes."""
    t = np.arange(round(LENGTH_S * RATE_HZ)) / RATE_HZ
    for name in ("a.wav", "a (Aria).wav"):
        soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * 300 * t), RATE_HZ)
    app.take([folder / "a.wav"])
    panel = app.listen_panel
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1 and not app.queue.is_busy, timeout=WAIT_MS)
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    qtbot.waitUntil(lambda: len(panel.lanes.rows) == 2 and panel.is_read, timeout=WAIT_MS)


def test_every_item_has_a_key_and_without_a_sound_only_the_volume_can_be_changed(app: App) -> None:
    assert all(not action.shortcut().isEmpty() for action in actions(app).values())
    assert enabled(app) == {"Decrease Volume"}  # it is as loud as it can be


def test_play_becomes_pause_and_lanes_are_flipped(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    listen(app, qtbot, tmp_path)
    panel, menu = app.listen_panel, actions(app)
    assert panel.heard == 1
    menu["Play"].trigger()
    assert panel.is_playing
    qtbot.waitUntil(lambda: "Pause" in actions(app), timeout=WAIT_MS)
    actions(app)["Pause"].trigger()
    assert not panel.is_playing
    assert not menu["Hear Lane Below"].isEnabled()
    menu["Hear Lane Above"].trigger()
    assert panel.heard == 0
    assert not menu["Hear Lane Above"].isEnabled()
    menu["Hear Lane Below"].trigger()
    menu["Hear Lane Before"].trigger()
    assert panel.heard == 0


def test_a_loop_is_made_at_the_playing_position_and_ended(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    listen(app, qtbot, tmp_path)
    panel, menu = app.listen_panel, actions(app)
    assert not menu["End Loop"].isEnabled()
    panel.playback.seek(1.0)
    menu["Loop from Here"].trigger()
    assert panel.playback.loop == pytest.approx((1.0, LENGTH_S))
    menu["Five Seconds Forth"].trigger()
    assert panel.position_s == pytest.approx(LENGTH_S, abs=0.01)  # not beyond the loop
    panel.playback.seek(3.0)
    menu["Loop to Here"].trigger()
    assert panel.playback.loop == pytest.approx((1.0, 3.0))
    panel.playback.seek(2.0)
    menu["Five Seconds Back"].trigger()
    assert panel.position_s == pytest.approx(1.0)
    menu["End Loop"].trigger()
    assert panel.playback.loop is None
    assert not menu["End Loop"].isEnabled()


def test_zoom_and_volume_stop_at_their_limits(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    listen(app, qtbot, tmp_path)
    axis, menu = app.listen_panel.axis, actions(app)
    assert not {"Zoom Out", "Show Whole Sound"} & enabled(app)
    spans = []
    while menu["Zoom In"].isEnabled():
        menu["Zoom In"].trigger()
        spans.append(axis.span_s)
    assert spans == [2.0, 1.0]
    menu["Zoom Out"].trigger()
    assert axis.span_s == 2.0
    menu["Show Whole Sound"].trigger()
    assert not axis.is_zoomed
    slider = app.listen_panel.foot.volume
    while menu["Decrease Volume"].isEnabled():
        before = slider.value()
        menu["Decrease Volume"].trigger()
        assert slider.value() < before
    assert slider.value() == 0
    menu["Increase Volume"].trigger()
    assert slider.value() > 0
