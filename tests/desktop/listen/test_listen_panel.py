from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop.listen.listen_panel import ListenPanel
from desktop.listen.player import Player
from desktop.listen.waveform_view import LANE_MARGIN, WaveformView
from desktop.queue.job import Job, JobState, Voice
from desktop.settings.store import Settings
from desktop.settings.table import LEVEL_MATCH
from engine.errors import Text
from tests.desktop.listen.fake_device import FakeDevice

RATE_HZ = 48_000


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A source of 2 s and a result of half its amplitude."""
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 500 * t)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", tone, RATE_HZ)
    soundfile.write(tmp_path / "b.wav", tone / 2, RATE_HZ)
    voice = Voice("Aria", tmp_path / "aria.pth")
    return Job(source=tmp_path / "a.wav", voice=voice, output=tmp_path / "b.wav")


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path, device: FakeDevice) -> Iterator[ListenPanel]:
    settings = Settings(tmp_path / "settings.json", {})
    made = ListenPanel(settings, tmp_path / "cache", lambda: Player(device))
    qtbot.addWidget(made)
    made.resize(900, made.sizeHint().height())
    made.show()
    yield made
    made.close_sound()


def player(panel: ListenPanel) -> Player:
    assert panel.playback.player is not None
    return panel.playback.player


def both_read(qtbot: QtBot, panel: ListenPanel) -> None:
    qtbot.waitUntil(lambda: panel.is_read, timeout=30_000)


def wait_for_reading(qtbot: QtBot, panel: ListenPanel) -> None:
    """Until reading is eight chunks ahead, so that no silence is played."""

    def is_ahead() -> bool:
        order = player(panel)._order
        assert order is not None
        feeds = [each for each in (order.mixer._feed, *order.mixer._coming) if each is not None]
        return all(each.feeder._chunks.qsize() >= 8 for each in feeds)

    qtbot.waitUntil(is_ahead, timeout=30_000)


def test_the_panel_fits_below_the_queue_and_shows_a_hint_when_empty(panel: ListenPanel) -> None:
    assert panel.sizeHint().height() <= 150
    assert "Select a file" in panel.lanes.rows[0].view.message
    assert not panel.play.isEnabled()
    panel.toggle_play()
    panel.flip()


def test_a_job_shows_both_waveforms_with_levels_matched(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    assert panel.foot.time == "0:00.0 / 0:02.0"
    assert [row.level.text() for row in panel.lanes.rows] == ["−6.0 dB", ""]
    assert player(panel).weights == pytest.approx((0.0, 1.0), abs=0.01)
    panel.flip()
    assert player(panel).weights == pytest.approx((0.5, 0.0), abs=0.01)


def test_matching_can_be_switched_off_while_listening(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    panel.choose(0)
    panel._settings.set(LEVEL_MATCH, False)
    assert player(panel).weights == (1.0, 0.0)
    assert panel.lanes.rows[0].level.text() == ""


def test_takes_of_one_source_are_flipped_at_the_same_instant_with_all_levels_matched(
    qtbot: QtBot, panel: ListenPanel, job: Job, device: FakeDevice, tmp_path: Path
) -> None:
    assert job.output is not None
    samples, _ = soundfile.read(job.output, dtype="float32")
    soundfile.write(tmp_path / "c.wav", samples / 2, RATE_HZ)
    other = replace(job.another_take(), output=tmp_path / "c.wav")
    panel.takes_of = lambda _job: [job, other]
    panel.set_job(job)
    both_read(qtbot, panel)
    assert player(panel).weights == pytest.approx((0.0, 0.5, 0.0), abs=0.01)
    panel.toggle_play()
    qtbot.waitUntil(lambda: bool(device.streams) and player(panel)._stream is device.stream)
    wait_for_reading(qtbot, panel)
    before = device.stream.play(12_000)[:, 0]
    panel.set_job(other)
    assert player(panel).is_playing
    assert player(panel).weights == pytest.approx((0.0, 0.0, 1.0), abs=0.01)
    wait_for_reading(qtbot, panel)
    after = device.stream.play(12_000)[:, 0]
    assert len(device.streams) == 1
    t = np.arange(24_000) / RATE_HZ
    expected = 0.125 * np.sin(2 * np.pi * 500 * t)
    np.testing.assert_allclose(np.concatenate([before, after]), expected, atol=0.003)


def test_space_plays_and_tab_switches_at_the_same_position(
    qtbot: QtBot, panel: ListenPanel, job: Job, device: FakeDevice
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    lane = panel.lanes.rows[1].view
    lane.setFocus()
    qtbot.keyClick(lane, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: bool(device.streams) and player(panel)._stream is device.stream)
    assert panel.play.accessibleName() == "Pause"
    assert panel.lanes.rows[1].button.isChecked()
    qtbot.keyClick(lane, Qt.Key.Key_Tab)
    assert panel.heard == 0
    assert panel.lanes.rows[0].button.isChecked()
    assert panel.focusWidget() is lane
    qtbot.keyClick(lane, Qt.Key.Key_Space)
    assert not player(panel).is_playing


def test_the_arrow_keys_go_through_the_lanes_and_tab_returns_to_the_one_before(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    takes = [replace(job, id=name, take=k) for k, name in enumerate("abc", 1)]
    panel.takes_of = lambda _job: takes
    chosen: list[str] = []
    panel.take_chosen.connect(chosen.append)
    panel.set_job(takes[1])
    both_read(qtbot, panel)
    assert [row.button.text() for row in panel.lanes.rows] == [
        "Source", "Take 1", "Take 2", "Take 3",
    ]  # fmt: skip
    assert panel.heard == 2
    lane = panel.lanes.rows[2].view
    qtbot.keyClick(lane, Qt.Key.Key_Down)
    qtbot.keyClick(lane, Qt.Key.Key_Down)  # it is the last one
    assert (panel.heard, chosen) == (3, ["c"])
    panel.set_job(takes[2])
    qtbot.keyClick(panel, Qt.Key.Key_Up)
    assert (panel.heard, chosen) == (2, ["c", "b"])
    qtbot.keyClick(lane, Qt.Key.Key_Tab)
    assert panel.heard == 3
    panel.lanes.rows[0].button.click()
    assert panel.heard == 0
    assert panel.lanes.rows[0].button.isChecked()


def drag(lane: WaveformView, first: float, last: float) -> None:
    """Over a lane, from one share of its width to another."""
    places = [QPoint(round(LANE_MARGIN + s * (lane.width() - 2 * LANE_MARGIN)), 10)
              for s in (first, last)]  # fmt: skip
    QTest.mousePress(lane, Qt.MouseButton.LeftButton, pos=places[0])
    QTest.mouseMove(lane, places[1])
    QTest.mouseRelease(lane, Qt.MouseButton.LeftButton, pos=places[1])


def test_a_drag_selects_what_is_looped_and_a_click_beside_it_ends_the_loop(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    lane = panel.lanes.rows[1].view
    drag(lane, 0.25, 0.75)
    assert player(panel).loop == pytest.approx((0.5, 1.5), abs=0.01)
    assert player(panel).position_s == pytest.approx(0.5, abs=0.01)
    assert panel.note.startswith("Loop 0:00.")
    assert panel.stretch_of(job) == player(panel).loop
    panel.seek_by(5.0)
    assert player(panel).position_s == pytest.approx(1.5, abs=0.01)
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=lane.rect().center())
    assert player(panel).loop is not None
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    assert (player(panel).loop, panel.note) == (None, "")
    drag(lane, 0.5, 0.8)
    qtbot.keyClick(lane, Qt.Key.Key_Escape)
    assert player(panel).loop is None


def test_zoom_shows_a_part_in_all_lanes_that_follows_what_is_played(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    lane = panel.lanes.rows[0].view
    panel.foot.zoom_in()
    assert panel.axis.shown_s == pytest.approx((0.0, 1.0))
    drag(lane, 0.0, 0.5)
    assert player(panel).loop == pytest.approx((0.0, 0.5), abs=0.01)
    player(panel).set_loop(None)
    player(panel).seek(1.5)
    assert panel.axis.shown_s == pytest.approx((1.0, 2.0))
    panel.foot.zoom_out()
    assert not panel.axis.is_zoomed


def test_the_volume_is_remembered(qtbot: QtBot, panel: ListenPanel, tmp_path: Path) -> None:
    panel.foot.volume.setValue(50)
    panel._settings.flush()
    later = ListenPanel(Settings(tmp_path / "settings.json", {}), tmp_path / "cache")
    qtbot.addWidget(later)
    assert later.foot.factor == pytest.approx(0.25)


def test_a_click_plays_that_sound_from_there(qtbot: QtBot, panel: ListenPanel, job: Job) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    lane = panel.lanes.rows[0].view
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=lane.rect().center())
    assert panel.heard == 0
    assert player(panel).position_s == pytest.approx(1.0, abs=0.02)
    assert panel.foot.time.startswith(("0:00.9", "0:01.0"))


def test_arrow_keys_seek_and_the_way_out_of_a_waveform_is_control_or_shift_tab(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    lane = panel.lanes.rows[1].view
    lane.setFocus()
    qtbot.keyClick(lane, Qt.Key.Key_Right)
    assert player(panel).position_s == pytest.approx(1.0)
    qtbot.keyClick(lane, Qt.Key.Key_Home)
    assert player(panel).position_s == 0.0
    qtbot.keyClick(lane, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert panel.focusWidget() is not lane
    qtbot.keyClick(lane, Qt.Key.Key_Shift)  # else Qt takes the key for held in later tests
    assert QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.NoModifier


def test_a_result_that_arrives_later_keeps_the_position(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(replace(job, output=None))
    qtbot.waitUntil(lambda: panel.lanes.rows[0].view.has_sound)
    assert "will appear" in panel.lanes.rows[1].view.message
    assert not panel.lanes.rows[1].button.isEnabled()
    player(panel).seek(1.5)
    panel.set_job(job)
    both_read(qtbot, panel)
    assert player(panel).position_s == 1.5
    assert panel.lanes.rows[1].button.isEnabled()


def test_a_missing_source_is_reported_in_its_lane(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    job.source.unlink()
    panel.set_job(job)
    qtbot.waitUntil(lambda: "the file does not exist" in panel.lanes.rows[0].view.message)
    qtbot.waitUntil(lambda: panel.lanes.rows[1].view.has_sound)
    panel.set_job(None)
    assert not panel.play.isEnabled()


def test_a_missing_device_is_reported_in_the_panel(
    qtbot: QtBot, panel: ListenPanel, job: Job, device: FakeDevice
) -> None:
    device.refusal = "there is no sound output"
    panel.set_job(job)
    both_read(qtbot, panel)
    panel.toggle_play()
    qtbot.waitUntil(lambda: "there is no sound output" in panel.note)
    assert panel.play.accessibleName() == "Play"


def test_assistive_technology_sees_a_slider_with_name_and_position(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    player(panel).seek(1.0)
    told = QAccessible.queryAccessibleInterface(panel.lanes.rows[1].view)
    assert told.role() == QAccessible.Role.Slider
    assert told.text(QAccessible.Text.Name) == "Waveform of the result"
    assert told.valueInterface().currentValue() == 1000
    assert told.valueInterface().maximumValue() == 2000


def test_it_moves_back_and_forth_within_the_sound(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    both_read(qtbot, panel)
    for seconds, place_s in ((0.5, 0.5), (-5.0, 0.0), (5.0, 2.0)):
        panel.seek_by(seconds)
        assert player(panel).position_s == pytest.approx(place_s, abs=0.01)


def test_why_a_file_failed_is_not_repeated_where_its_waveform_would_be(
    qtbot: QtBot, panel: ListenPanel, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF and nothing")
    voice = Voice("Aria", tmp_path / "aria.pth")
    panel.set_job(Job(source=broken, voice=voice))
    view = panel.lanes.rows[0].view
    qtbot.waitUntil(lambda: view.message.startswith("Cannot read"), timeout=30_000)
    failed = Job(source=broken, voice=voice, state=JobState.FAILED, message=Text(view.message))
    panel.set_job(failed)
    assert panel.lanes.rows[0].view.message == "No sound"
    panel.set_job(replace(failed, message=Text("The disk is full")))
    assert panel.lanes.rows[0].view.message.startswith("Cannot read")
