from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from desktop.mac.notification import NotificationCenter
from desktop.queue.engine_protocol import Cancelled, Failed, Finished, Outcome
from desktop.queue.job import Job, JobProgress, JobState, Voice
from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.settings.table import NOTIFY, SHOW_MENU_BAR
from desktop.shell.menu_bar import MenuBar, clipboard_files
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from engine.errors import Text

STARTER = Voice("Starter", Path("voice.pth"), key="starter")


class Banners(NotificationCenter):
    """Those of macOS, as if there were some."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bool] = []
        self.told: list[tuple[str, Path | None]] = []

    @property
    def is_available(self) -> bool:
        return True

    def ask(self, busy: bool) -> None:
        self.asked.append(busy)

    def tell(self, title: str, text: str, file: Path | None, button: str) -> None:
        assert text
        assert button == "Show in Finder"
        self.told.append((title, file))


class Bench:
    """A menu bar with everything it looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue = JobQueue()
        self.settings = Settings(folder / "settings.json", {})
        self.voices = VoiceList(folder / "voices")
        self.draft = Draft(self.settings, self.voices)
        self.chosen: list[Path] = []
        self.revealed: list[Path] = []
        self.banners = Banners()
        self.bar = MenuBar(
            self.queue,
            self.draft,
            self.voices,
            self.settings,
            choose=lambda _parent, _title, _kinds: self.chosen,
            show_file=self.revealed.append,
            banners=self.banners,
        )

    def titles(self, menu: QMenu | None = None) -> list[str]:
        if menu is None:
            self.bar.menu.aboutToShow.emit()
        shown = (menu or self.bar.menu).actions()
        return [action.text() for action in shown if not action.isSeparator()]

    def action(self, beginning: str) -> QAction:
        self.bar.menu.aboutToShow.emit()
        return next(a for a in self.bar.menu.actions() if a.text().startswith(beginning))

    def submenu(self, beginning: str) -> QMenu:
        menu = self.action(beginning).menu()
        assert isinstance(menu, QMenu)
        return menu

    def job(self, name: str, **more: object) -> Job:
        return replace(Job(source=self.folder / name, voice=STARTER), **more)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_idle_menu_offers_everything_but_nothing_to_cancel(bench: Bench) -> None:
    assert bench.titles() == [
        "Quick Convert…",
        "Quick Convert from Clipboard",
        "Voice: Starter",
        "Recent Results",
        "Open Ultimate RVC",
        "Settings…",
        "Quit Ultimate RVC",
    ]
    assert not bench.action("Recent").isEnabled()
    assert bench.bar.percent is None


def test_a_busy_menu_shows_the_progress_and_cancels(bench: Bench) -> None:
    jobs = [bench.job("a.wav"), bench.job("b.wav"), bench.job("c.wav")]
    bench.queue.add(jobs)
    bench.queue.begin(jobs[0].id)
    bench.queue.set_progress(JobProgress(jobs[0].id, fraction=0.456))
    assert bench.bar.percent == 45
    assert bench.titles()[:4] == [
        "Converting “a.wav”: 45 %",
        "Cancel “a.wav”",
        "Waiting: 2",
        "Cancel All",
    ]
    bench.action("Cancel “a").trigger()
    assert bench.queue.is_stopping(jobs[0].id)
    bench.action("Cancel All").trigger()
    assert bench.queue.count(JobState.CANCELLED) == 2


def test_the_icon_is_reset_when_the_work_is_done(bench: Bench) -> None:
    job = bench.job("a.wav")
    bench.queue.add([job])
    bench.queue.begin(job.id)
    bench.queue.set_progress(JobProgress(job.id, fraction=0.5))
    (bench.folder / "out.wav").write_bytes(b"x")
    bench.queue.finish(Finished(job.id, bench.folder / "out.wav", 1.0, 1.0, (), "cpu", 0, 0))
    assert bench.bar.percent is None
    assert bench.bar.tray.toolTip()


def test_results_that_are_still_there_are_recent_newest_first(bench: Bench) -> None:
    done = []
    for k in range(7):
        path = bench.folder / f"out {k}.wav"
        path.write_bytes(b"x")
        done.append(bench.job(f"{k}.wav", state=JobState.FINISHED, output=path))
    (bench.folder / "out 6.wav").unlink()
    bench.queue.add(done)
    recent = bench.submenu("Recent")
    assert bench.titles(recent) == [f"out {k}.wav" for k in (5, 4, 3, 2, 1)]
    recent.actions()[0].trigger()
    assert bench.revealed == [bench.folder / "out 5.wav"]


def test_quick_convert_emits_the_chosen_files(bench: Bench, qtbot: QtBot) -> None:
    bench.chosen = [bench.folder / "song.mp3"]
    with qtbot.waitSignal(bench.bar.files_chosen) as told:
        bench.action("Quick Convert…").trigger()
    assert told.args == [bench.chosen]
    bench.chosen = []
    with qtbot.assertNotEmitted(bench.bar.files_chosen):
        bench.action("Quick Convert…").trigger()


def test_the_clipboard_is_offered_when_it_holds_files(bench: Bench, qtbot: QtBot) -> None:
    path = bench.folder / "a & b.wav"
    path.write_bytes(b"x")
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(path))])
    QGuiApplication.clipboard().setMimeData(content)
    with qtbot.waitSignal(bench.bar.files_chosen) as told:
        bench.action("Quick Convert from").trigger()
    assert told.args == [[path]]
    QGuiApplication.clipboard().setText("good morning")
    assert not bench.action("Quick Convert from").isEnabled()


@pytest.mark.parametrize(
    "text", ["", "hello", "/no/such/file", "/" + "x" * 5000, "/a\0b", "/a\n/b"]
)
def test_text_that_is_not_a_path_of_a_file_is_not_offered(text: str) -> None:
    content = QMimeData()
    content.setText(text)
    assert clipboard_files(content) == []
    assert clipboard_files(None) == []


def test_a_copied_path_counts_as_the_file(tmp_path: Path) -> None:
    path = tmp_path / "voice note 1.m4a"
    path.write_bytes(b"x")
    content = QMimeData()
    content.setText(f" {path}\n")
    assert clipboard_files(content) == [path]


def test_the_voice_is_chosen_in_the_submenu(bench: Bench) -> None:
    (chosen,) = [a for a in bench.submenu("Voice:").actions() if a.isChecked()]
    assert chosen.text() == "Starter"


def test_the_menu_opens_window_and_settings_and_quits(bench: Bench, qtbot: QtBot) -> None:
    for beginning, signal in (
        ("Open", bench.bar.open_window_requested),
        ("Settings", bench.bar.settings_requested),
        ("Quit", bench.bar.quit_requested),
    ):
        with qtbot.waitSignal(signal):
            bench.action(beginning).trigger()


def test_the_setting_hides_the_icon(bench: Bench) -> None:
    bench.settings.set(SHOW_MENU_BAR, False)
    assert not bench.bar.tray.isVisible()
    assert not bench.bar.is_shown
    bench.settings.set(SHOW_MENU_BAR, True)
    assert bench.bar.tray.isVisible()


def test_opening_the_menu_often_leaks_nothing(bench: Bench, qtbot: QtBot) -> None:
    for _ in range(20):
        bench.titles()
    qtbot.wait(10)
    assert len(bench.bar.menu.findChildren(QMenu)) <= 4


def ended(bench: Bench, outcome: Callable[[str], Outcome]) -> None:
    job = bench.job("song.wav")
    bench.queue.add([job])
    bench.queue.begin(job.id)
    bench.queue.finish(outcome(job.id))


def put(monkeypatch: pytest.MonkeyPatch, state: Qt.ApplicationState) -> None:
    """Behind other windows or in front, wherever other tests have left it."""
    monkeypatch.setattr(QGuiApplication, "applicationState", staticmethod(lambda: state))


def test_jobs_that_end_in_the_background_show_a_banner(
    bench: Bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Qt.ApplicationState.ApplicationInactive)
    output = bench.folder / "song (Starter).wav"
    ended(bench, lambda name: Finished(name, output, 9.0, 1.0, (), "CPU", 0, 0))
    ended(bench, lambda name: Failed(name, Text("The disk is full"), ""))
    ended(bench, Cancelled)
    assert bench.banners.told == [("Finished", output), ("Not converted", None)]
    bench.banners.clicked.emit(output)
    assert bench.revealed == [output]
    with qtbot.waitSignal(bench.bar.open_window_requested):
        bench.banners.clicked.emit(None)


def test_jobs_that_end_in_the_foreground_show_no_banner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Qt.ApplicationState.ApplicationActive)
    ended(bench, lambda name: Failed(name, Text("The disk is full"), ""))
    assert bench.banners.told == []


def test_without_notifications_no_permission_is_asked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, Qt.ApplicationState.ApplicationInactive)
    bench.queue.busy_changed.emit(True)
    bench.settings.set(NOTIFY, False)
    bench.queue.busy_changed.emit(True)
    assert bench.banners.asked == [True, False]
    ended(bench, lambda name: Failed(name, Text("The disk is full"), ""))
    assert bench.banners.told == []
