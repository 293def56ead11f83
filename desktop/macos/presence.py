"""What the system shows of the app and does for it: Dock, start at login, App Nap, Services."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from desktop.jobs.job import JobState
from desktop.jobs.queue import JobQueue
from desktop.macos.app_nap import NapGuard
from desktop.macos.dock import show_progress, show_waiting
from desktop.macos.login_item import LoginItem
from desktop.macos.service import FileService
from desktop.settings import START_AT_LOGIN, Settings

_STEP_PERCENT = 2
"""The Dock's icon is drawn anew at each; finer ones nobody sees."""


class SystemPresence(QObject):
    """Follows queue and settings.

    Parameters
    ----------
    login_item : None is that of this app
    show : puts the number on the icon; another one in tests
    draw : puts the percent on the icon, None takes them off; another one in tests

    Signals
    -------
    files_received : (list of Path) from Finder's Services
    """

    files_received = Signal(list)

    def __init__(
        self,
        queue: JobQueue,
        settings: Settings,
        login_item: LoginItem | None = None,
        show: Callable[[int], None] = show_waiting,
        draw: Callable[[int | None], None] = show_progress,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue, self._settings = queue, settings
        self._login_item = login_item or LoginItem.of_this_app()
        self._show, self._draw = show, draw
        self._shown = 0
        self._percent: int | None = None
        self.nap_guard = NapGuard(self)
        self.service = FileService(self)
        self.service.files_received.connect(self.files_received)
        queue.queue_changed.connect(self._count)
        queue.progressed.connect(self._follow)
        queue.busy_changed.connect(self._follow)
        queue.queue_changed.connect(self._follow)
        queue.busy_changed.connect(self.nap_guard.set_busy)
        settings.changed.connect(self._apply)
        self._count()

    @Slot()
    def _count(self) -> None:
        n_files = self._queue.count(JobState.RUNNING, JobState.WAITING)
        if n_files != self._shown:
            self._shown = n_files
            self._show(n_files)

    @Slot()
    def _follow(self, *_: object) -> None:
        running = self._queue.running()
        percent = None
        if running is not None:
            progress = self._queue.progress(running.id)
            percent = 0 if progress is None else int(progress.fraction * 100)
            percent -= percent % _STEP_PERCENT
        if percent != self._percent:
            self._percent = percent
            self._draw(percent)

    @Slot(str)
    def _apply(self, key: str) -> None:
        if key != START_AT_LOGIN.key or not self._login_item.is_available:
            return
        try:
            self._login_item.set_on(on=self._settings.value(START_AT_LOGIN))
        except OSError:  # the switch goes back to what is true
            self._settings.set(START_AT_LOGIN, self._login_item.is_on)
