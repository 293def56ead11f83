"""Integration with macOS: Dock, start at login, App Nap, Services."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

from PySide6.QtCore import QObject, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QImage, QPainter, QPixmap

from desktop.icons import app_icon
from desktop.mac.activity import NapGuard
from desktop.mac.finder import FileService
from desktop.mac.login_item import LoginItem
from desktop.queue.job import JobState
from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.settings.table import START_AT_LOGIN

_PIXELS = 512
_BAR = QRectF(132, 378, 248, 36)  # inside the icon's rounded square, below the waveform
_GROUND = QColor(0, 0, 0, 130)
_DONE = QColor(255, 255, 255)


def show_waiting(n_files: int) -> None:
    """Show the number of unfinished files on the Dock icon; 0 shows nothing."""
    app = QGuiApplication.instance()
    if isinstance(app, QGuiApplication):
        app.setBadgeNumber(n_files)


def show_progress(percent: int | None) -> None:
    """Draw a progress bar on the Dock icon; None removes it. Only on macOS."""
    app = QGuiApplication.instance()
    if sys.platform == "darwin" and isinstance(app, QGuiApplication):
        app.setWindowIcon(app_icon() if percent is None else progress_icon(percent))


def progress_icon(percent: int) -> QIcon:
    """The app's icon with a progress bar.

    Parameters
    ----------
    percent : 0..100
    """
    image = QImage(_icon())
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    radius = _BAR.height() / 2
    painter.setBrush(_GROUND)
    painter.drawRoundedRect(_BAR, radius, radius)
    inside = _BAR.adjusted(6, 6, -6, -6)
    inside.setWidth(max(inside.height(), inside.width() * min(100, max(0, percent)) / 100))
    painter.setBrush(_DONE)
    painter.drawRoundedRect(inside, radius - 6, radius - 6)
    painter.end()
    return QIcon(QPixmap.fromImage(image))


@cache
def _icon() -> QImage:
    return app_icon().pixmap(_PIXELS, _PIXELS).toImage().scaled(_PIXELS, _PIXELS)


_STEP_PERCENT = 2
"""The Dock's icon is redrawn at each step."""


class SystemPresence(QObject):
    """Follows queue and settings.

    Parameters
    ----------
    login_item : None for this app's
    show : shows the number on the icon; replaced in tests
    draw : shows the percentage on the icon, None hides it; replaced in tests

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
        except OSError:  # the switch shows the actual state
            self._settings.set(START_AT_LOGIN, self._login_item.is_on)
