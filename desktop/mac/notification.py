"""Banners of macOS with a button that shows the file, for jobs that end in the background.

macOS shows banners only for the app's bundle, and ends a program that asks for them without one.
Elsewhere this does nothing, and the icon in the menu bar shows the message instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop.mac.cocoa import on_mac
from desktop.mac.login_item import LABEL

_REVEAL = "reveal"
_FILE = "file:"


class NotificationCenter(QObject):
    """Shows banners and tells which was clicked.

    Signals
    -------
    clicked : (Path or None) the file of the banner that was clicked, or its button
    """

    clicked = Signal(object)
    _answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asked = False
        self._numbers = count(1)
        # Queued, not inside the message: macOS waits for its answer, on any thread.
        self._answered.connect(self.clicked, Qt.ConnectionType.QueuedConnection)
        self._center: Any = on_mac(_open_center)
        self._delegate = self._center and on_mac(lambda: _listen(self._center, self._receive))

    @property
    def is_available(self) -> bool:
        """Whether there is one; the user may have forbidden banners."""
        return self._center is not None

    @Slot(bool)
    def ask(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Ask the user once for permission, when the first work begins."""
        if busy and not self._asked and self._center is not None:
            self._asked = True
            on_mac(lambda: _ask_permission(self._center))

    def tell(self, title: str, text: str, file: Path | None, button: str) -> None:
        """Show a banner; with a button where there is a file. One file has one banner."""
        if self._center is not None:
            name = f"message:{next(self._numbers)}" if file is None else f"{_FILE}{file}"
            has_button = file is not None
            on_mac(lambda: _show(self._center, name, title, text, button if has_button else ""))

    def _receive(self, name: str) -> None:
        is_file = name.startswith(_FILE)
        self._answered.emit(Path(name.removeprefix(_FILE)) if is_file else None)


@cache
def _delegate_class() -> Any:
    """Made once: a class of Objective-C stays registered for the life of the process."""
    import UserNotifications  # noqa: F401 - it tells pyobjc the types of the method below
    from Foundation import NSObject

    class UltimateRVCNotificationDelegate(NSObject):
        def userNotificationCenter_didReceiveNotificationResponse_withCompletionHandler_(  # noqa: N802 - Objective-C's name
            self, _center: Any, response: Any, done: Callable[[], None]
        ) -> None:
            on_mac(lambda: self.receive(str(response.notification().request().identifier())))
            done()

    return UltimateRVCNotificationDelegate


def _open_center() -> Any:
    """None outside of the app's bundle."""
    from Foundation import NSBundle

    if NSBundle.mainBundle().bundleIdentifier() != LABEL:
        return None
    from UserNotifications import UNUserNotificationCenter

    return UNUserNotificationCenter.currentNotificationCenter()


def _listen(center: Any, receive: Callable[[str], None]) -> Any:
    """The center's delegate, which it does not retain."""
    delegate = _delegate_class().alloc().init()
    delegate.receive = receive
    center.setDelegate_(delegate)
    return delegate


def _ask_permission(center: Any) -> None:
    from UserNotifications import UNAuthorizationOptionAlert, UNAuthorizationOptionSound

    center.requestAuthorizationWithOptions_completionHandler_(
        UNAuthorizationOptionAlert | UNAuthorizationOptionSound, lambda _granted, _error: None
    )


def _show(center: Any, name: str, title: str, text: str, button: str) -> None:
    from Foundation import NSSet
    from UserNotifications import (
        UNMutableNotificationContent,
        UNNotificationAction,
        UNNotificationCategory,
        UNNotificationRequest,
    )

    content = UNMutableNotificationContent.alloc().init()
    content.setTitle_(title)
    content.setBody_(text)
    if button:  # set again each time: the language may have changed
        action = UNNotificationAction.actionWithIdentifier_title_options_(_REVEAL, button, 0)
        category = UNNotificationCategory.categoryWithIdentifier_actions_intentIdentifiers_options_(
            _REVEAL, [action], [], 0
        )
        center.setNotificationCategories_(NSSet.setWithObject_(category))
        content.setCategoryIdentifier_(_REVEAL)
    request = UNNotificationRequest.requestWithIdentifier_content_trigger_(name, content, None)
    center.addNotificationRequest_withCompletionHandler_(request, None)
