"""Every test of the app runs without a screen, and far from the user's own data."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported: else it aborts

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.settings.store import Settings
from desktop.storage import AppPaths
from desktop.translation import install_translators

BUSY_MACHINE_MS = 120_000
"""At least so long a test waits for what must come, whatever else the machine does."""


class _PatientBot(QtBot):
    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = 0) -> None:  # noqa: N802
        super().waitUntil(callback, timeout=max(timeout, BUSY_MACHINE_MS))

    def waitSignal(self, signal: Any, *, timeout: int = 0, **more: Any) -> Any:  # noqa: N802
        return super().waitSignal(signal, timeout=_patience_ms(timeout, more), **more)

    def waitSignals(self, signals: Any, *, timeout: int = 0, **more: Any) -> Any:  # noqa: N802
        return super().waitSignals(signals, timeout=_patience_ms(timeout, more), **more)


def _patience_ms(asked_ms: int, more: dict[str, Any]) -> int:
    """`assertNotEmitted` waits for nothing, and says so by `raising`."""
    return asked_ms if more.get("raising") is False else max(asked_ms, BUSY_MACHINE_MS)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """pytest-qt's, on a machine that may be busy."""
    return _PatientBot(request)


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
