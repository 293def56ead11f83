from __future__ import annotations

import os
import plistlib
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QProcess
from PySide6.QtGui import QDesktopServices, QGuiApplication, QIcon
from pytestqt.qtbot import QtBot

from desktop.mac import finder as reveal_module
from desktop.mac.activity import SleepGuard, awake_command
from desktop.mac.finder import move_to_trash, reveal, reveal_command
from desktop.mac.login_item import LoginItem, start_command
from desktop.mac.presence import SystemPresence, progress_icon, show_progress, show_waiting
from desktop.queue.engine_protocol import Cancelled
from desktop.queue.job import Job, JobProgress, Voice
from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.settings.table import START_AT_LOGIN


def test_finder_gets_the_path_as_one_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    path = tmp_path / "a b; rm -rf 雅.wav"
    path.write_bytes(b"")
    assert reveal_command(path) == ("/usr/bin/open", ["-R", str(path)])


def test_on_other_systems_and_for_missing_files_the_nearest_folder_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    monkeypatch.setattr(reveal_module.sys, "platform", "linux")
    reveal(tmp_path / "gone" / "song.wav")
    assert opened == [str(tmp_path)]


def test_sleep_is_prevented_once_and_allowed_again(qtbot: QtBot) -> None:
    guard = SleepGuard(command=[sys.executable, "-c", "import time; time.sleep(60)"])
    guard.set_busy(True)
    guard.set_busy(True)
    process = guard._process
    assert process is not None
    assert process.waitForStarted(3000)
    with qtbot.waitSignal(process.finished, timeout=5000):
        guard.set_busy(False)
    assert not guard.is_held
    guard.set_busy(False)


def test_a_missing_program_is_ignored(qtbot: QtBot, tmp_path: Path) -> None:
    guard = SleepGuard(command=[str(tmp_path / "no such program")])
    failed = QProcess.ProcessError.FailedToStart
    for _ in range(2):
        guard.set_busy(True)
        process = guard._process
        assert process is not None
        qtbot.waitUntil(lambda process=process: process.error() == failed, timeout=5000)
        guard.set_busy(False)
        assert not guard.is_held


def test_only_macos_has_caffeinate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert awake_command(7) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert awake_command(7) == ["/usr/bin/caffeinate", "-i", "-w", "7"]


def test_the_login_item_is_one_file_that_is_written_and_deleted(tmp_path: Path) -> None:
    item = LoginItem(["/usr/bin/open", "/Applications/Ultimate RVC.app"], tmp_path / "agents")
    assert item.is_available
    item.set_on(on=True)
    (file,) = (tmp_path / "agents").iterdir()
    content = plistlib.loads(file.read_bytes())
    assert content["ProgramArguments"][1] == "/Applications/Ultimate RVC.app"
    assert content["RunAtLoad"] is True
    assert item.is_on
    item.set_on(on=False)
    item.set_on(on=False)
    assert not item.is_on


def test_without_launch_agents_nothing_happens() -> None:
    item = LoginItem(["x"], None)
    item.set_on(on=True)
    assert not item.is_available
    assert not item.is_on


def test_the_bundle_is_started_by_open_and_a_source_tree_by_its_launcher() -> None:
    inside = Path("/Applications/Ultimate RVC.app/Contents/MacOS/Ultimate RVC")
    assert start_command(inside) == [
        "/usr/bin/open",
        "/Applications/Ultimate RVC.app",
        "--args",
        "--background",
    ]
    made_up = Path("/private/var/folders/x/AppTranslocation/1-2/d", *inside.parts[2:])
    assert start_command(made_up)[1:3] == ["-b", "local.ultimate-rvc"]
    framework = Path("/Library/Python.framework/Resources/Python.app/Contents/MacOS/Python")
    launcher, *arguments = start_command(framework)
    assert arguments == ["run", "--background"]
    assert Path(launcher).name == "urvc-macos.sh"
    assert os.access(launcher, os.X_OK)


def test_the_dock_shows_the_number_of_waiting_files(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_waiting(3)  # the true call, where there is no Dock
    given: list[int] = []
    monkeypatch.setattr(QGuiApplication, "setBadgeNumber", lambda _app, n: given.append(n))
    show_waiting(3)
    show_waiting(0)
    assert given == [3, 0]
    monkeypatch.setattr(QGuiApplication, "instance", staticmethod(lambda: None))
    show_waiting(2)
    assert given == [3, 0]


def test_the_icon_in_the_dock_fills_with_the_progress(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def white(percent: int) -> int:
        image = progress_icon(percent).pixmap(512, 512).toImage()
        return sum(image.pixelColor(x, 396).lightness() > 240 for x in range(512))

    assert 0 < white(0) < 40
    assert white(50) == pytest.approx(118, abs=12)
    assert white(100) == white(250) == pytest.approx(236, abs=12)
    set_icons: list[QIcon] = []
    monkeypatch.setattr(
        QGuiApplication, "setWindowIcon", staticmethod(lambda icon: set_icons.append(icon))
    )
    monkeypatch.setattr(sys, "platform", "darwin")
    show_progress(30)
    show_progress(None)
    assert len(set_icons) == 2
    monkeypatch.setattr(sys, "platform", "linux")
    show_progress(30)
    assert len(set_icons) == 2


def test_the_dock_shows_the_progress_in_steps_and_is_reset_at_the_end(
    tmp_path: Path, settings: Settings
) -> None:
    queue, drawn = JobQueue(), list[int | None]()
    item = LoginItem(["app"], None)
    presence = SystemPresence(queue, settings, item, lambda _: None, drawn.append)
    job = Job(source=tmp_path / "a", voice=Voice("V", tmp_path))
    queue.add([job])
    queue.begin(job.id)
    for fraction in (0.1, 0.101, 0.111, 0.5):
        queue.set_progress(JobProgress(job.id, fraction))
    queue.finish(Cancelled(job.id))
    assert drawn == [0, 10, 50, None]
    assert presence is not None


def test_trash_moves_and_a_missing_file_is_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="gone"):
        move_to_trash(tmp_path / "gone")


def test_the_dock_counts_unfinished_jobs_and_the_setting_creates_the_login_item(
    tmp_path: Path, settings: Settings
) -> None:
    queue, shown = JobQueue(), [0]
    item = LoginItem(["app"], tmp_path / "agents")
    presence = SystemPresence(queue, settings, item, shown.append)
    jobs = [Job(source=tmp_path / name, voice=Voice("V", tmp_path)) for name in "ab"]
    queue.add(jobs)
    queue.begin(jobs[0].id)
    queue.cancel([jobs[1].id])
    queue.remove([job.id for job in jobs])
    assert shown[:3] == [0, 2, 1]
    settings.set(START_AT_LOGIN, True)
    assert item.is_on
    settings.set(START_AT_LOGIN, False)
    assert not item.is_on
    assert presence is not None


def test_a_login_item_that_cannot_be_written_resets_the_setting(
    tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "agents").write_text("a file where the folder should be")
    presence = SystemPresence(JobQueue(), settings, LoginItem(["app"], tmp_path / "agents"))
    settings.set(START_AT_LOGIN, True)
    assert settings.value(START_AT_LOGIN) is False
    assert presence is not None
