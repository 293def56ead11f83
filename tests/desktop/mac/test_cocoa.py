"""Calls to macOS' own classes, checked against small stand-ins of the pyobjc modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import pytest
from pytestqt.qtbot import QtBot

from desktop.mac import finder, notification
from desktop.mac.activity import NapGuard
from desktop.mac.cocoa import on_mac
from desktop.mac.finder import MESSAGE, FileService
from desktop.mac.login_item import LABEL
from desktop.mac.notification import NotificationCenter


class NSObject:
    """A class of Objective-C that Python can inherit from."""

    @classmethod
    def alloc(cls) -> NSObject:
        return cls()

    def init(self) -> NSObject:
        return self


class Mac:
    """The modules of pyobjc; classes that are only called note it."""

    def __init__(self) -> None:
        self.signatures: dict[str, bytes] = {}
        self.foundation = MagicMock(NSObject=NSObject, NSActivityUserInitiated=0xFFFFFF)
        self.appkit = MagicMock(NSPasteboardURLReadingFileURLsOnlyKey="only files")
        self.notifications = MagicMock(UNAuthorizationOptionAlert=4, UNAuthorizationOptionSound=2)
        self.bundle = self.foundation.NSBundle.mainBundle.return_value.bundleIdentifier
        self.bundle.return_value = LABEL
        self.process = self.foundation.NSProcessInfo.processInfo.return_value
        self.app = self.appkit.NSApplication.sharedApplication.return_value
        center = self.notifications.UNUserNotificationCenter
        self.center = center.currentNotificationCenter.return_value

    def typed(self, signature: bytes) -> Callable[[Callable[..., None]], Callable[..., None]]:
        def note(method: Callable[..., None]) -> Callable[..., None]:
            self.signatures[method.__name__] = signature
            return method

        return note


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    made = Mac()
    monkeypatch.setattr(sys, "platform", "darwin")
    for name, module in (
        ("Foundation", made.foundation),
        ("AppKit", made.appkit),
        ("UserNotifications", made.notifications),
        ("objc", SimpleNamespace(typedSelector=made.typed)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    yield made
    finder._provider_class.cache_clear()
    notification._delegate_class.cache_clear()


def test_app_nap_is_prevented_once_and_allowed_again(qtbot: QtBot, mac: Mac) -> None:
    guard = NapGuard()
    guard.set_busy(True)
    guard.set_busy(True)
    assert guard.is_held
    begin = mac.process.beginActivityWithOptions_reason_
    begin.assert_called_once_with(0xFFFFFF, "Converting")
    guard.set_busy(False)
    guard.set_busy(False)
    assert not guard.is_held
    mac.process.endActivity_.assert_called_once_with(begin.return_value)


def test_files_selected_in_finder_arrive_after_the_message_was_answered(
    qtbot: QtBot, mac: Mac
) -> None:
    service = FileService()
    assert service.is_offered
    ((provider,), _) = mac.app.setServicesProvider_.call_args
    (name,) = mac.signatures
    assert name.replace("_", ":") == f"{MESSAGE}:userData:error:"
    assert mac.signatures[name] == b"v@:@@o^@"
    board = MagicMock()
    board.readObjectsForClasses_options_.return_value = [
        SimpleNamespace(path=lambda path=path: path) for path in ("/music/a b 雅.wav", None)
    ]
    received: list[list[Path]] = []
    service.files_received.connect(received.append)
    with qtbot.waitSignal(service.files_received, timeout=2000):
        assert provider.convertFiles_userData_error_(board, "", None) is None
        assert received == []
    assert received == [[Path("/music/a b 雅.wav")]]
    board.readObjectsForClasses_options_.assert_called_once_with(
        [mac.foundation.NSURL], {"only files": True}
    )


def test_a_banner_has_the_files_name_and_a_button_and_clicking_it_tells_the_file(
    qtbot: QtBot, mac: Mac
) -> None:
    center = NotificationCenter()
    assert center.is_available
    center.tell("Finished", "a b 雅.wav", Path("/music/a b 雅.wav"), "Show in Finder")
    content = mac.notifications.UNMutableNotificationContent.alloc().init()
    content.setTitle_.assert_called_once_with("Finished")
    content.setBody_.assert_called_once_with("a b 雅.wav")
    content.setCategoryIdentifier_.assert_called_once_with("reveal")
    action = mac.notifications.UNNotificationAction.actionWithIdentifier_title_options_
    action.assert_called_once_with("reveal", "Show in Finder", 0)
    make = mac.notifications.UNNotificationCategory
    category = make.categoryWithIdentifier_actions_intentIdentifiers_options_
    category.assert_called_once_with("reveal", [action.return_value], [], 0)
    mac.foundation.NSSet.setWithObject_.assert_called_once_with(category.return_value)
    mac.center.setNotificationCategories_.assert_called_once()
    request = mac.notifications.UNNotificationRequest.requestWithIdentifier_content_trigger_
    request.assert_called_once_with("file:/music/a b 雅.wav", content, None)
    add = mac.center.addNotificationRequest_withCompletionHandler_
    add.assert_called_once_with(request.return_value, None)
    assert clicked(center, mac, "file:/music/a b 雅.wav", qtbot) == Path("/music/a b 雅.wav")


def clicked(center: NotificationCenter, mac: Mac, name: str, qtbot: QtBot) -> Path | None:
    """What the app is told when macOS answers that this banner was clicked."""
    ((delegate,), _) = mac.center.setDelegate_.call_args
    response, done = MagicMock(), MagicMock()
    response.notification().request().identifier.return_value = name
    with qtbot.waitSignal(center.clicked, timeout=2000) as told:
        delegate.userNotificationCenter_didReceiveNotificationResponse_withCompletionHandler_(
            mac.center, response, done
        )
        done.assert_called_once_with()
    return told.args[0]


def test_a_banner_without_a_file_has_no_button(qtbot: QtBot, mac: Mac) -> None:
    center = NotificationCenter()
    center.tell("Not converted", "because", None, "Show in Finder")
    mac.center.setNotificationCategories_.assert_not_called()
    assert clicked(center, mac, "message:1", qtbot) is None


def test_permission_for_banners_is_asked_once_when_work_begins(qtbot: QtBot, mac: Mac) -> None:
    center = NotificationCenter()
    ask = mac.center.requestAuthorizationWithOptions_completionHandler_
    center.ask(False)
    ask.assert_not_called()
    center.ask(True)
    center.ask(True)
    ((options, answered), _) = ask.call_args
    assert (ask.call_count, options) == (1, 6)
    assert answered(True, None) is None


@pytest.mark.parametrize("name", ["org.python.python", None])
def test_a_program_that_is_not_the_apps_bundle_asks_for_no_banners(
    qtbot: QtBot, mac: Mac, name: str | None
) -> None:
    mac.bundle.return_value = name
    assert not NotificationCenter().is_available
    mac.notifications.UNUserNotificationCenter.currentNotificationCenter.assert_not_called()


def use_everything() -> tuple[bool, ...]:
    guard, service, center = NapGuard(), FileService(), NotificationCenter()
    guard.set_busy(True)
    held = guard.is_held
    guard.set_busy(False)
    center.ask(True)
    center.tell("Finished", "a.wav", Path("a.wav"), "Show in Finder")
    return held, service.is_offered, center.is_available


def test_on_other_systems_nothing_happens(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert use_everything() == (False, False, False)
    assert on_mac(lambda: 1) is None


def test_the_app_works_on_a_mac_without_pyobjc(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for name in ("Foundation", "AppKit", "UserNotifications", "objc"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # has none of the classes
    assert use_everything() == (False, False, False)


def test_a_call_that_macos_refuses_harms_nothing(qtbot: QtBot, mac: Mac) -> None:
    for call in (
        mac.process.beginActivityWithOptions_reason_,
        mac.app.setServicesProvider_,
        mac.center.setNotificationCategories_,
        mac.center.requestAuthorizationWithOptions_completionHandler_,
    ):
        call.side_effect = RuntimeError("NSInternalInconsistencyException")
    assert use_everything() == (False, False, True)
