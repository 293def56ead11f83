"""Audition: heard at once, rendered again with each change, and nothing is written."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.listen.loop_player import Loop, LoopPlayer
from desktop.listen.loop_sound import LoopSound
from desktop.listen.stretch import LENGTH_S, best_stretch
from desktop.queue.engine_protocol import Audition, AuditionOrder
from desktop.queue.job import Job, JobState
from desktop.storage import AppPaths, sample_file
from engine import source_pitch
from engine.cover.options import CoverOptions
from engine.pitch.swift import SwiftFrames
from engine.pitch.tracker import Pause
from tests.desktop.fake_engine import FakeEngine
from tests.desktop.listen.fake_device import FakeDevice

WAIT_MS = 60_000
SAMPLE_S = soundfile.info(sample_file()).duration


class Bench:
    """An app whose sound card is a fake; it shows one finished job."""

    def __init__(self, app: App, folder: Path, name: str, device: FakeDevice) -> None:
        self.app = app
        self.device = device
        self.audition = app.audition
        self.audition._make_player = lambda: LoopPlayer(device)
        source = folder / name
        shutil.copy(sample_file(), source)
        state, voice = JobState.FINISHED, app.draft.voice
        made = Job(source=source, voice=voice, state=state, source_s=SAMPLE_S)
        app.queue.add([made])
        app.window.queue_view.select_job(made.id)
        self.job = made

    def set(self, **values: object) -> None:
        self.app.draft.set_options(self.app.draft.options.with_values(values))

    def heard(self, qtbot: QtBot, semitones: float) -> None:
        """Until the sound card gets what these semitones gave."""
        qtbot.waitUntil(
            lambda: (
                bool(self.device.streams)
                and self.device.stream.play(4000)[-1, 0] == pytest.approx(semitones / 100)
            ),
            timeout=WAIT_MS,
        )


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@contextmanager
def running(
    paths: AppPaths, folder: Path, device: FakeDevice, engine: FakeEngine | None = None
) -> Iterator[Bench]:
    """A started app with its own engine, or another."""
    app = (
        App(paths, leave=lambda _code: None)
        if engine is None
        else App(paths, lambda _: engine, lambda *_: True, leave=lambda _code: None)
    )
    app.start()
    try:
        yield Bench(app, folder, "a.wav", device)
    finally:
        app.close()


@pytest.fixture
def fake(
    app_paths: AppPaths, qtbot: QtBot, tmp_path: Path, device: FakeDevice
) -> Iterator[tuple[Bench, FakeEngine]]:
    engine = FakeEngine()
    with running(app_paths, tmp_path, device, engine) as bench:
        yield bench, engine


def test_a_change_renders_again_one_at_a_time_and_the_newest_wins(
    fake: tuple[Bench, FakeEngine], qtbot: QtBot
) -> None:
    bench, engine = fake
    bench.set(semitones=5.0)
    bench.app.window.areas.audition.click()
    bench.heard(qtbot, 5.0)
    assert bench.app.window.areas.audition.isChecked()
    for semitones in (1.0, 2.0, 3.0, 12.0):
        bench.set(semitones=semitones)
    bench.heard(qtbot, 12.0)
    assert [each.options.semitones for each in engine.auditions] == [5.0, 12.0]
    assert engine.done == []
    assert len(bench.device.streams) == 1
    bench.app.window.areas.audition.click()
    assert bench.audition.stretch is None
    qtbot.waitUntil(lambda: bench.device.stream.closed)


def test_a_conversion_at_work_is_given_up_for_a_newer_one(
    fake: tuple[Bench, FakeEngine], qtbot: QtBot, tmp_path: Path
) -> None:
    bench, engine = fake
    slow = tmp_path / "slow.wav"
    shutil.copy(sample_file(), slow)
    bench.app.queue.add([Job(source=slow, voice=bench.job.voice, state=JobState.FINISHED)])
    bench.app.window.queue_view.select_job(bench.app.queue.jobs()[1].id)
    bench.app.window.actions_.audition.trigger()
    qtbot.waitUntil(lambda: len(engine.auditions) == 1, timeout=WAIT_MS)
    bench.set(semitones=3.0)
    qtbot.waitUntil(lambda: len(engine.auditions) == 2, timeout=WAIT_MS)
    assert engine.auditions[0].cancel.cancelled
    bench.app.window.queue_view.select_job(bench.job.id)  # another source
    assert bench.audition.stretch is None
    qtbot.waitUntil(lambda: engine.auditions[1].cancel.cancelled)
    bench.app.window.actions_.audition.trigger()
    bench.heard(qtbot, 3.0)


def test_a_job_ends_the_audition_and_goes_first(
    fake: tuple[Bench, FakeEngine], qtbot: QtBot, tmp_path: Path
) -> None:
    bench, _ = fake
    bench.app.window.areas.audition.click()
    bench.heard(qtbot, 0.0)
    (tmp_path / "slow b.wav").touch()
    bench.app.take([tmp_path / "slow b.wav"])
    assert bench.audition.stretch is None
    button = bench.app.window.areas.audition
    assert not button.isEnabled()
    assert button.toolTip() == "Possible once nothing is being converted"
    bench.app.window.actions_.audition.trigger()
    assert bench.audition.stretch is None
    bench.app.queue.cancel([each.id for each in bench.app.queue.jobs()])
    qtbot.waitUntil(lambda: not bench.app.queue.is_busy, timeout=WAIT_MS)
    bench.app.window.queue_view.select_job(bench.job.id)
    assert button.isEnabled()
    assert button.toolTip().startswith("Hear ten seconds")


def test_a_failure_is_told_and_switches_it_off(
    fake: tuple[Bench, FakeEngine], qtbot: QtBot, tmp_path: Path
) -> None:
    bench, _ = fake
    bad = tmp_path / "bad.wav"
    shutil.copy(sample_file(), bad)
    bench.app.queue.add([Job(source=bad, voice=bench.job.voice, state=JobState.FINISHED)])
    bench.app.window.queue_view.select_job(bench.app.queue.jobs()[1].id)
    with qtbot.waitSignal(bench.audition.problem, timeout=WAIT_MS) as told:
        bench.app.window.areas.audition.click()
    assert told.args == ["Cannot read it: it is broken; choose another file."]
    assert not bench.app.window.areas.audition.isChecked()


def test_the_selected_stretch_is_heard(fake: tuple[Bench, FakeEngine], qtbot: QtBot) -> None:
    bench, engine = fake
    lane = bench.app.listen_panel.lanes.rows[0].view
    nearly_ms = 900 * SAMPLE_S
    qtbot.waitUntil(lambda: lane.has_sound and lane.maximum() > nearly_ms, timeout=WAIT_MS)
    shift, left = Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton
    half, y = lane.width() // 2, lane.height() // 2
    QTest.mousePress(lane, left, shift, QPoint(half, y))
    QTest.mouseMove(lane, QPoint(lane.width() - 6, y))
    QTest.mouseRelease(lane, left, shift, QPoint(lane.width() - 6, y))
    bench.app.window.areas.audition.click()
    qtbot.waitUntil(lambda: len(engine.auditions) == 1, timeout=WAIT_MS)
    order = engine.auditions[0]
    assert (order.start_s, order.stop_s) == pytest.approx((SAMPLE_S / 2, SAMPLE_S), abs=0.05)
    QTest.mouseClick(lane, left, shift, QPoint(half, y))
    qtbot.waitUntil(lambda: len(engine.auditions) == 2, timeout=WAIT_MS)
    assert engine.auditions[1].start_s == 0.0


def test_only_the_last_stages_run_again_and_no_file_is_made(
    app_paths: AppPaths, qtbot: QtBot, tmp_path: Path, device: FakeDevice
) -> None:
    with running(app_paths, tmp_path, device) as bench:
        before = sorted(tmp_path.glob("*.wav"))
        bench.app.window.areas.audition.click()
        qtbot.waitUntil(lambda: bench.audition.is_heard, timeout=WAIT_MS)
        first = bench.audition.heard
        assert first is not None
        assert {"decode", "pitch", "content", "synthesis"} <= set(first.stages)
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        last = bench.audition.heard
        bench.set(semitones=5.0, index_rate=0.2)
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        second = bench.audition.heard
        assert second is not None
        assert second is not last
        again = {"load", "retrieval", "synthesis", "write"}  # load: looks whether all is here
        assert again >= set(second.stages) >= {"synthesis"}
        assert np.abs(second.samples).max() > 0.01
        assert sorted(tmp_path.glob("*.wav")) == before


def long_of_sample(path: Path, *, read_s: float) -> Path:
    """Over a minute of the sample; whoever reads on after ``read_s`` refuses the file."""
    sample, rate_hz = soundfile.read(sample_file(), dtype="float32")
    samples = np.tile(sample, 1 + round(70 / SAMPLE_S))
    samples[round(read_s * rate_hz) :] = np.nan
    soundfile.write(path, samples, rate_hz, "FLOAT")
    return path


def test_of_a_long_file_only_the_stretch_is_read(
    app_paths: AppPaths, qtbot: QtBot, tmp_path: Path, device: FakeDevice
) -> None:
    with running(app_paths, tmp_path, device) as bench:
        source = long_of_sample(tmp_path / "long.wav", read_s=40.0)
        bench.app.queue.add([Job(source=source, voice=bench.job.voice, state=JobState.FINISHED)])
        bench.app.window.queue_view.select_job(bench.app.queue.jobs()[1].id)
        bench.audition._stretch_of = lambda _job: (20.0, 30.0)
        bench.app.window.areas.audition.click()
        qtbot.waitUntil(lambda: bench.audition.is_heard, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        first = bench.audition.heard
        assert first is not None
        assert np.abs(first.samples).max() > 0.01
        bench.set(semitones=5.0)
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        second = bench.audition.heard
        assert second is not None
        assert not {"decode", "filter", "pitch", "content"} & set(second.stages)


def test_the_pitch_of_the_file_is_looked_for_after_the_first_sound(
    app_paths: AppPaths,
    qtbot: QtBot,
    tmp_path: Path,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def track(_file: Path, pause: Pause) -> SwiftFrames:
        began.set()
        pause(0.0)
        goes_on.set()
        return SwiftFrames(np.zeros(1, np.float32), np.zeros(1, np.float32))

    monkeypatch.setattr(source_pitch, "track_file", track)
    engine = Gated()
    with running(app_paths, tmp_path, device, engine) as bench:
        bench.app.window.areas.audition.click()
        qtbot.waitUntil(lambda: len(engine.auditions) == 1, timeout=WAIT_MS)
        bench.app.pitch_scanner.want(bench, bench.job.source)
        qtbot.waitUntil(began.is_set, timeout=WAIT_MS)
        assert not goes_on.wait(0.2)
        engine.may.release()
        qtbot.waitUntil(lambda: bench.audition.is_heard, timeout=WAIT_MS)
        qtbot.waitUntil(goes_on.is_set, timeout=WAIT_MS)


def test_the_most_voiced_stretch_is_chosen() -> None:
    voiced = np.zeros(6000, dtype=np.float32)
    voiced[100:900:2] = 1
    voiced[3000:3900] = 1
    start_s, stop_s = best_stretch(voiced, 60.0)
    assert start_s <= 30.0
    assert stop_s >= 39.0
    assert stop_s - start_s == LENGTH_S
    assert best_stretch(voiced[:500], 5.0) == (0.0, 5.0)
    assert best_stretch(voiced[:0], 60.0) == (0.0, LENGTH_S)


def test_a_loop_has_no_clicks_and_is_exchanged_in_its_place() -> None:
    t = np.arange(4800) / 48_000
    sound = np.repeat(np.sin(2 * np.pi * 97 * t)[:, None], 2, axis=1).astype(np.float32)
    loop = Loop(sound, 48_000)
    out = np.zeros((24_000, 2), dtype=np.float32)
    for at in range(0, len(out), 512):
        if at == 10_240:
            loop.exchange(sound * 0.1)
        assert loop.fill(out[at : at + 512])
    assert np.abs(np.diff(out[:, 0])).max() < 0.03
    assert np.abs(out[:9000]).max() == pytest.approx(1, abs=0.01)
    assert np.abs(out[11_000:]).max() == pytest.approx(0.1, abs=0.01)


def test_a_song_is_auditioned_as_its_cover(fake: tuple[Bench, FakeEngine], qtbot: QtBot) -> None:
    bench, engine = fake
    bench.app.draft.set_song(CoverOptions(backing="convert", lead_db=-2.0))
    bench.app.draft.set_backing_voice(bench.app.draft.voice)
    bench.app.window.areas.audition.click()
    bench.heard(qtbot, 0.0)
    bench.app.draft.set_file_kind("song")
    qtbot.waitUntil(lambda: len(engine.auditions) == 2, timeout=WAIT_MS)
    assert [each.cover for each in engine.auditions] == [None, bench.app.draft.song]
    assert engine.auditions[1].backing_voice == bench.app.draft.voice
    assert bench.app.window.areas.audition.isChecked()
    bench.app.draft.set_song(CoverOptions())
    qtbot.waitUntil(lambda: len(engine.auditions) == 3, timeout=WAIT_MS)
    assert engine.auditions[2].backing_voice is None


class Gated(FakeEngine):
    """Renders a piece of an audition only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Semaphore(0)

    def audition(self, order: AuditionOrder) -> Iterator[Audition]:
        for piece in super().audition(order):
            while not self.may.acquire(timeout=0.01):
                order.cancel.raise_if_cancelled()
            yield piece


def test_each_piece_is_heard_at_once_and_a_change_begins_where_the_sound_is(
    app_paths: AppPaths, qtbot: QtBot, tmp_path: Path, device: FakeDevice
) -> None:
    engine = Gated()
    with running(app_paths, tmp_path, device, engine) as bench:
        bench.set(semitones=5.0)
        bench.app.window.areas.audition.click()
        qtbot.waitUntil(lambda: len(engine.auditions) == 1, timeout=WAIT_MS)
        assert not bench.audition.is_heard
        engine.may.release()
        bench.heard(qtbot, 5.0)  # two seconds of it, looped
        assert bench.audition.is_rendering
        engine.may.release()
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        device.stream.play(round(3.0 * device.stream.rate_hz))
        with qtbot.waitSignal(bench.audition.moved, timeout=WAIT_MS) as moved:
            pass
        bench.set(semitones=9.0)
        qtbot.waitUntil(lambda: len(engine.auditions) == 2, timeout=WAIT_MS)
        assert moved.args is not None
        assert engine.auditions[1].first_s == pytest.approx(moved.args[0], abs=0.1)
        assert engine.auditions[1].first_s > 1.0
        engine.may.release()
        bench.heard(qtbot, 9.0)
        assert bench.audition.is_rendering
        bench.set(semitones=1.0)  # nothing of the others is heard any more once this is complete
        qtbot.waitUntil(lambda: len(engine.auditions) == 3, timeout=WAIT_MS)
        for _ in range(3):
            engine.may.release()
        qtbot.waitUntil(lambda: not bench.audition.is_rendering, timeout=WAIT_MS)
        n = round(SAMPLE_S * device.stream.rate_hz)
        qtbot.waitUntil(
            lambda: np.allclose(device.stream.play(n), 0.01, atol=1e-4), timeout=WAIT_MS
        )


def test_where_a_piece_is_missing_the_sound_before_it_is_heard() -> None:
    sound, rate_hz = LoopSound(), 1000
    assert len(sound.put(0.0, np.full(2000, 0.1, np.float32), rate_hz)) == 2000
    whole = sound.put(2.0, np.full((3000, 2), 0.1, np.float32), rate_hz)
    np.testing.assert_array_equal(whole, np.full((5000, 2), 0.1, np.float32))
    sound.begin()
    mixed = sound.put(3.0, np.full(1000, 0.5, np.float32), rate_hz)
    assert mixed.shape == (5000, 2)
    np.testing.assert_allclose(mixed[:3000], 0.1, atol=1e-6)
    np.testing.assert_allclose(mixed[3020:3980], 0.5, atol=1e-6)
    np.testing.assert_allclose(mixed[4000:], 0.1, atol=1e-6)
    assert np.abs(np.diff(mixed[:, 0])).max() < 0.05  # no click where they join
    for start_s, n in ((4.0, 1000), (0.0, 3000)):
        whole = sound.put(start_s, np.full(n, 0.5, np.float32), rate_hz)
    np.testing.assert_array_equal(whole, np.full((5000, 2), 0.5, np.float32))
    sound.begin()
    faster = sound.put(0.0, np.full(4000, 0.2, np.float32), 2000)
    assert len(faster) == 10_000
    np.testing.assert_allclose(faster[100:3900], 0.2, atol=1e-3)
    np.testing.assert_allclose(faster[4100:9900], 0.5, atol=1e-2)
