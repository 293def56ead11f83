from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from pytestqt.qtbot import QtBot

from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.shell.main_window import MainWindow
from desktop.storage import AppPaths
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from engine.library.voice_library import VoiceLibrary
from tests.engine.library.download.http_server import FaultServer, running_server
from tests.engine.loading import zoo


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def window(
    qtbot: QtBot, models: Path, settings: Settings, app_paths: AppPaths, tmp_path: Path
) -> Iterator[MainWindow]:
    library = VoiceLibrary(app_paths.voices_dir)
    for singer, name, labels in ((0, "Aria", {}), (1, "Spin", {"embedder_model": "spin"})):
        (tmp_path / f"{name}.pth").write_bytes(zoo.voice(singer, **labels))
        library.import_files([tmp_path / f"{name}.pth"])
    voices = VoiceList(app_paths.voices_dir)
    made = MainWindow(JobQueue(), Draft(settings, voices), voices, settings)
    qtbot.addWidget(made)
    yield made
    made.voice_dialogs.close_tasks()


@pytest.fixture
def server(models: Path) -> Iterator[FaultServer]:
    with running_server() as running:
        yield running


def link_event(kind: Callable[..., object], link: str) -> object:
    content = QMimeData()
    content.setUrls([QUrl(link)])
    place = QPointF(5, 5) if kind is QDropEvent else QPointF(5, 5).toPoint()
    event = kind(
        place,
        Qt.DropAction.CopyAction,
        content,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.content = content  # Qt does not own it
    return event


def test_a_pasted_link_opens_the_dialog(
    qtbot: QtBot, window: MainWindow, server: FaultServer
) -> None:
    link = server.put(zoo.packed({"Bela.pth": zoo.voice(9)}), "/Bela.zip")
    QGuiApplication.clipboard().setText(f"  {link}\n")
    window.actions_.paste.trigger()
    links = window.voice_dialogs.links
    assert links is not None
    qtbot.waitUntil(lambda: not links.task.is_running, timeout=10_000)
    assert links.isVisible()
    assert not links.isModal()
    item = links.list.topLevelItem(0)
    assert [item.text(column) for column in range(2)] == ["Bela.zip", "Bela.pth"]
    assert [seen.headers.get("Range", "")[:6] for seen in server.seen] == ["", "bytes="]


def test_other_text_in_the_clipboard_is_not_a_link(window: MainWindow) -> None:
    QGuiApplication.clipboard().setText("see https://a.example/x.zip for more")
    window.actions_.paste.trigger()
    assert window.voice_dialogs.links is None
    assert window.notice.text == "The clipboard contains no file or link"


def test_a_dropped_link_is_announced_and_its_voice_installed_and_chosen(
    qtbot: QtBot, window: MainWindow, server: FaultServer
) -> None:
    link = server.put(zoo.packed({"Bela.pth": zoo.voice(9)}), "/Bela.zip")
    enter = link_event(QDragEnterEvent, link)
    window.dragEnterEvent(enter)  # type: ignore[arg-type]
    assert window.overlay.text == "Show What This Link Offers"
    assert window.overlay.detail == link
    window.dropEvent(link_event(QDropEvent, link))  # type: ignore[arg-type]
    links = window.voice_dialogs.links
    assert links is not None
    qtbot.waitUntil(links.download.isEnabled, timeout=10_000)
    with qtbot.waitSignal(links.imported, timeout=20_000):
        links.download.click()
    assert window.voice_name() == "Bela"
