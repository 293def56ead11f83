from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QPushButton,
    QToolBar,
)
from pytestqt.qtbot import QtBot

from desktop.settings.page import TablePage
from desktop.settings.store import Settings
from desktop.settings.table import IDLE_MINUTES, NOTIFY, OUTPUT_FOLDER, OUTPUT_PLACE, SETTINGS
from desktop.shell.settings_window import SettingsWindow
from desktop.storage import AppPaths
from desktop.translation import install_translators
from desktop.tuning.optimization_page import OptimizationPage
from engine.optimization import VARIABLES, OptimizationConfig


def made_settings(folder: Path, environment: dict[str, str] | None = None) -> Settings:
    return Settings(folder / "settings.json", environment or {})


def page(qtbot: QtBot, settings: Settings, name: str) -> TablePage:
    made = TablePage(settings, name)
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_row_of_the_table_is_on_its_page(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    pages = {setting.page for setting in SETTINGS}
    shown = {key for name in pages for key in page(qtbot, settings, name).rows}
    assert shown == {setting.key for setting in SETTINGS}


def test_every_flag_of_the_engine_is_on_the_optimization_page(qtbot: QtBot, tmp_path: Path) -> None:
    shown = page(qtbot, made_settings(tmp_path), "optimization").rows
    fields = {f"optimization.{field.name}" for field in dataclasses.fields(OptimizationConfig)}
    assert fields == set(shown)


def test_a_change_applies_immediately_and_is_saved(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    general = page(qtbot, settings, "general")
    general.rows[NOTIFY.key].findChild(QCheckBox).click()
    box = general.rows[OUTPUT_PLACE.key].findChild(QComboBox)
    qtbot.keyClick(box, Qt.Key.Key_Down)
    advanced = page(qtbot, settings, "advanced")
    advanced.rows[IDLE_MINUTES.key].findChild(QDoubleSpinBox).setValue(25)
    settings.flush()
    again = made_settings(tmp_path)
    assert again.value(OUTPUT_PLACE) == "folder"
    assert again.value(IDLE_MINUTES) == 25
    assert again.value(NOTIFY) is False


def test_a_change_from_elsewhere_is_shown_without_a_signal(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    advanced = page(qtbot, settings, "advanced")
    told: list[str] = []
    settings.changed.connect(told.append)
    settings.set(IDLE_MINUTES, 99)
    assert advanced.rows[IDLE_MINUTES.key].findChild(QDoubleSpinBox).value() == 99
    assert told == [IDLE_MINUTES.key]


def test_an_environment_variable_locks_its_row_and_is_named(qtbot: QtBot, tmp_path: Path) -> None:
    variable = next(name for name, field in VARIABLES.items() if field == "device")
    settings = made_settings(tmp_path, {variable: "cpu"})
    locked_page = page(qtbot, settings, "optimization")
    row = locked_page.rows["optimization.device"]
    assert not row.editor.isEnabled()
    assert row.editor.findChild(QComboBox).currentData() == "cpu"
    assert variable in row._help.text()
    assert not row._lock.isHidden()
    free_page = page(qtbot, made_settings(tmp_path), "optimization")
    free = free_page.rows["optimization.device"]
    assert free.editor.isEnabled()
    assert free._lock.isHidden()


@pytest.mark.parametrize(("flag", "refused"), [("tile_frames", 7), ("tile_frames", 49)])
def test_a_number_refused_by_the_engine_is_reset(
    qtbot: QtBot, tmp_path: Path, flag: str, refused: int
) -> None:
    settings = made_settings(tmp_path)
    made = page(qtbot, settings, "optimization")
    made.rows["optimization.skip_silence"].findChild(QCheckBox).click()
    box = made.rows[f"optimization.{flag}"].findChild(QDoubleSpinBox)
    before = box.value()
    box.setValue(refused)
    assert box.value() == before
    assert settings.optimization() == OptimizationConfig(skip_silence=False)


def test_restore_defaults_resets_the_page(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    settings.set(IDLE_MINUTES, 99)
    settings.set(NOTIFY, False)
    advanced = page(qtbot, settings, "advanced")
    button = next(b for b in advanced.findChildren(QPushButton) if "Defaults" in b.text())
    button.click()
    assert settings.value(IDLE_MINUTES) == IDLE_MINUTES.default
    assert settings.value(NOTIFY) is False


def test_every_control_has_a_name_for_assistive_technology(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    for name in ("general", "optimization", "models", "advanced"):
        shown = page(qtbot, settings, name)
        for key, row in shown.rows.items():
            focused = row.editor.focusProxy()
            assert focused is not None
            text = focused.accessibleName() or getattr(focused, "text", str)()
            assert text, key


def test_a_preset_sets_every_flag_that_is_not_overridden(qtbot: QtBot, tmp_path: Path) -> None:
    variable = next(name for name, field in VARIABLES.items() if field == "tile_frames")
    settings = made_settings(tmp_path, {variable: "800"})
    made = OptimizationPage(settings)
    qtbot.addWidget(made)
    for action in made.presets.actions():
        action.trigger()
    assert settings.optimization() == replace(OptimizationConfig.baseline(), tile_frames=800)
    assert made.rows["optimization.skip_silence"].findChild(QCheckBox).isChecked() is False


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> SettingsWindow:
    paths = AppPaths(tmp_path, tmp_path / "cache", tmp_path / "logs")
    made = SettingsWindow(made_settings(tmp_path), paths, tmp_path / "models")
    qtbot.addWidget(made)
    made.show()
    return made


def test_all_panes_open_and_the_last_one_is_remembered(
    qtbot: QtBot, window: SettingsWindow, tmp_path: Path
) -> None:
    bar = window.findChild(QToolBar)
    for action in bar.actions():
        action.trigger()
        assert window.windowTitle() == action.text()
        assert window._stack.currentWidget() is window._shown[action.data()]
    window.close_tasks()
    window.close()
    window._settings.flush()
    paths = AppPaths(tmp_path, tmp_path / "cache", tmp_path / "logs")
    again = SettingsWindow(made_settings(tmp_path), paths, tmp_path / "models")
    qtbot.addWidget(again)
    assert again.windowTitle() == "Advanced"


def test_an_unknown_remembered_pane_opens_general(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    settings.remember("settings_window.pane", "no such pane")
    settings.remember("settings_window.geometry", ["x", None])
    paths = AppPaths(tmp_path, tmp_path / "cache", tmp_path / "logs")
    made = SettingsWindow(settings, paths, tmp_path / "models")
    qtbot.addWidget(made)
    assert made.windowTitle() == "General"


def test_a_control_without_effect_is_disabled(qtbot: QtBot, tmp_path: Path) -> None:
    settings = made_settings(tmp_path)
    made = page(qtbot, settings, "general")
    row = made.rows[OUTPUT_FOLDER.key]
    assert not row.editor.isEnabled()
    settings.set(OUTPUT_PLACE, "folder")
    assert row.editor.isEnabled()
    settings.reset(OUTPUT_PLACE)
    assert not row.editor.isEnabled()


@pytest.mark.parametrize("language", ["en", "zh_TW"])
def test_the_names_of_a_form_stand_beside_their_controls(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path, language: str
) -> None:
    translators = install_translators(qapp, language)
    made = page(qtbot, made_settings(tmp_path), "general")
    made.resize(640, 600)
    made.layout().activate()
    for row in made.rows.values():
        name = made.form.labelForField(row)
        centres = [
            each.mapTo(made, each.rect().center()).y() for each in (name, row.editor.control)
        ]
        assert row.setting.kind == "bool" or abs(centres[0] - centres[1]) <= 2, row.setting.key
    for translator in translators:
        qapp.removeTranslator(translator)
