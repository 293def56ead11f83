"""The suggested key: one click, and a voice that is not known yet is learnt meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop.pitch_scanner import PitchScanner, PitchTrack
from desktop.queue.job import Job, Voice
from desktop.queue.job_queue import JobQueue
from desktop.queue.runner import JobRunner
from desktop.settings.store import Settings
from desktop.voices.draft import SONG, Draft
from desktop.voices.key_suggestion import KeySuggestion
from desktop.voices.voice_list import VoiceList
from engine.cover.options import CoverOptions
from engine.errors import Text
from engine.key import VoicePitch
from engine.library.voice_library import VoiceLibrary
from engine.library.voice_range import keep_range
from engine.paths import starter_dir
from tests.desktop.fake_engine import FakeEngine
from tests.desktop.fake_engine import job as job_of

FILE = Path("song.wav")


class Bench:
    """A suggestion for an installed voice; the scanner's answers are given by the test."""

    def __init__(self, qtbot: QtBot, settings: Settings, folder: Path) -> None:
        (installed,) = VoiceLibrary(folder).import_files((starter_dir() / "voice.pth",)).imported
        self.installed = installed.voice
        self.voices = VoiceList(folder)
        self.draft = Draft(settings, self.voices)
        voice = self.voices.find(self.installed.id)
        assert voice is not None
        self.voice: Voice = voice
        self.draft.set_voice(voice)
        self.scanner = PitchScanner()
        self.key = KeySuggestion(self.draft, self.voices, settings, self.scanner)
        qtbot.addWidget(self.key)
        self.key.resize(240, 200)
        self.key.show()

    def open(self, hz: float, frames: int = 300) -> None:
        self.key.toggle.setChecked(True)
        self.key.set_job(Job(source=FILE, voice=self.voice))
        confidence = np.ones(frames, np.float32)
        self.scanner.found.emit(FILE, PitchTrack(np.full(frames, hz, np.float32), confidence))

    def texts(self) -> list[str]:
        return [button.text() for button in self.key.choices]


@pytest.fixture
def bench(qtbot: QtBot, settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, settings, tmp_path / "voices")
    yield made
    made.scanner.close()
    made.voices.close()


def test_one_click_replaces_the_pitch_and_adds_nothing_to_it(bench: Bench) -> None:
    keep_range(bench.installed, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    bench.draft.set_options(bench.draft.options.with_values({"semitones": 5.0}))
    bench.open(110)
    assert bench.key.sentence == "Source ≈ 110 Hz, voice ≈ 200 Hz"
    assert bench.texts() == ["Use +10", "In Octaves: +12"]
    bench.key.choices[1].click()
    assert bench.draft.options.semitones == 12
    bench.key.choices[0].click()
    assert bench.draft.options.semitones == 10
    assert not bench.key.choices[0].isEnabled()


def test_a_song_is_shifted_by_octaves_and_by_what_is_sung_in_it(bench: Bench) -> None:
    keep_range(bench.installed, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    bench.draft.set_file_kind(SONG)
    bench.open(220)  # of the whole mix
    assert bench.texts() == ["Use 0"]
    result = FILE.with_name("result.wav")
    made = Job(source=FILE, voice=bench.voice, cover=CoverOptions(), output=result)
    bench.key.set_job(made)
    bench.key.take_lead(FILE.with_name("another.wav"), np.full(100, 55.0, np.float32))
    assert bench.texts() == ["Use 0"]
    bench.key.take_lead(result, np.full(100, 105.0, np.float32))
    assert bench.key.sentence == "Source ≈ 105 Hz, voice ≈ 200 Hz"
    assert bench.texts() == ["Use +12"]


def test_a_closed_suggestion_looks_for_nothing(bench: Bench) -> None:
    bench.key.set_job(Job(source=FILE, voice=bench.voice))
    assert bench.scanner._thread is None


def test_an_unknown_voice_is_asked_about_and_to_be_rendered(qtbot: QtBot, bench: Bench) -> None:
    with qtbot.waitSignal(bench.key.range_wanted) as wanted:
        bench.open(110)
    assert wanted.args == [bench.voice]
    assert bench.texts() == ["Low Voice", "High Voice"]
    with qtbot.waitSignal(bench.voices.changed):
        bench.voices.keep_range(bench.voice.key, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    assert bench.texts() == ["Use +10", "In Octaves: +12"]


def test_the_answer_is_kept_with_the_voices_settings(bench: Bench) -> None:
    bench.open(110)
    bench.key.choices[1].click()
    assert bench.draft.options.voice_pitch_hz == 220
    assert bench.texts() == ["Use +12"]


def test_the_voices_dot_can_be_dragged(bench: Bench) -> None:
    keep_range(bench.installed, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    bench.open(110)
    bar = bench.key._bar
    start, end = (QPoint(round(bar._x(hz)), 21) for hz in (200, 300))
    QTest.mousePress(bar, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(bar, end)
    QTest.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=end)
    assert bench.draft.options.voice_pitch_hz == pytest.approx(300, rel=0.03)


def test_a_file_with_too_little_pitch_gets_no_suggestion(bench: Bench) -> None:
    keep_range(bench.installed, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    bench.open(110, frames=49)
    assert "too little clear pitch" in bench.key.sentence
    assert bench.texts() == []


def test_a_voice_is_learnt_when_no_job_waits_and_a_job_goes_first(
    qtbot: QtBot, settings: Settings
) -> None:
    queue, engine = JobQueue([]), FakeEngine()
    runner = JobRunner(queue, settings, lambda _optimization: engine)
    voice = Voice("Aria", Path("aria.pth"), key="aria")
    engine.warms_long = True
    runner.learn(voice)
    runner.learn(voice)
    qtbot.waitUntil(lambda: engine.learnt == [voice])
    queue.add([job_of("good.wav")])
    qtbot.waitUntil(lambda: engine.done == ["good.wav"])
    engine.warms_long = False
    with qtbot.waitSignal(runner.learnt) as learnt:
        pass
    assert learnt.args == [voice, VoicePitch(220.0, 150.0, 320.0, "learnt")]
    assert engine.learnt == [voice, voice]
    runner.learn(voice)
    assert runner.close()
    assert engine.learnt == [voice, voice]


def test_why_a_file_failed_is_not_repeated_where_its_pitch_would_be(bench: Bench) -> None:
    keep_range(bench.installed, VoicePitch(200.0, 120.0, 330.0, "learnt"))
    bench.key.toggle.setChecked(True)
    failed = Job(source=FILE, voice=bench.voice, message=Text("Cannot read it"))
    bench.key.set_job(replace(failed, message=None))
    bench.scanner.failed.emit(FILE, "Cannot read it")
    assert bench.key.sentence == "Cannot read it"
    bench.key.set_job(failed)
    assert bench.key.sentence == "The pitch of this file cannot be found"
    bench.scanner.failed.emit(FILE, "The disk is full")
    assert bench.key.sentence == "The disk is full"


def test_the_key_of_a_long_file_is_there_before_all_of_it_was_heard(
    bench: Bench, qtbot: QtBot, tmp_path: Path
) -> None:
    keep_range(bench.installed, VoicePitch(220.0, 120.0, 330.0, "learnt"))
    rate_hz, seconds = 8000, 330
    time_s = np.arange(seconds * rate_hz) / rate_hz
    tone = sum(np.sin(2 * np.pi * 110 * k * time_s) / k for k in range(1, 8))
    source = tmp_path / "long.wav"
    soundfile.write(source, 0.2 * tone, rate_hz)
    heard: list[tuple[str, int, list[str]]] = []
    for name in ("sampled", "found"):
        getattr(bench.scanner, name).connect(
            lambda _path, track, name=name: heard.append(
                (name, len(track.f0_hz) // 100, bench.texts())
            )
        )
    bench.key.toggle.setChecked(True)
    bench.key.set_job(Job(source=source, voice=bench.voice))
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=120_000)
    assert heard == [("sampled", 120, ["Use +12"]), ("found", seconds, ["Use +12"])]
