from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from desktop.voices.link_dialog import LinkDialog
from engine.library.voice_library import VoiceLibrary
from tests.engine.library.download.http_server import Fault, FaultServer, running_server
from tests.engine.loading import zoo

ARIA = zoo.packed({"Aria.pth": zoo.voice(), "Aria.index": zoo.index()})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_server() as running:
        yield running


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path, server: FaultServer) -> Iterator[LinkDialog]:
    made = LinkDialog(VoiceLibrary(tmp_path / "voices"), lambda: server.base)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.task.close()


def asked(qtbot: QtBot, dialog: LinkDialog, link: str) -> str:
    dialog.ask(link)
    return ended(qtbot, dialog)


def ended(qtbot: QtBot, dialog: LinkDialog) -> str:
    qtbot.waitUntil(lambda: not dialog.task.is_running, timeout=20_000)
    return dialog.message.text()


def rows(dialog: LinkDialog) -> list[list[str]]:
    items = [dialog.list.topLevelItem(row) for row in range(dialog.list.topLevelItemCount())]
    return [[item.text(column) for column in range(3)] for item in items if not item.isHidden()]


def put_repository(server: FaultServer, names: list[str]) -> str:
    entries = [{"type": "file", "path": name, "size": len(ARIA)} for name in names]
    server.put(json.dumps(entries).encode(), "/api/models/ann/v/tree/main?recursive=true")
    for name in names:
        server.put(ARIA, f"/ann/v/resolve/main/{name}")
    return server.url("/ann/v")


def test_escape_the_close_button_and_the_frame_close_it(qtbot: QtBot, dialog: LinkDialog) -> None:
    for close in (
        lambda: qtbot.keyClick(dialog.field, Qt.Key.Key_Escape),
        dialog.close_button.click,
        dialog.close,
    ):
        dialog.show()
        close()
        assert not dialog.isVisible()


def test_size_source_and_files_are_shown_before_the_download(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer
) -> None:
    told = asked(qtbot, dialog, put_repository(server, ["x/aria.pth", "x/added_aria.index"]))
    size = f"{2 * len(ARIA) / 1000:.1f} kB"
    assert rows(dialog) == [["x/aria.pth", "aria.pth, added_aria.index", size]]
    assert told == "From 127.0.0.1. Nothing has been downloaded yet."
    assert [seen.path for seen in server.seen] == ["/api/models/ann/v/tree/main?recursive=true"]
    assert dialog.download.isEnabled()


def test_the_chosen_offer_is_downloaded_installed_and_reported(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer
) -> None:
    told = asked(qtbot, dialog, put_repository(server, ["Aria.zip", "Bela.zip"]))
    assert told.startswith("2 voices at 127.0.0.1.")
    assert not dialog.download.isEnabled()
    dialog.list.setCurrentItem(dialog.list.topLevelItem(0))
    with qtbot.waitSignal(dialog.imported, timeout=20_000) as signal:
        dialog.download.click()
    (imported,) = signal.args[0].imported
    assert imported.voice.name == "Aria"
    assert imported.voice.source.endswith("/ann/v/resolve/main/Aria.zip")
    assert ended(qtbot, dialog) == "Imported: Aria."


def test_many_offers_can_be_searched_and_a_hidden_one_is_not_chosen(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer
) -> None:
    asked(qtbot, dialog, put_repository(server, [f"voice {n}.zip" for n in range(12)]))
    assert not dialog.filter.isHidden()
    dialog.list.setCurrentItem(dialog.list.topLevelItem(0))
    dialog.filter.setText("VOICE 1")
    assert [row[0] for row in rows(dialog)] == ["voice 1.zip", "voice 10.zip", "voice 11.zip"]
    assert dialog.chosen() is None
    assert not dialog.download.isEnabled()


def test_a_stopped_download_continues_where_it_stopped(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer, tmp_path: Path
) -> None:
    asked(qtbot, dialog, put_repository(server, ["Aria.zip"]))
    server.faults.append(Fault(pause_s=0.05, piece=4_000))
    dialog.download.click()
    parts = tmp_path / "voices" / ".downloads"
    qtbot.waitUntil(
        lambda: any(each.stat().st_size > 8_000 for each in parts.rglob("*.part")), timeout=10_000
    )
    dialog.cancel.click()
    assert ended(qtbot, dialog) == "Stopped. Download again to continue."
    assert VoiceLibrary(tmp_path / "voices").voices()[1:] == ()
    dialog.download.click()
    assert ended(qtbot, dialog) == "Imported: Aria."
    assert server.seen[-1].headers["Range"].startswith("bytes=")


def test_closing_stops_the_download(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer, tmp_path: Path
) -> None:
    asked(qtbot, dialog, put_repository(server, ["Aria.zip"]))
    server.faults.append(Fault(pause_s=0.05, piece=1_000))
    dialog.download.click()
    dialog.close()
    ended(qtbot, dialog)
    assert VoiceLibrary(tmp_path / "voices").voices()[1:] == ()


@pytest.mark.parametrize("link", ["no link", "https://[/", "ftp://a.example/x.zip", "/none.zip"])
def test_a_link_without_a_voice_gives_one_sentence(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer, link: str
) -> None:
    told = asked(qtbot, dialog, server.url("/ann/none") if link == "/none.zip" else link)
    assert told.startswith("Cannot get a voice from this address: ")
    assert rows(dialog) == []
    assert dialog.look_button.isEnabled()
    assert not dialog.download.isEnabled()


def test_offers_of_the_previous_link_cannot_be_downloaded(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer
) -> None:
    asked(qtbot, dialog, put_repository(server, ["x/aria.pth"]))
    assert dialog.download.isEnabled()
    dialog.field.setText(server.url("/ann/w"))
    assert rows(dialog) == []
    assert dialog.chosen() is None
    assert not dialog.download.isEnabled()


def test_a_link_entered_while_another_is_loading_is_loaded_next(
    qtbot: QtBot, dialog: LinkDialog, server: FaultServer
) -> None:
    link = put_repository(server, ["x/aria.pth"])
    dialog.ask(server.url("/nowhere.zip"))
    dialog.ask(link)
    qtbot.waitUntil(lambda: bool(rows(dialog)), timeout=20_000)
    assert dialog.field.text() == link
    assert rows(dialog)[0][0] == "x/aria.pth"
