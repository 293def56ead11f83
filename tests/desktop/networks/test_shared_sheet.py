from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from pytestqt.qtbot import QtBot

from desktop.networks.shared_sheet import SharedSheet
from desktop.queue.drop_window import DropWindow
from tests.desktop.networks.test_models_page import LARGE, NETWORK, SMALL
from tests.engine.library.download.http_server import Fault, FaultServer, running_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_server() as running:
        running.put(SMALL, "/config")
        running.put(LARGE, "/weights")
        yield running


@pytest.fixture
def sheet(qtbot: QtBot, tmp_path: Path, server: FaultServer) -> Iterator[SharedSheet]:
    made = SharedSheet(tmp_path / "models", lambda: server.base, networks=(NETWORK,))
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close_tasks()


def test_no_server_is_contacted_before_the_button_is_pressed(
    sheet: SharedSheet, server: FaultServer
) -> None:
    assert "600.0 kB" in sheet.download.text()
    assert sheet.later.text() == "Not Now"
    sheet.later.click()
    assert sheet.isHidden()
    assert server.seen == []


def test_all_networks_are_downloaded_and_checked(
    qtbot: QtBot, sheet: SharedSheet, tmp_path: Path
) -> None:
    sheet.download.click()
    assert sheet.later.text() == "Continue in Background"
    assert not sheet.download.isEnabled()
    qtbot.waitUntil(lambda: not sheet.is_busy, timeout=10_000)
    assert (tmp_path / "models/net/weights").read_bytes() == LARGE
    assert sheet.later.text() == "Done"
    assert sheet.download.isHidden()


def test_a_closed_sheet_continues_downloading(
    qtbot: QtBot, sheet: SharedSheet, server: FaultServer, tmp_path: Path
) -> None:
    server.faults.append(Fault())
    server.faults.append(Fault(pause_s=0.01, piece=60_000))
    sheet.download.click()
    sheet.later.click()
    assert sheet.isHidden()
    assert sheet.is_busy
    qtbot.waitUntil(lambda: not sheet.is_busy, timeout=10_000)
    assert (tmp_path / "models/net/weights").read_bytes() == LARGE


def test_a_wrong_file_is_refused_and_can_be_tried_again(
    qtbot: QtBot, sheet: SharedSheet, server: FaultServer, tmp_path: Path
) -> None:
    server.put(LARGE[::-1], "/weights")
    sheet.download.click()
    qtbot.waitUntil(lambda: not sheet.is_busy, timeout=10_000)
    assert "SHA-256" in sheet.cards[0].message.text()
    assert not (tmp_path / "models/net/weights").exists()
    assert sheet.download.isEnabled()


def test_drops_on_the_sheet_go_to_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    class Window(DropWindow):
        taken: tuple[Path, ...] = ()

        def take(self, paths: object) -> None:
            self.taken = tuple(paths)  # type: ignore[arg-type]

    window = Window()
    qtbot.addWidget(window)
    sheet = SharedSheet(tmp_path / "models", str, parent=window)
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(tmp_path / "song.wav"))])
    sheet.dropEvent(
        QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            content,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    assert window.taken == (tmp_path / "song.wav",)
