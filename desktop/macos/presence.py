"""What the system shows of the app and does for it: number in the Dock, start at login."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from desktop.jobs.job import JobState
from desktop.jobs.queue import JobQueue
from desktop.macos.dock import show_waiting
from desktop.macos.login_item import LoginItem
from desktop.settings import START_AT_LOGIN, Settings


class SystemPresence(QObject):
    """Follows queue and settings.

    Parameters
    ----------
    login_item : None is that of this app
    show : puts the number on the icon; another one in tests
    """

    def __init__(
        self,
        queue: JobQueue,
        settings: Settings,
        login_item: LoginItem | None = None,
        show: Callable[[int], None] = show_waiting,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue, self._settings = queue, settings
        self._login_item = login_item or LoginItem.of_this_app()
        self._show = show
        self._shown = 0
        queue.queue_changed.connect(self._count)
        settings.changed.connect(self._apply)
        self._count()

    @Slot()
    def _count(self) -> None:
        n_files = self._queue.count(JobState.RUNNING, JobState.WAITING)
        if n_files != self._shown:
            self._shown = n_files
            self._show(n_files)

    @Slot(str)
    def _apply(self, key: str) -> None:
        if key != START_AT_LOGIN.key or not self._login_item.is_available:
            return
        try:
            self._login_item.set_on(on=self._settings.value(START_AT_LOGIN))
        except OSError:  # the switch goes back to what is true
            self._settings.set(START_AT_LOGIN, self._login_item.is_on)
