"""A job whose networks are missing waits for them, and goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.networks import models_page
from desktop.networks.network_needs import NetworkDownload, NetworkNeeds, agree_to_licence
from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_table import Column
from desktop.settings.table import MIRROR
from desktop.storage import AppPaths
from engine.library.networks import NETWORKS
from engine.library.voice_library import VoiceLibrary
from engine.options import ConversionOptions
from tests.desktop.fake_engine import FakeEngine, job
from tests.desktop.networks.test_models_page import LARGE, NETWORK, SMALL
from tests.engine.library.download.http_server import Fault, FaultServer, running_server
from tests.engine.loading import zoo

WAIT_MS = 15_000
LICENSED = replace(NETWORK, licence_first=True)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def server(models: Path) -> Iterator[FaultServer]:
    with running_server() as running:
        running.put(SMALL, "/config")
        running.put(LARGE, "/weights")
        yield running


@pytest.fixture
def start(
    app_paths: AppPaths, models: Path, tmp_path: Path, qtbot: QtBot
) -> Iterator[Callable[[], App]]:
    (tmp_path / "Aria.pth").write_bytes(zoo.voice(0))
    VoiceLibrary(app_paths.voices_dir).import_files([tmp_path / "Aria.pth"])
    made: list[App] = []

    def make() -> App:
        app = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
        made.append(app)
        app.start()
        return app

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(start: Callable[[], App], server: FaultServer) -> App:
    """With a network that the test's server has."""
    made = start()
    made.needs.networks = {NETWORK.key: NETWORK}
    made.settings.set(MIRROR, server.base)
    return made


def drop(app: App, folder: Path, name: str = "song.wav") -> Job:
    (folder / name).touch()
    app.draft.set_voice(next(each for each in app.voices.voices() if each.name == "Aria"))
    app.take([folder / name])
    return app.queue.jobs()[-1]


def cell(app: App, column: Column, row: int = 0) -> str:
    return str(app.queue.data(app.queue.index(row, column), Qt.ItemDataRole.DisplayRole))


def is_finished(app: App) -> bool:
    return all(each.state is JobState.FINISHED for each in app.queue.jobs())


def test_nothing_is_asked_at_the_first_start(start: Callable[[], App]) -> None:
    before = {each for each in QApplication.topLevelWidgets() if each.isVisible()}
    app = start()
    others = {each for each in QApplication.topLevelWidgets() if each.isVisible()}
    assert others - before == {app.window}
    assert app.window.notice.text == ""


def test_a_job_waits_for_its_networks_and_survives_a_restart(
    start: Callable[[], App], tmp_path: Path
) -> None:
    first = start()
    waiting = drop(first, tmp_path)
    assert waiting.state is JobState.NEEDS_NETWORKS
    assert cell(first, Column.STATE) == "Needs 370 MB"
    assert not first.queue.is_busy
    panel = first.window.detail.needs
    assert panel.isVisible()
    assert panel.download.text() == "Download 370 MB"
    assert "“Aria” needs networks" in panel.text
    assert "RMVPE" in panel.text
    assert "1 waiting for a download" in first.window.areas.status[0]
    first.close()
    second = start()
    assert cell(second, Column.STATE) == "Needs 370 MB"
    assert second.queue.count(JobState.INTERRUPTED) == 0


def test_a_hidden_window_comes_forward_when_the_user_has_to_decide(
    app: App, tmp_path: Path
) -> None:
    app.window.hide()
    drop(app, tmp_path)
    assert app.window.isVisible()
    assert app.window.actions_.download.isVisible()


def test_the_rows_button_downloads_and_the_job_goes_on(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    drop(app, tmp_path)
    view = app.window.queue_view
    view.setFocus()
    _, chosen = view.row_buttons
    qtbot.waitUntil(chosen.button("download").isVisible, timeout=WAIT_MS)
    QTest.mouseClick(chosen.button("download"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: is_finished(app), timeout=WAIT_MS)
    assert (tmp_path / "models/net/weights").read_bytes() == LARGE


def test_a_failed_download_says_why_and_can_be_tried_again(
    app: App, qtbot: QtBot, tmp_path: Path, server: FaultServer
) -> None:
    server.put(LARGE[::-1], "/weights")
    drop(app, tmp_path)
    drop(app, tmp_path, "second.wav")
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    panel = app.window.detail.needs
    panel.download.click()
    assert panel.stop.isVisible()
    assert cell(app, Column.STATE, row=1).startswith("Downloading")
    qtbot.waitUntil(lambda: "SHA-256" in app.window.notice.text, timeout=WAIT_MS)
    assert app.queue.count(JobState.NEEDS_NETWORKS) == 2
    server.put(LARGE, "/weights")
    panel.download.click()
    qtbot.waitUntil(lambda: is_finished(app), timeout=WAIT_MS)


def test_a_file_chosen_in_the_settings_lets_the_job_go_on(
    app: App, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_bytes(LARGE)
    monkeypatch.setattr(models_page, "NETWORKS", (NETWORK,))
    answer = (str(tmp_path / "mine"), "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: answer)
    drop(app, tmp_path)
    app.window.detail.needs.models.click()
    assert app.settings_window is not None
    assert app.settings_window.isVisible()
    (card,) = app.settings_window.findChildren(models_page.NetworkCard)
    card.take_in.click()
    qtbot.waitUntil(lambda: is_finished(app), timeout=WAIT_MS)


def test_networks_that_vanish_before_their_turn_are_asked_for(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "net"
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(SMALL)
    (folder / "weights").write_bytes(LARGE)
    drop(app, tmp_path, "slow.wav")
    later = drop(app, tmp_path, "later.wav")
    assert later.state is JobState.WAITING
    (folder / "weights").unlink()
    app.queue.cancel([app.queue.jobs()[0].id])
    lacking = lambda: app.queue.count(JobState.NEEDS_NETWORKS) == 1  # noqa: E731
    qtbot.waitUntil(lacking, timeout=WAIT_MS)
    assert not app.queue.is_busy


def test_a_job_lacks_what_its_voice_and_its_method_need(tmp_path: Path) -> None:
    encoders = {"aria": "contentvec", "spin": "spin", "starter": "urvc-starter"}
    needs = NetworkNeeds(tmp_path, encoders.get)
    base = job()
    tracked = base.options.with_values({"pitch_method": "rmvpe"})
    kinds = [
        replace(base, voice=replace(base.voice, key=key), options=options)
        for key, options in (
            ("aria", ConversionOptions()),
            ("aria", base.options.with_values({"pitch_method": "yin"})),
            ("starter", ConversionOptions()),
            ("starter", tracked),
            ("spin", ConversionOptions()),
            ("gone", ConversionOptions()),
        )
    ]
    pair = ("content", "pitch")
    expected = [pair, ("content",), (), ("pitch",), ("spin", "pitch"), ()]
    assert needs.missing(kinds) == expected
    content = next(each for each in NETWORKS if each.key == "content")
    for file in content.variants[0]:
        file.path(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        file.path(tmp_path).write_bytes(b"x")
    assert needs.missing(kinds[:1]) == [()]  # the automatic choice takes another method
    waiting = replace(kinds[0], needs=("content", "pitch"))
    assert needs.missing([waiting]) == [("pitch",)]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_licence_is_accepted_before_the_download(
    agreed: bool, qtbot: QtBot, tmp_path: Path, server: FaultServer
) -> None:
    needs = NetworkNeeds(tmp_path / "models", lambda _key: "contentvec", [LICENSED])
    queue = JobQueue([], needs.missing)
    queue.add([job()])
    download = NetworkDownload(queue, needs, lambda: server.base, lambda *_: agreed)
    download.start([queue.jobs()[0].id])
    assert download.task.is_running == agreed
    if agreed:
        qtbot.waitUntil(lambda: queue.count(JobState.WAITING) == 1, timeout=WAIT_MS)
    else:
        assert server.seen == []
    download.close()


def test_a_download_that_no_job_waits_for_stops(
    qtbot: QtBot, tmp_path: Path, server: FaultServer
) -> None:
    server.faults += [Fault(), Fault(pause_s=0.2, piece=10_000)]
    needs = NetworkNeeds(tmp_path / "models", lambda _key: "contentvec", [NETWORK])
    queue = JobQueue([], needs.missing)
    queue.add([job("a.wav"), job("b.wav")])
    download = NetworkDownload(queue, needs, lambda: server.base)
    first, second = queue.jobs()
    download.start([first.id])
    queue.remove([first.id])
    assert queue.download(second) is not None
    queue.cancel([second.id])
    qtbot.waitUntil(lambda: not download.task.is_running, timeout=WAIT_MS)
    assert not (tmp_path / "models/net/weights").exists()
    queue.retry([second.id])
    assert queue.download(queue.jobs()[0]) is None
    download.close()


def test_a_licence_is_read_before_it_is_accepted(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    from PySide6.QtGui import QDesktopServices

    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    seen: list[bool] = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        buttons = {each.text(): each for each in box.findChildren(QPushButton)}
        seen.append(buttons["Accept and Download"].isEnabled())
        buttons["Read Licence"].click()
        seen.append(buttons["Accept and Download"].isEnabled())
        buttons["Accept and Download"].click()

    QTimer.singleShot(0, answer)
    assert agree_to_licence(None, LICENSED)
    assert seen == [False, True]
    assert opened == [LICENSED.source_page]
