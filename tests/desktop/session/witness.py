"""The app as ``python -m desktop`` starts it, and somebody in it who answers what can be seen.

It acts on nothing: whatever happens comes through the screen's mouse and keyboard, the
clipboard, or a second start. One JSON line is asked, one is answered.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QPoint, QRect, Slot
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtNetwork import QLocalServer
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QLabel,
    QMenu,
    QWidget,
)

import desktop.app as composition
from desktop.listen.listen_panel import ListenPanel
from desktop.queue.job import Job
from desktop.storage import AppPaths
from tests.desktop.session.look import wear

SOCKET_VARIABLE = "WITNESS_SOCKET"
LOOK_VARIABLE = "WITNESS_LOOK"
"""One of `tests.desktop.session.look`; without it the app looks as the system has it."""


class Witness(QObject):
    """Looks at the app from inside."""

    def __init__(self, app: composition.App, name: str) -> None:
        super().__init__(app)
        self._app = app
        self._server = QLocalServer(self)
        self._server.newConnection.connect(self._on_connection)
        assert self._server.listen(name)

    @Slot()
    def _on_connection(self) -> None:
        socket = self._server.nextPendingConnection()
        socket.readyRead.connect(self._on_question)

    @Slot()
    def _on_question(self) -> None:
        socket = self.sender()
        while socket.canReadLine():  # type: ignore[attr-defined]
            asked = json.loads(bytes(socket.readLine().data()))  # type: ignore[attr-defined]
            answer = getattr(self, asked[0])(*asked[1:])
            socket.write(json.dumps(answer).encode() + b"\n")  # type: ignore[attr-defined]

    # --- what can be asked ---------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the user sees."""
        window = self._app.window
        modal = QApplication.activeModalWidget()
        settings = self._app.settings_window
        return {
            "visible": window.isVisible(),
            "active": QGuiApplication.focusWindow() is not None,
            "overlay": window.overlay.text if window.overlay.isVisible() else "",
            "notice": window.notice.text,
            "rows": [self._row(job) for job in self._app.queue.jobs()],
            "question": _words(modal) if modal is not None else "",
            "settings": settings is not None and _is_shown(settings),
            "listen": self._listen(),
            "audition": {
                "on": self._app.audition.stretch is not None,
                "heard": self._app.audition.is_heard,
                "rendering": self._app.audition.is_rendering,
            },
            "tray": self._app.menu_bar.is_shown,
            "menu": _open_menu(),
            "shown": window.detail.timings.bar_widths(),
            "threads": threading.active_count(),
        }

    def button(self, name: str) -> list[int] | None:
        """Middle of a button, link or field that is in sight, by its text or accessible name."""
        for widget in _in_sight(QAbstractButton, QWidget):
            text = widget.text() if isinstance(widget, QAbstractButton) else ""
            if name in (text.replace("&", ""), widget.accessibleName()):
                return _middle(widget)
        return None

    def lane(self, number: int) -> list[int] | None:
        """Left, middle and width of a waveform, once it is there."""
        rows = self._app.listen_panel.lanes.rows
        if number >= len(rows) or not rows[number].view.has_sound:
            return None
        view = rows[number].view
        at = view.mapToGlobal(view.rect().topLeft())
        return [at.x(), at.y() + view.height() // 2, view.width()]

    def mute(self, part: str) -> list[int] | None:
        """Middle of the button that mutes a part of a cover."""
        for row in self._app.listen_panel.lanes.rows:
            if row.strip is not None and row.strip.part == part:
                return _middle(row.strip.mute)
        return None

    def save_mix(self) -> list[int]:
        """Middle of the button that writes a mix."""
        return _middle(self._app.listen_panel.mixer.save)

    def audition(self) -> list[int]:
        """Middle of the button that starts and stops an audition."""
        return _middle(self._app.window.areas.audition)

    def side(self) -> list[int]:
        """A place in the scrolled part of the side panel."""
        picker = _middle(self._app.window.areas.voice_panel.picker)
        return [picker[0], _middle(self._app.window)[1]]

    def field(self, name: str) -> list[int] | None:
        """Middle of a field for a number that is in sight, by its accessible name."""
        fields = _in_sight(QAbstractSpinBox)
        return next((_middle(each) for each in fields if each.accessibleName() == name), None)

    def row(self, title: str, take: int = 1) -> list[int] | None:
        """Middle of a row's name, if the row is in sight."""
        view = self._app.window.queue_view
        for number, job in enumerate(self._app.queue.jobs()):
            if (job.title, job.take) == (title, take):
                place: QRect = view.visualRect(self._app.queue.index(number, 0))
                if not view.viewport().rect().contains(place.center()):
                    return None
                at = view.viewport().mapToGlobal(place.center())
                return [at.x(), at.y()]
        return None

    def menu_item(self, title: str) -> list[int] | None:
        """Middle of an item of the menu that is open."""
        menu = QApplication.activePopupWidget()
        for action in menu.actions() if isinstance(menu, QMenu) else ():
            if action.text().replace("&", "").startswith(title):
                at = menu.mapToGlobal(_action_place(menu, action))
                return [at.x(), at.y()]
        return None

    def middle(self) -> list[int]:
        """Middle of the main window."""
        return _middle(self._app.window)

    def tray(self) -> list[int] | None:
        """Middle of the icon in the status area."""
        place = self._app.menu_bar.tray.geometry()
        return [place.center().x(), place.center().y()] if place.isValid() else None

    def window(self, kind: str) -> list[int]:
        """Number of a window, ``main`` or ``settings``, and its frame's width at left and top."""
        settings = self._app.settings_window
        window = settings if kind == "settings" and settings else self._app.window
        frame = window.geometry().topLeft() - window.frameGeometry().topLeft()
        return [int(window.winId()), frame.x(), frame.y()]

    def resize(self, width: int, height: int) -> bool:
        """The window at the place and size that pictures are taken with."""
        self._app.window.setGeometry(40, 40, width, height)
        return True

    # --- inside --------------------------------------------------------------------------------

    def _row(self, job: Job) -> dict[str, Any]:
        progress = self._app.queue.progress(job.id)
        return {
            "name": job.title,
            "state": str(job.state),
            "message": str(job.message or ""),
            "output": str(job.output or ""),
            "take": job.take,
            "starred": job.starred,
            "semitones": job.options.semitones,
            "fraction": progress.fraction if progress else 0.0,
            "stage": progress.stage if progress else None,
            "stages": {
                each.stage: each.seconds for each in (progress.stages if progress else job.stages)
            },
        }

    def _pitch_is_known(self) -> bool:
        pitch, job = self._app.listen_panel.pitch, self._app.window.detail.job
        return pitch is not None and job is not None and pitch.voiced(job.source) is not None

    def _listen(self) -> dict[str, Any]:
        panel: ListenPanel = self._app.listen_panel
        return {
            "side": panel.heard,
            "playing": panel.is_playing,
            "position_s": panel.position_s,
            "ready": [row.view.has_sound for row in panel.lanes.rows],
            "note": panel.note,
            "pitch": self._pitch_is_known(),
        }


def _is_shown(window: QWidget) -> bool:
    """Whether a window is on the screen, which under load is later than `isVisible` says."""
    handle = window.windowHandle()
    return window.isVisible() and handle is not None and handle.isExposed()


def _in_sight(*kinds: type[QWidget]) -> list[QWidget]:
    tops = [top for top in QApplication.topLevelWidgets() if top.isVisible()]
    modal = QApplication.activeModalWidget()
    tops = [modal] if modal is not None else tops
    found = [widget for kind in kinds for top in tops for widget in top.findChildren(kind)]
    return [widget for widget in found if widget.isVisible()]


def _middle(widget: QWidget) -> list[int]:
    at = widget.mapToGlobal(widget.rect().center())
    return [at.x(), at.y()]


def _action_place(menu: QMenu, action: QAction) -> QPoint:
    return menu.actionGeometry(action).center()


def _words(widget: QWidget) -> str:
    return " ".join(label.text() for label in widget.findChildren(QLabel) if label.text())


def _open_menu() -> list[str]:
    menu = QApplication.activePopupWidget()
    return [each.text() for each in menu.actions()] if isinstance(menu, QMenu) else []


class Watched(composition.App):
    """The app with a witness in it."""

    def __init__(self, paths: AppPaths) -> None:
        if os.environ.get(LOOK_VARIABLE):
            wear(os.environ[LOOK_VARIABLE])
        super().__init__(paths)

    def start(self, files: Sequence[Path] = (), *, hidden: bool = False) -> None:
        self.witness = Witness(self, os.environ[SOCKET_VARIABLE])
        super().start(files, hidden=hidden)


if __name__ == "__main__":
    composition.App = Watched  # type: ignore[misc]
    sys.exit(composition.main())
