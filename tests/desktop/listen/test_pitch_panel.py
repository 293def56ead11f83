"""The pitch of source and result, and what the user mends in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.listen.listen_panel import ListenPanel
from desktop.listen.pitch_drawing import Curves, Scale, Trace, note_name
from desktop.listen.pitch_edit import PitchEdit
from desktop.listen.pitch_panel import PitchPanel
from desktop.listen.pitch_view import PitchView
from desktop.listen.player import Player
from desktop.pitch_scanner import PitchScanner
from desktop.queue.job import Job, Voice
from desktop.settings.store import Settings
from engine.options import ConversionOptions
from engine.pitch.curve import read_curve_file
from tests.desktop.listen.fake_device import FakeDevice

RATE_HZ = 16_000
WAIT_MS = 30_000


def sung(path: Path, hz: float, seconds: float = 3.0) -> Path:
    """A tone with overtones, silent in its middle second."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 8))
    tone[RATE_HZ : 2 * RATE_HZ] = 0
    soundfile.write(path, 0.2 * tone, RATE_HZ)
    return path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of 220 Hz, converted a fifth up."""
    return Job(
        source=sung(tmp_path / "a.wav", 220),
        output=sung(tmp_path / "b.wav", 220 * 2 ** (7 / 12)),
        voice=Voice("Aria", tmp_path / "aria.pth"),
        options=ConversionOptions(semitones=7),
    )


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path) -> Iterator[ListenPanel]:
    scanner = PitchScanner()
    settings = Settings(tmp_path / "settings.json", {})
    pitch = PitchPanel(scanner, tmp_path / "curves")
    made = ListenPanel(settings, tmp_path / "cache", lambda: Player(FakeDevice()), pitch)
    qtbot.addWidget(made)
    made.resize(700, 400)
    made.show()
    yield made
    made.close_sound()
    scanner.close()


def opened(qtbot: QtBot, panel: ListenPanel, job: Job) -> PitchPanel:
    assert panel.pitch is not None
    panel._pitch_toggle.setChecked(True)
    panel.set_job(job)
    pitch = panel.pitch
    wanted = 1 if job.output is None else 2
    qtbot.waitUntil(
        lambda: pitch._edit is not None and len(pitch._tracks) == wanted, timeout=WAIT_MS
    )
    return pitch


def drawn(view: PitchView) -> QImage:
    return view.grab().toImage()


def test_notes_have_their_usual_names() -> None:
    assert [note_name(hz) for hz in (440, 261.63, 46.25, 1975.5)] == ["A4", "C4", "F♯1", "B6"]


def test_both_curves_are_found_and_what_the_result_does_not_follow(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    pitch = opened(qtbot, panel, job)
    curves = pitch._view._curves
    assert curves is not None
    assert curves.result is not None
    assert np.median(curves.source_hz[20:80]) == pytest.approx(220, rel=0.005)
    assert np.median(curves.result.midi[20:80]) == pytest.approx(57 + 7, abs=0.1)
    assert not curves.source_hz[120:180].any()
    assert curves.strays is not None
    assert not curves.strays.any()
    assert job.output is not None
    wrong = Job(**{**vars(job), "options": ConversionOptions(semitones=0)})
    panel.set_job(None)
    pitch = opened(qtbot, panel, wrong)
    assert pitch._view._curves is not None
    assert pitch._view._curves.strays is not None
    assert pitch._view._curves.strays[20:80].all()


def test_a_stretch_is_selected_moved_made_unvoiced_and_converted_with(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    pitch = opened(qtbot, panel, job)
    view = pitch._view
    before = drawn(view)
    y = view.height() // 2
    left, right = (QPoint(round(view._scale.x(s)), y) for s in (0.25, 0.75))
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=left)
    QTest.mouseMove(view, right)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=right)
    assert view.selection is not None
    assert view.selection == (pytest.approx(25, abs=1), pytest.approx(76, abs=2))
    inside = QPoint(round(view._scale.x(0.5)), y)
    above = inside - QPoint(0, round(12 * view._scale.semitone))
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=inside)
    QTest.mouseMove(view, above)
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=above)
    start, stop = view.selection
    assert drawn(view) != before
    view.select(220, 240)
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    with qtbot.waitSignal(pitch.convert_wanted, timeout=WAIT_MS) as wanted:
        pitch._convert.click()
    made_of, path = wanted.args
    assert made_of == job
    curve = read_curve_file(path).at_frames(300)
    assert np.median(curve[start:stop]) == pytest.approx(440, rel=0.005)
    assert np.median(curve[: start - 1][curve[: start - 1] > 0]) == pytest.approx(220, rel=0.005)
    assert not curve[220:240].any()
    assert curve[250] == pytest.approx(220, rel=0.005)


def test_a_job_with_a_curve_shows_it_and_goes_on_from_there(
    qtbot: QtBot, panel: ListenPanel, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "curve.csv").write_text("0,110\n3,110\n")
    options = ConversionOptions(f0_file=tmp_path / "curve.csv")
    given = Job(source=job.source, voice=job.voice, options=options)
    pitch = opened(qtbot, panel, given)
    edit = pitch._edit
    assert edit is not None
    assert edit.f0_hz[50] == 110
    assert edit.changed[50]
    assert not pitch._convert.isEnabled()
    pitch._view.select(40, 60)
    pitch._restore.click()
    assert pitch._convert.isEnabled()
    assert edit.f0_hz[50] == pytest.approx(220, rel=0.005)
    pitch._undo_button.click()
    assert edit.f0_hz[50] == 110


def test_nothing_is_searched_while_the_pitch_is_hidden(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    panel.set_job(job)
    assert panel.pitch is not None
    assert panel.pitch._scanner._thread is None
    assert panel.sizeHint().height() <= 150


def test_a_missing_source_is_said_in_the_view(qtbot: QtBot, panel: ListenPanel, job: Job) -> None:
    job.source.unlink()
    assert panel.pitch is not None
    panel._pitch_toggle.setChecked(True)
    panel.set_job(job)
    view = panel.pitch._view
    qtbot.waitUntil(lambda: "does not exist" in view._message, timeout=WAIT_MS)
    assert not panel.pitch._convert.isEnabled()


def test_steps_are_undone_and_redone_and_stay_in_the_range_of_a_voice() -> None:
    found = np.array([0, 100, 100, 3000], np.float32)
    edit = PitchEdit(found)
    assert not edit.transpose(0, 1, 1)
    assert not edit.transpose(0, 4, 1)
    assert edit.transpose(0, 3, 1)
    assert edit.silence(3, 4)
    assert not edit.silence(3, 4)
    assert edit.f0_hz.tolist() == [0, 200, 200, 0]
    edit.undo()
    edit.undo()
    assert np.array_equal(edit.f0_hz, found)
    assert not edit.can_undo
    edit.redo()
    assert edit.f0_hz.tolist() == [0, 200, 200, 3000]
    assert edit.restore(1, 2)
    assert not edit.can_redo
    assert edit.changed.tolist() == [False, False, True, False]


def test_three_hours_are_drawn_from_their_pixels(qtbot: QtBot) -> None:
    n = 3 * 3600 * 100
    hz = (220 * 2 ** (np.sin(np.arange(n) / 700))).astype(np.float32)
    hz[np.arange(n) % 1000 < 200] = 0
    view = PitchView()
    qtbot.addWidget(view)
    view.resize(600, 150)
    none = np.zeros(n, np.bool_)
    view.show_curves(Curves(hz, none, none, Trace(hz)))
    whole = drawn(view)
    view.zoom(1000, 5400.0)
    low_s, high_s = view.shown_s
    assert low_s < 5400 < high_s
    assert high_s - low_s == pytest.approx(10.8, rel=0.01)
    assert drawn(view) != whole
    view.set_position(9000.0)
    assert view.shown_s[0] < 9000 < view.shown_s[1]
    view.zoom(1e-9)
    assert view.shown_s == (0, pytest.approx(n / 100))


def test_places_and_times_belong_together() -> None:
    scale = Scale(600, 150, 90, 10, 20, 40, 70)
    for seconds in (10.0, 12.5, 19.9):
        assert scale.seconds(scale.x(seconds)) == pytest.approx(seconds)
    for midi in (40.0, 55.5, 70.0):
        assert scale.midi(scale.y(midi)) == pytest.approx(midi)


def test_the_curve_is_the_one_a_result_was_made_with_and_shows_what_differs(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    pitch = opened(qtbot, panel, job)
    assert job.output is not None
    assert pitch._view._curves is not None
    assert not pitch._view._curves.unsure[20:80].any()
    used = np.full(300, 220, np.float32)
    used[40:60] = 440
    pitch.take_used(job.output, used)
    curves = pitch._view._curves
    assert curves.source_hz.tolist() == used.tolist()
    assert curves.unsure[40:60].all()
    assert not curves.unsure[65:90].any()
    assert curves.unsure[120:180].all()
    assert not pitch._convert.isEnabled()
    pitch._view.select(0, 300)
    pitch._up.click()
    pitch.take_used(job.output, used)
    assert pitch._convert.isEnabled()


def test_the_pitch_is_below_the_same_seconds_as_the_waveforms(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    pitch = opened(qtbot, panel, job)
    qtbot.waitUntil(lambda: panel.is_read, timeout=WAIT_MS)
    panel.axis.zoom(2.0, 0.0)
    assert pitch._view.shown_s == pytest.approx(panel.axis.shown_s)
    pitch._view.zoom(1.5, 0.5)
    assert panel.axis.shown_s == pytest.approx(pitch._view.shown_s)
    assert panel.axis.span_s < 0.4 * panel.axis.length_s
    panel.axis.show_all()
    assert pitch._view.shown_s == pytest.approx((0.0, panel.axis.length_s), abs=0.02)


def test_the_pitch_ends_where_the_waveforms_do_also_beside_levels(
    qtbot: QtBot, panel: ListenPanel, job: Job
) -> None:
    pitch = opened(qtbot, panel, job)
    qtbot.waitUntil(lambda: panel.is_read, timeout=WAIT_MS)
    lanes = panel.lanes.rows
    for each in lanes:
        each.level.setVisible(True)
    panel.resize(panel.width() + 20, panel.height())
    QApplication.processEvents()

    def right(widget: QWidget) -> int:
        return widget.mapToGlobal(widget.rect().topRight()).x()

    assert right(lanes[0].level) > right(lanes[0].view)
    assert right(pitch.findChild(PitchView)) == right(lanes[0].view)
