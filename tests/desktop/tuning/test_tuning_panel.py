"""“Tune for This Mac” in the settings: progress, cancel, what it found, and when it must wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox
from pytestqt.qtbot import QtBot

from desktop.background import Listener
from desktop.settings.store import Settings
from desktop.settings.table import SETTINGS
from desktop.tuning.optimization_page import OptimizationPage, gain_text
from desktop.tuning.tuning_run import MachineFlags, TuningRun, use_tuned
from engine.errors import DeviceError
from engine.machine import Machine
from engine.measure.tuning_record import Figure, Gain, Tuning, TuningProgress, TuningRecord
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken

WAIT_MS = 10_000


@pytest.fixture(autouse=True)
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuningRecord:
    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path / "tuning"))
    return TuningRecord()


def found(**flags: Any) -> Tuning:
    figures = (
        Figure(
            "tile_frames", 800, 400, "faster", kept=True, seconds=1.0, before_s=1.38, gain=0.38,
            difference_db=118.0,
        ),
        Figure("tile_frames", 0, 800, "slower", gain=-0.1),
        Figure("compile", "torchscript", "none", "slower", gain=-0.04, difference_db=130.0),
        Figure("use_fp16", True, False, "different sound", difference_db=12.0, least_db=25.0),
    )  # fmt: skip
    when = "2026-11-24T12:00:00+00:00"
    return Tuning(Machine.here(), "Apple M3 (Metal)", when, "0.1", "Aria", 10.0, flags, figures)


class Work:
    """Waits to be let go, then has found something, or fails."""

    def __init__(self, outcome: Tuning | Exception) -> None:
        self.progress = TuningProgress("use_fp16", True, 0.4, 150.0)
        self.go = threading.Event()
        self._outcome = outcome

    def __call__(self, cancel: CancelToken, tell: Listener) -> Tuning:
        while not self.go.wait(0.005):
            cancel.raise_if_cancelled()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        TuningRecord().save("cpu", self._outcome)
        return self._outcome


class Bench:
    def __init__(self, qtbot: QtBot, settings: Settings, outcome: Tuning | Exception) -> None:
        self.settings = settings
        self.busy = False
        self.work = Work(outcome)
        self.run = TuningRun(settings, lambda: self.busy, lambda: self.work)
        self.page = OptimizationPage(settings, self.run)
        qtbot.addWidget(self.page)
        self.page.show()
        self.panel = self.page.tuning
        self._qtbot = qtbot

    def measured(self, flag: str) -> str:
        return self.page.rows[f"optimization.{flag}"].measured

    def wait_for_the_end(self) -> None:
        self._qtbot.waitUntil(lambda: not self.run.is_running, timeout=WAIT_MS)


@pytest.fixture
def bench(qtbot: QtBot, settings: Settings) -> Iterator[Bench]:
    made = Bench(qtbot, settings, found(tile_frames=800, compile="none", use_fp16=False))
    yield made
    made.run.close()


def test_without_a_tuning_no_row_shows_a_gain(bench: Bench) -> None:
    assert "Not measured yet" in bench.panel.status.text()
    assert {row.measured for row in bench.page.rows.values()} == {""}


def test_running_tuning_shows_the_flag_the_remaining_time_and_a_bar(bench: Bench) -> None:
    bench.panel.button.click()
    assert bench.run.is_running
    assert bench.panel.bar.isVisible()
    assert bench.panel.bar.value() == 400
    assert bench.panel.cancel_button.isVisible()
    assert not bench.panel.button.isVisible()
    said = "Measuring: Half precision (on)  ·  0:00 so far  ·  about 2 min left"
    assert bench.panel.status.text() == said


@pytest.mark.parametrize(
    ("doing", "said"), [("prepare", "Preparing"), ("examine", "Comparing"), ("check", "Converting")]
)
def test_before_anything_is_measured_tuning_says_what_it_does_and_since_when(
    bench: Bench, doing: str, said: str
) -> None:
    bench.work.progress = TuningProgress(doing)
    bench.panel.button.click()
    assert bench.panel.status.text().startswith(said)
    assert bench.panel.status.text().endswith("…  ·  0:00 so far  ·  usually takes a few minutes")


def test_results_are_shown_at_each_flag_and_applied(bench: Bench) -> None:
    tiles = next(each for each in SETTINGS if each.key == "optimization.tile_frames")
    bench.settings.set(tiles, 200)
    bench.panel.button.click()
    bench.work.go.set()
    bench.wait_for_the_end()
    assert bench.measured("tile_frames") == "Measured: 11 % faster · 118 dB"
    assert bench.measured("compile") == "Measured: not used: 4 % slower"
    assert "would differ (12 dB)" in bench.measured("use_fp16")
    assert bench.measured("skip_silence") == ""
    assert bench.settings.optimization().tile_frames == 800
    assert bench.page.rows[tiles.key].findChild(QDoubleSpinBox).value() == 800
    assert "Apple M3 (Metal)" in bench.panel.status.text()
    assert "Aria" in bench.panel.status.text()
    assert bench.panel.button.isVisible()


def test_tuning_is_refused_while_a_conversion_runs_or_waits(bench: Bench) -> None:
    bench.busy = True
    bench.panel.button.click()
    assert not bench.run.is_running
    assert "would distort the measurement" in bench.panel.status.text()


def test_a_starting_conversion_stops_tuning(bench: Bench) -> None:
    bench.panel.button.click()
    bench.run.set_busy(True)
    bench.wait_for_the_end()
    assert "because a conversion started" in bench.panel.status.text()
    assert TuningRecord().latest() is None


def test_cancelled_tuning_changes_nothing(bench: Bench) -> None:
    before = bench.settings.optimization()
    bench.panel.button.click()
    bench.panel.cancel_button.click()
    bench.wait_for_the_end()
    assert "Cancelled" in bench.panel.status.text()
    assert bench.settings.optimization() == before
    assert TuningRecord().latest() is None


def test_failed_tuning_shows_the_reason(qtbot: QtBot, settings: Settings) -> None:
    refusal = DeviceError("Cannot tune", "its results are others", "use the device cpu")
    bench = Bench(qtbot, settings, refusal)
    bench.work.go.set()
    bench.panel.button.click()
    bench.wait_for_the_end()
    assert str(refusal) in bench.panel.status.text()


def test_a_tuning_of_another_system_is_marked_and_not_used(
    qtbot: QtBot, settings: Settings, record: TuningRecord
) -> None:
    other = replace(Machine.here(), system="macOS 14.0")
    record.save("cpu", replace(found(tile_frames=800), machine=other))
    MachineFlags(settings)
    bench = Bench(qtbot, settings, found())
    assert settings.optimization().tile_frames == OptimizationConfig.for_cpu().tile_frames
    assert "Out of date" in bench.panel.status.text()
    assert Machine.here().system in bench.panel.status.text()
    assert bench.measured("compile") == "Measured before: not used: 4 % slower"


def test_settings_win_over_tuning_and_environment_over_both(
    tmp_path: Path, qtbot: QtBot, record: TuningRecord
) -> None:
    record.save("cpu", found(tile_frames=800, use_fp16=True, compile="torchscript"))
    settings = Settings(tmp_path / "settings.json", {"RVC_COMPILE": "none"})
    half = next(each for each in SETTINGS if each.key == "optimization.use_fp16")
    flags = MachineFlags(settings)
    assert settings.optimization().use_fp16
    settings.set(half, value=False)
    made = settings.optimization()
    assert (made.tile_frames, made.use_fp16, made.compile) == (800, False, "none")
    assert flags.stale_news() is None
    settings.reset_page("optimization")
    assert settings.optimization().use_fp16


def test_a_device_chosen_by_the_user_has_its_own_flags(
    settings: Settings, record: TuningRecord
) -> None:
    record.save("cuda", found(batch_size=8))
    flags = MachineFlags(settings)
    device = next(each for each in SETTINGS if each.key == "optimization.device")
    assert settings.optimization().batch_size == 8
    settings.set(device, "cpu")
    assert settings.optimization().batch_size == 1
    settings.set(device, "cuda")
    assert settings.optimization().batch_size == 8
    del flags


def test_new_measurements_replace_what_was_chosen_by_hand(
    settings: Settings, record: TuningRecord, qtbot: QtBot
) -> None:
    page = OptimizationPage(settings)
    qtbot.addWidget(page)
    half = next(each for each in SETTINGS if each.key == "optimization.use_fp16")
    settings.set(half, value=True)
    record.save("cpu", found(use_fp16=False))
    use_tuned(settings)
    assert not settings.optimization().use_fp16
    assert not page.rows[half.key].findChild(QCheckBox).isChecked()


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Gain("x", True, True, 0.38, 118.0, "faster"), "38 % faster · 118 dB"),
        (Gain("x", True, True, 0.002, None, "no gain"), "same speed · identical sound"),
        (Gain("x", True, True, -0.1, 90.0, "measured only"), "10 % slower · 90 dB"),
        (Gain("x", True, True, None, 90.0, "failed"), "not timed · 90 dB"),
        (Gain("x", False, False, 0.02, 90.0, "no gain"), "not used: 2 % faster"),
        (Gain("x", False, False, 0.2, 90.0, "unclear"), "not used: no clear gain"),
        (Gain("x", False, False, None, None, "failed"), "not used: it fails on this machine"),
    ],
)
def test_a_gain_in_words(gain: Gain, words: str) -> None:
    assert gain_text(gain) == words


def test_a_record_with_every_flag_fits_the_table(settings: Settings, record: TuningRecord) -> None:
    preset = asdict(OptimizationConfig.for_apple_silicon())
    flags = {name: preset[name] for name in ("use_gpu_filter", "use_shape_buckets", "cpu_parts")}
    record.save("mps", found(**flags))
    MachineFlags(settings)
    assert settings.optimization().use_gpu_filter
    assert settings.optimization().use_shape_buckets
