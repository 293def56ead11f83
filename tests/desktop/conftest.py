"""Every test of the app runs without a screen, and far from the user's own data."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported: else it aborts

from PySide6.QtWidgets import QApplication

from desktop.settings.store import Settings
from desktop.storage import AppPaths
from desktop.translation import install_translators


@pytest.fixture(autouse=True)
def _no_widget_dies_on_a_worker_thread() -> Iterator[None]:
    """As in the app, garbage is collected on the GUI thread only."""
    gc.disable()
    yield
    gc.collect(1)
    gc.enable()


@pytest.fixture
def app_paths(tmp_path: Path) -> AppPaths:
    """Folders of an app that has never run."""
    data = tmp_path / "app data"
    return AppPaths(data, data / "cache", data / "logs")


@pytest.fixture
def settings(app_paths: AppPaths, qapp: object) -> Settings:
    """Settings as at first, in no particular environment."""
    return Settings(app_paths.settings_file, {})


@pytest.fixture
def chinese(qapp: QApplication) -> Iterator[None]:
    """The app speaks Traditional Chinese during the test."""
    install_translators(qapp, "zh_TW")
    yield
    install_translators(qapp, "en")
