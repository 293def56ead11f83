"""Logs, report, data folder, and a fresh start."""

from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop.problems import KEPT_LOGS, LOG_FILE, MAX_LOG_BYTES, CrashReporter
from desktop.settings.store import Settings
from desktop.settings.table import IDLE_MINUTES, LEVEL_MATCH, PROFILING
from desktop.shell import settings_window as advanced_page
from desktop.shell.settings_window import AdvancedPage
from desktop.storage import AppPaths
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from engine.options import ConversionOptions

SECRET = Path("/", "Users", "somebody", "secret", "file.wav")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    shown: list[Path] = []
    monkeypatch.setattr(advanced_page, "reveal", shown.append)
    return shown


def test_logs_report_and_data_can_be_opened(
    qtbot: QtBot, settings: Settings, app_paths: AppPaths, shown: list[Path]
) -> None:
    page = AdvancedPage(settings, app_paths, lambda: "what went wrong")
    qtbot.addWidget(page)
    page.open_logs.click()
    assert app_paths.logs.is_dir()
    (app_paths.logs / LOG_FILE).write_text("x")
    page.open_logs.click()
    page.show_data.click()
    assert [path.parent for path in shown] == [app_paths.logs, app_paths.logs, app_paths.data]
    assert shown[1].name == LOG_FILE
    page.copy_report.click()
    assert QGuiApplication.clipboard().text() == "what went wrong"


def test_exact_timings_can_be_switched_on_the_advanced_page(
    qtbot: QtBot, settings: Settings, app_paths: AppPaths
) -> None:
    page = AdvancedPage(settings, app_paths, str)
    qtbot.addWidget(page)
    page.rows[PROFILING.key].editor.edited.emit(True)
    assert settings.value(PROFILING)
    assert settings.optimization().enable_profiling


def test_everything_is_reset_only_when_agreed(
    qtbot: QtBot, settings: Settings, app_paths: AppPaths
) -> None:
    draft = Draft(settings, VoiceList(app_paths.voices_dir))
    draft.set_options(ConversionOptions(semitones=5))
    settings.set(IDLE_MINUTES, 99)
    settings.set(LEVEL_MATCH, False)
    settings.remember("window.geometry", "kept")
    answers = iter([False, True])
    page = AdvancedPage(settings, app_paths, str, lambda *_: next(answers))
    qtbot.addWidget(page)
    page.reset_all.click()
    assert (settings.value(IDLE_MINUTES), draft.options.semitones) == (99, 5)
    page.reset_all.click()
    assert settings.value(IDLE_MINUTES) == IDLE_MINUTES.default
    assert settings.value(LEVEL_MATCH)
    assert draft.options == ConversionOptions()
    assert settings.memory("window.geometry") == "kept"


def test_long_logs_are_rotated_and_the_oldest_is_deleted(tmp_path: Path, qapp: object) -> None:
    reporter = CrashReporter(tmp_path)
    log = tmp_path / LOG_FILE
    for number in range(KEPT_LOGS + 3):
        log.write_text(f"{number}" + "x" * MAX_LOG_BYTES)
        reporter.note(RuntimeError(f"a mistake in {SECRET}"))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["problems.1.log", "problems.2.log", "problems.3.log", "problems.log"]
    assert (tmp_path / "problems.1.log").read_text().startswith(f"{KEPT_LOGS + 2}x")
    assert "a mistake" in log.read_text()
    assert "somebody" not in log.read_text()
    assert log.stat().st_size < MAX_LOG_BYTES


def test_the_cache_can_be_cleared_and_its_size_is_shown(
    qtbot: QtBot, settings: Settings, app_paths: AppPaths
) -> None:
    app_paths.takes_cache.mkdir(parents=True)
    (app_paths.takes_cache / "a.safetensors").write_bytes(bytes(3_000_000))
    (app_paths.takes_cache / ".b.part").touch()
    page = AdvancedPage(settings, app_paths, str)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: page.cache_size == "3 MB")
    page.clear_cache.click()
    qtbot.waitUntil(lambda: page.cache_size == "empty")
    assert [path.name for path in app_paths.takes_cache.iterdir()] == [".b.part"]
    assert not page.clear_cache.isEnabled()
