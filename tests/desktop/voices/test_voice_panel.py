"""The side panel reaches every option, and each change arrives in the next job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QFileDialog, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from desktop.settings.store import Settings
from desktop.voices.draft import Draft
from desktop.voices.option_controls import ChoiceRow, FileRow, NumberRow, OptionRow, SwitchRow
from desktop.voices.voice_list import VoiceList
from desktop.voices.voice_panel import VoicePanel
from engine.option import Option
from engine.options import ConversionOptions, all_options

IN_APP = [each for each in all_options() if each.in_app]


class Bench:
    """A panel with what it needs, in a folder of its own."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.settings = Settings(folder / "settings.json", {})
        self.voices = VoiceList(folder / "voices")
        self.draft = Draft(self.settings, self.voices)
        self.panel = VoicePanel(self.draft, self.voices, self.settings)
        qtbot.addWidget(self.panel)
        self.panel.show()

    def job_options(self) -> ConversionOptions:
        (job,) = self.draft.make_jobs([Path("song.wav")])
        return job.options


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


def changed(row: OptionRow, curve: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Change a row by its widgets; the value that must arrive."""
    if isinstance(row, NumberRow):
        option = row.option
        start = option.low if option.default is None else option.default
        step = -2 * option.step if start == option.high else 2 * option.step
        value = start + step
        row.field.setValue(option.to_shown(value))
        return pytest.approx(value)
    if isinstance(row, ChoiceRow):
        box = row.findChild(QComboBox)
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
        return row.option.values[-1].value
    if isinstance(row, SwitchRow):
        row.findChild(QCheckBox).click()
        return not row.option.default
    assert isinstance(row, FileRow)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(curve), ""))
    row.findChild(QPushButton).click()
    return curve


@pytest.mark.parametrize("option", IN_APP, ids=lambda each: each.name)
def test_every_option_has_a_control_whose_change_reaches_the_job(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: Option
) -> None:
    row = bench.panel.rows[option.name]
    assert bench.job_options().value(option.name) == option.default
    value = changed(row, tmp_path / "curve.csv", monkeypatch)
    assert bench.job_options().value(option.name) == value
    assert bench.job_options().changes().keys() == {option.name}
    bench.draft.reset()
    assert row.value() == option.default


@pytest.mark.parametrize("option", IN_APP, ids=lambda each: each.name)
def test_every_control_has_a_title_and_a_visible_help_line(bench: Bench, option: Option) -> None:
    bench.panel.more.setChecked(True)
    row = bench.panel.rows[option.name]
    texts = [label.text() for label in row.findChildren(QLabel) if label.isVisible()]
    texts += [box.text() for box in row.findChildren(QCheckBox)]
    assert str(option.title) in texts
    helps = {str(option.help)} | {str(each.help) for each in option.values if each.help}
    assert helps & set(texts)


def test_only_what_would_do_nothing_in_the_app_is_left_out() -> None:
    assert [each.name for each in all_options() if not each.in_app] == ["overwrite"]


def test_the_section_more_is_closed_at_first_and_stays_as_it_was_left(
    qtbot: QtBot, tmp_path: Path
) -> None:
    bench = Bench(qtbot, tmp_path)
    assert not bench.panel.rows["seed"].isVisible()
    qtbot.mouseClick(bench.panel.more, Qt.MouseButton.LeftButton)
    assert bench.panel.rows["seed"].isVisible()
    bench.settings.flush()
    assert Bench(qtbot, tmp_path).panel.rows["seed"].isVisible()


def test_source_dynamics_are_shown_the_other_way_round_than_the_engine_counts(
    bench: Bench,
) -> None:
    row = bench.panel.rows["volume_envelope"]
    assert isinstance(row, NumberRow)
    assert row.field.text() == "0 %"
    row.slider.setValue(80)
    assert row.field.text() == "80 %"
    assert bench.job_options().volume_envelope == pytest.approx(0.2)


def test_an_optional_number_goes_back_to_none(bench: Bench) -> None:
    row = bench.panel.rows["output_rate_hz"]
    assert isinstance(row, NumberRow)
    assert row.field.text() == "as the voice"
    row.field.setValue(44_100)
    assert bench.job_options().output_rate_hz == 44_100
    row.field.setValue(row.field.minimum())
    assert bench.job_options().output_rate_hz is None


def test_a_combination_that_makes_no_sense_is_not_taken(bench: Bench) -> None:
    row = bench.panel.rows["f0_min_hz"]
    assert isinstance(row, NumberRow)
    row.field.setValue(1900)
    assert bench.job_options().f0_min_hz == 50
    assert row.value() == 50


def test_a_double_click_on_a_title_resets_the_option(bench: Bench, qtbot: QtBot) -> None:
    row = bench.panel.rows["semitones"]
    assert isinstance(row, NumberRow)
    row.slider.setValue(24 + 5)
    assert bench.job_options().semitones == 5
    qtbot.mouseDClick(row.findChild(QLabel), Qt.MouseButton.LeftButton)
    assert bench.job_options().semitones == 0


def test_controls_without_effect_are_disabled(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disabled() -> set[str]:
        return {name for name, row in bench.panel.rows.items() if not row.isEnabled()}

    assert disabled() == set()
    changed(bench.panel.rows["f0_file"], tmp_path / "curve.csv", monkeypatch)
    assert {"pitch_method", "f0_min_hz", "f0_max_hz"} <= disabled()
    assert disabled().isdisjoint({"semitones", "autotune", "f0_file", "index_rate"})
    bench.draft.reset()
    assert disabled() == set()
    monkeypatch.setattr(bench.voices, "has_pitch", lambda _: False)
    bench.panel.refresh()
    assert {"semitones", "pitch_method", "f0_file", "autotune", "protect"} <= disabled()
    assert "file_format" not in disabled()


@pytest.mark.parametrize("typed", ["-7", "−7"])
def test_a_field_shows_a_minus_sign_and_takes_a_hyphen_too(bench: Bench, typed: str) -> None:
    row = bench.panel.rows["semitones"]
    assert isinstance(row, NumberRow)
    row.field.setFocus()
    row.field.selectAll()
    for letter in typed:  # QTest types no letters beyond Latin-1
        pressed = QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, letter)
        QApplication.sendEvent(row.field, pressed)
    QTest.keyClick(row.field, Qt.Key.Key_Return)
    assert bench.job_options().semitones == -7.0
    assert row.field.text() == "−7 semitones"
    QTest.keyClick(row.field, Qt.Key.Key_Up)
    assert bench.job_options().semitones == -6.0
