"""A banner of macOS with a button that shows the file, for what ends while the app is behind.

Only the app's bundle has a name under which macOS shows banners: a program without one would be
ended by asking for them. Elsewhere this does nothing, and the menu bar's icon speaks instead.
"""

from __future__ import annotations

import ctypes
from itertools import count
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.mac.login_item import LABEL
from desktop.mac.objc import Pointer, Runtime, call_block, system_runtime

_FRAMEWORK = "UserNotifications"
_SELECTOR = "userNotificationCenter:didReceiveNotificationResponse:withCompletionHandler:"
_TYPES = b"v@:@@@?"
_CLASS = "UltimateRVCNotificationDelegate"
_ALERT_AND_SOUND = 0b110
"""UNAuthorizationOptionSound, UNAuthorizationOptionAlert (UNUserNotificationCenter.h)."""

_REVEAL = "reveal"
_FILE = "file:"
_OPTIONS = ctypes.c_ulong  # NSUInteger


class NotificationCenter(QObject):
    """Shows banners and hears which was clicked.

    Parameters
    ----------
    runtime : None, where there are no banners, does nothing

    Signals
    -------
    clicked : (Path or None) the file of the banner that was clicked, or its button
    """

    clicked = Signal(object)
    _answered = Signal(object)

    def __init__(self, parent: QObject | None = None, runtime: Runtime | None = None) -> None:
        super().__init__(parent)
        self._runtime = runtime if runtime is not None else system_runtime(_FRAMEWORK)
        self._center = 0
        self._asked = False
        self._numbers = count(1)
        # Later, not inside the message: macOS waits for its answer, on whatever thread.
        self._answered.connect(self.clicked, Qt.ConnectionType.QueuedConnection)
        if self._runtime is not None:
            self._open(self._runtime)

    @property
    def is_available(self) -> bool:
        """Whether there is one; the user may have forbidden banners all the same."""
        return self._center != 0

    @Slot(bool)
    def ask(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Ask the user once whether there may be banners, when the first work begins."""
        if not busy or self._asked or self._runtime is None or not self._center:
            return
        self._asked = True
        try:
            nobody = self._runtime.block()
        except LookupError:
            return
        self._runtime.send(
            self._center,
            "requestAuthorizationWithOptions:completionHandler:",
            (_OPTIONS, _ALERT_AND_SOUND),
            (Pointer, nobody),
            result=None,
        )

    def tell(self, title: str, text: str, file: Path | None, button: str) -> None:
        """Show a banner; the button only where there is a file. One file has one banner."""
        if self._runtime is None or not self._center:
            return
        runtime, center = self._runtime, self._center
        self._set_button(runtime, button)
        content = runtime.send(runtime.named("UNMutableNotificationContent"), "new")
        for selector, words in (("setTitle:", title), ("setBody:", text)):
            runtime.send(content, selector, (Pointer, runtime.text(words)), result=None)
        name = f"message:{next(self._numbers)}"
        if file is not None:
            name = f"{_FILE}{file}"
            kind = (Pointer, runtime.text(_REVEAL))
            runtime.send(content, "setCategoryIdentifier:", kind, result=None)
        request = runtime.send(
            runtime.named("UNNotificationRequest"),
            "requestWithIdentifier:content:trigger:",
            (Pointer, runtime.text(name)),
            (Pointer, content),
            (Pointer, 0),
        )
        nobody = (Pointer, 0)
        add = "addNotificationRequest:withCompletionHandler:"
        runtime.send(center, add, (Pointer, request), nobody, result=None)
        runtime.send(content, "release", result=None)

    def _open(self, runtime: Runtime) -> None:
        try:
            bundle = runtime.send(runtime.named("NSBundle"), "mainBundle")
            if runtime.words(int(runtime.send(bundle, "bundleIdentifier"))) != LABEL:
                return
            centers = runtime.named("UNUserNotificationCenter")
            delegate = runtime.receiver(_CLASS, _SELECTOR, self._receive, _TYPES)
        except LookupError:  # a macOS that has changed: the app works without
            return
        self._center = int(runtime.send(centers, "currentNotificationCenter"))
        runtime.send(self._center, "setDelegate:", (Pointer, delegate), result=None)

    def _set_button(self, runtime: Runtime, title: str) -> None:
        """In the language of now, which may have changed."""
        arrays = runtime.named("NSArray")
        action = runtime.send(
            runtime.named("UNNotificationAction"),
            "actionWithIdentifier:title:options:",
            (Pointer, runtime.text(_REVEAL)),
            (Pointer, runtime.text(title)),
            (_OPTIONS, 0),
        )
        category = runtime.send(
            runtime.named("UNNotificationCategory"),
            "categoryWithIdentifier:actions:intentIdentifiers:options:",
            (Pointer, runtime.text(_REVEAL)),
            (Pointer, runtime.send(arrays, "arrayWithObject:", (Pointer, action))),
            (Pointer, runtime.send(arrays, "array")),
            (_OPTIONS, 0),
        )
        all_of_them = runtime.send(runtime.named("NSSet"), "setWithObject:", (Pointer, category))
        set_them = "setNotificationCategories:"
        runtime.send(self._center, set_them, (Pointer, all_of_them), result=None)

    def _receive(self, _self: int, _selector: int, _center: int, answer: int, done: int) -> None:
        if self._runtime is not None:
            found = answer
            for part in ("notification", "request", "identifier"):
                found = int(self._runtime.send(found, part))
            name = self._runtime.words(found)
            is_file = name.startswith(_FILE)
            self._answered.emit(Path(name.removeprefix(_FILE)) if is_file else None)
        call_block(done)
