"""The menu bar icon: progress, and a menu rebuilt from the state each time it opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QMimeData, QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu, QSystemTrayIcon

from desktop.icons import menu_bar_icon
from desktop.mac.finder import reveal
from desktop.mac.notification import NotificationCenter
from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.settings.table import NOTIFY, SHOW_MENU_BAR
from desktop.style import menu_text
from desktop.translation import translate
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from desktop.widgets import ChooseFiles, choose_files
from engine.plain_text import plain

_UNDONE = frozenset({JobState.RUNNING, JobState.WAITING})
_RECENT = 5
_MESSAGE_MS = 8000
_LONGEST_NAME = 40


class MenuBar(QObject):
    """Works without a status area, too; then nothing shows its `menu`.

    Parameters
    ----------
    choose : asks for files; replaced in tests
    show_file : shows a result in Finder; replaced in tests
    banners : banners of macOS; replaced in tests

    Signals
    -------
    files_chosen : (list of Path) to convert with the last settings
    """

    open_window_requested = Signal()
    settings_requested = Signal()
    quit_requested = Signal()
    files_chosen = Signal(list)

    def __init__(
        self,
        queue: JobQueue,
        draft: Draft,
        voices: VoiceList,
        settings: Settings,
        choose: ChooseFiles = choose_files,
        show_file: Callable[[Path], None] = reveal,
        banners: NotificationCenter | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue, self._draft, self._voices, self._settings = queue, draft, voices, settings
        self._choose, self._show_file = choose, show_file
        self._percent: int | None = None
        self._notified: Path | None = None
        self.menu = QMenu()
        self.menu.aboutToShow.connect(self.rebuild)
        self.tray = QSystemTrayIcon(menu_bar_icon(), self)
        self.tray.setContextMenu(self.menu)
        self.tray.messageClicked.connect(lambda: self._answer(self._notified))
        self._banners = banners or NotificationCenter(self)
        self._banners.clicked.connect(self._answer)
        queue.busy_changed.connect(self._ask_for_banners)
        queue.progressed.connect(self._show_progress)
        queue.busy_changed.connect(self._show_progress)
        queue.queue_changed.connect(self._show_progress)
        queue.jobs_ended.connect(self._notify)
        settings.changed.connect(self._show_or_hide)
        self._show_or_hide(SHOW_MENU_BAR.key)
        self._show_progress()

    @property
    def is_shown(self) -> bool:
        """Whether it is shown (macOS may still hide it behind the notch)."""
        return self.tray.isVisible() and QSystemTrayIcon.isSystemTrayAvailable()

    @property
    def percent(self) -> int | None:
        """Progress of the running job as the icon shows it; None while idle."""
        return self._percent

    @Slot()
    def rebuild(self) -> None:
        """Rebuild the menu from the current state."""
        self.menu.clear()
        for submenu in self.menu.findChildren(QMenu):
            submenu.deleteLater()
        self._add_status()
        self._add(self.tr("Quick Convert…"), self._quick_convert)
        pasted = clipboard_files(QGuiApplication.clipboard().mimeData())
        clip = self._add(
            self.tr("Quick Convert from Clipboard"), lambda: self.files_chosen.emit(pasted)
        )
        clip.setEnabled(bool(pasted))
        self._add_voices()
        self._add_recent()
        self.menu.addSeparator()
        self._add(self.tr("Open Ultimate RVC"), self.open_window_requested.emit)
        self._add(self.tr("Settings…"), self.settings_requested.emit)
        self.menu.addSeparator()
        self._add(self.tr("Quit Ultimate RVC"), self.quit_requested.emit)

    def _add(self, title: str, action: Callable[[], object], menu: QMenu | None = None) -> QAction:
        added = (menu or self.menu).addAction(title)
        added.triggered.connect(lambda: action())
        return added

    def _add_status(self) -> None:
        running = self._queue.running()
        waiting = self._queue.count(JobState.WAITING)
        if running is None and not waiting:
            return
        if running is not None:
            name, job_id = _short(running.title), running.id
            percent = self._percent or 0
            line = self.tr("Converting “{name}”: {percent} %").format(name=name, percent=percent)
            self.menu.addAction(menu_text(line)).setEnabled(False)
            self._add(
                self.tr("Cancel “{name}”").format(name=menu_text(name)),
                lambda: self._queue.cancel([job_id]),
            )
        if waiting:
            undone = [job.id for job in self._queue.jobs() if job.state in _UNDONE]
            self.menu.addAction(self.tr("Waiting: {n}").format(n=waiting)).setEnabled(False)
            self._add(self.tr("Cancel All"), lambda: self._queue.cancel(undone))
        self.menu.addSeparator()

    def _add_voices(self) -> None:
        title = self.tr("Voice: {name}").format(name=_short(self._draft.voice.name))
        menu = QMenu(menu_text(title), self.menu)
        self.menu.addMenu(menu)
        group = QActionGroup(menu)
        for voice in self._voices.voices():
            action = self._add(
                menu_text(_short(voice.name)), partial(self._draft.set_voice, voice), menu
            )
            action.setCheckable(True)
            action.setChecked(voice.key == self._draft.voice.key)
            group.addAction(action)

    def _add_recent(self) -> None:
        menu = QMenu(self.tr("Recent Results"), self.menu)
        self.menu.addMenu(menu)
        finished = [job.output for job in reversed(self._queue.jobs()) if job.output is not None]
        there = [path for path in finished[: 2 * _RECENT] if path.exists()][:_RECENT]
        for path in there:
            action = self._add(menu_text(_short(path.name)), partial(self._show_file, path), menu)
            action.setToolTip(str(path))
        menu.setEnabled(bool(there))

    @Slot()
    def _quick_convert(self) -> None:
        files = self._choose(None, self.tr("Quick Convert"), "")
        if files:
            self.files_chosen.emit(files)

    @Slot()
    def _show_progress(self, *_: object) -> None:
        running = self._queue.running()
        progress = None if running is None else self._queue.progress(running.id)
        percent = None
        if running is not None:
            percent = 0 if progress is None else int(progress.fraction * 100)
        if percent == self._percent and self.tray.toolTip():
            return
        self._percent = percent
        self.tray.setIcon(menu_bar_icon(None if percent is None else percent / 100))
        name = QApplication.applicationDisplayName() or "Ultimate RVC"
        self.tray.setToolTip(name if percent is None else f"{name}: {percent} %")

    @Slot(bool)
    def _ask_for_banners(self, busy: bool) -> None:  # noqa: FBT001 - a signal of one value
        self._banners.ask(busy and self._settings.value(NOTIFY))

    @Slot(object)
    def _notify(self, jobs: Sequence[Job]) -> None:
        in_front = QGuiApplication.applicationState() == Qt.ApplicationState.ApplicationActive
        if not self._settings.value(NOTIFY) or in_front:
            return
        for job in jobs:
            self._notify_of(job)

    def _notify_of(self, job: Job) -> None:
        """Cancelled jobs are not notified: the user cancelled them."""
        if job.state is JobState.FINISHED and job.output is not None:
            text = self.tr("{name}: click to show it").format(name=plain(job.output.name))
            self._tell(self.tr("Finished"), text, job.output)
        elif job.state is JobState.FAILED:
            self._tell(self.tr("Not converted"), translate(job.message or ""), None)

    def _tell(self, title: str, text: str, file: Path | None) -> None:
        if self._banners.is_available:
            button = QCoreApplication.translate("WindowActions", "Show in Finder")
            self._banners.tell(title, text, file, button)
        elif self.is_shown:
            self._notified = file
            # Linux desktops interpret tags in it, and not all of them support escaped ones.
            shown = text.replace("<", "‹").replace(">", "›")
            self.tray.showMessage(title, shown, self.tray.icon(), _MESSAGE_MS)

    @Slot(object)
    def _answer(self, file: Path | None) -> None:
        """The message was clicked."""
        if file is not None:
            self._show_file(file)
        else:
            self.open_window_requested.emit()

    @Slot(str)
    def _show_or_hide(self, key: str) -> None:
        if key == SHOW_MENU_BAR.key:
            self.tray.setVisible(self._settings.value(SHOW_MENU_BAR))


def clipboard_files(content: QMimeData | None) -> list[Path]:
    """The files in the clipboard, or the file whose path was copied as text."""
    if content is None:
        return []
    paths = [Path(url.toLocalFile()) for url in content.urls() if url.isLocalFile()]
    line = content.text().strip()
    if not paths and line.startswith(("/", "~/")) and "\n" not in line:
        paths = [Path(line).expanduser()]
    return [path for path in paths if _is_there(path)]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL: the text is not a path
        return False


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 10] + "…" + name[-9:]
