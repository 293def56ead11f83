"""What is told to macOS' own classes: the calls are real, the library is a stand-in."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.mac import objc
from desktop.mac.activity import USER_INITIATED, NapGuard
from desktop.mac.finder import FileService
from desktop.mac.login_item import LABEL
from desktop.mac.notification import NotificationCenter
from desktop.mac.objc import Runtime, _Block, call_block, system_runtime

Pointer = ctypes.c_void_p
PROCESS, ACTIVITY, TEXT, APP, BOARD, ITEMS, ITEM, URL = range(100, 108)
BUNDLE, CENTER, REQUEST = range(200, 203)


class Library:
    """A runtime with the C functions that the real one has; notes every message."""

    def __init__(self, path: str = "/music/a b.wav", *, has_class: bool = True) -> None:
        self.messages: list[tuple[str, tuple[int, ...]]] = []
        self.texts: list[str] = []
        self.classes: dict[int, str] = {}
        self.method: ctypes._CFunctionType | None = None
        self._selectors: list[bytes] = []
        self._path = ctypes.create_string_buffer(path.encode())
        self._has_class = has_class
        one = ctypes.CFUNCTYPE(Pointer, ctypes.c_char_p)
        self.objc_getClass = one(self._class)
        self.sel_registerName = one(self._selector)
        # As many arguments as the longest call has; what is not given is whatever lies there.
        self.objc_msgSend = ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, *[ctypes.c_uint64] * 4)(
            self._receive
        )
        self._NSConcreteGlobalBlock = ctypes.c_void_p(9)
        self.objc_allocateClassPair = ctypes.CFUNCTYPE(
            Pointer, Pointer, ctypes.c_char_p, ctypes.c_size_t
        )(lambda *_: 77)
        self.class_addMethod = ctypes.CFUNCTYPE(
            ctypes.c_bool, Pointer, Pointer, Pointer, ctypes.c_char_p
        )(self._add)
        self.objc_registerClassPair = ctypes.CFUNCTYPE(None, Pointer)(lambda _: None)

    def _class(self, name: bytes) -> int | None:
        if not self._has_class:
            return None
        self.classes[len(self.classes) + 1000] = name.decode()
        return max(self.classes)

    def _selector(self, name: bytes) -> int:
        if name not in self._selectors:
            self._selectors.append(name)
        return self._selectors.index(name) + 1

    def _add(self, _class: int, selector: int, method: int, types: bytes) -> bool:
        self.types = types
        self.added = self._selectors[selector - 1].decode()
        signature = ctypes.CFUNCTYPE(None, *[Pointer] * 5)
        self.method = signature(method)
        return True

    def _receive(self, receiver: int, selector: int, *given: int) -> int:
        name = self._selectors[selector - 1].decode()
        self.messages.append((name, given[: name.count(":")]))
        if name == "stringWithUTF8String:":
            self.texts.append(ctypes.string_at(given[0]).decode())
        answers = {
            "processInfo": PROCESS,
            "beginActivityWithOptions:reason:": ACTIVITY,
            "retain": receiver,
            "stringWithUTF8String:": TEXT,
            "sharedApplication": APP,
            "new": 500,
            "pasteboardItems": ITEMS,
            "count": 2,
            "objectAtIndex:": ITEM,
            "stringForType:": TEXT,
            "URLWithString:": URL,
            "path": TEXT,
            "UTF8String": ctypes.addressof(self._path),
            "mainBundle": BUNDLE,
            "bundleIdentifier": TEXT,
            "currentNotificationCenter": CENTER,
            "notification": ITEM,
            "request": ITEM,
            "identifier": TEXT,
            "requestWithIdentifier:content:trigger:": REQUEST,
        }
        return answers.get(name, 0)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.messages]


def test_app_nap_is_held_off_once_and_let_go(qtbot: QtBot) -> None:
    library = Library()
    guard = NapGuard(runtime=Runtime(library))
    guard.set_busy(True)
    guard.set_busy(True)
    assert guard.is_held
    begun = [given for name, given in library.messages if name.startswith("beginActivity")]
    assert begun == [(USER_INITIATED, TEXT)]
    guard.set_busy(False)
    guard.set_busy(False)
    assert not guard.is_held
    assert [given for name, given in library.messages if name == "endActivity:"] == [(ACTIVITY,)]
    assert library.names.count("retain") == library.names.count("release") == 1


def test_files_selected_in_finder_arrive_after_the_message_was_answered(qtbot: QtBot) -> None:
    library = Library("/music/a b 雅.wav")
    service = FileService(runtime=Runtime(library))
    assert service.is_offered
    assert (library.added, library.types) == ("convertFiles:userData:error:", b"v@:@@^@")
    assert ("setServicesProvider:", (500,)) in library.messages
    received: list[list[Path]] = []
    service.files_received.connect(received.append)
    with qtbot.waitSignal(service.files_received, timeout=2000):
        assert library.method is not None
        library.method(500, 1, BOARD, 0, 0)
        assert received == []
    assert received == [[Path("/music/a b 雅.wav"), Path("/music/a b 雅.wav")]]


def test_a_macos_without_these_classes_only_lacks_the_service(qtbot: QtBot) -> None:
    assert not FileService(runtime=Runtime(Library(has_class=False))).is_offered


def test_elsewhere_there_is_no_runtime_and_both_do_nothing(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objc.sys, "platform", "linux")
    assert system_runtime() is None
    guard = NapGuard()
    guard.set_busy(True)
    assert not guard.is_held
    assert not FileService().is_offered
    center = NotificationCenter()
    center.ask(True)
    center.tell("Finished", "a.wav", Path("a.wav"), "Show in Finder")
    assert not center.is_available


class Names(Library):
    """Answers each NSString with the words that are set."""

    def say(self, words: str) -> None:
        self._path = ctypes.create_string_buffer(words.encode())


def bundled() -> Names:
    library = Names()
    library.say(LABEL)
    return library


def test_a_banner_has_the_files_name_and_a_button_and_clicking_it_tells_the_file(
    qtbot: QtBot,
) -> None:
    library = bundled()
    center = NotificationCenter(runtime=Runtime(library))
    assert center.is_available
    assert ("setDelegate:", (500,)) in library.messages
    assert library.types == b"v@:@@@?"
    center.tell("Finished", "a b 雅.wav", Path("/music/a b 雅.wav"), "Show in Finder")
    for words in ("Finished", "a b 雅.wav", "file:/music/a b 雅.wav", "Show in Finder"):
        assert words in library.texts
    assert "setNotificationCategories:" in library.names
    add = "addNotificationRequest:withCompletionHandler:"
    assert (add, (REQUEST, 0)) in library.messages

    library.say("file:/music/a b 雅.wav")
    answered: list[int] = []
    called = ctypes.CFUNCTYPE(None, Pointer)(lambda block: answered.append(block))
    block = _Block(None, 0, 0, ctypes.cast(called, Pointer), None)
    with qtbot.waitSignal(center.clicked, timeout=2000) as told:
        assert library.method is not None
        library.method(500, 1, CENTER, ITEM, ctypes.addressof(block))
        assert answered == [ctypes.addressof(block)]
    assert told.args == [Path("/music/a b 雅.wav")]


def test_a_banner_without_a_file_has_no_button_and_tells_none(qtbot: QtBot) -> None:
    library = bundled()
    center = NotificationCenter(runtime=Runtime(library))
    center.tell("Not converted", "because", None, "Show in Finder")
    assert "setCategoryIdentifier:" not in library.names
    library.say("message:1")
    with qtbot.waitSignal(center.clicked, timeout=2000) as told:
        assert library.method is not None
        library.method(500, 1, CENTER, ITEM, 0)
    assert told.args == [None]


def test_permission_for_banners_is_asked_once_when_work_begins(qtbot: QtBot) -> None:
    library = bundled()
    center = NotificationCenter(runtime=Runtime(library))
    center.ask(False)
    asks = "requestAuthorizationWithOptions:completionHandler:"
    assert asks not in library.names
    center.ask(True)
    center.ask(True)
    ((options, block),) = [given for name, given in library.messages if name == asks]
    assert options == 0b110
    call_block(block)  # macOS calls it when the user has answered


@pytest.mark.parametrize("name", ["org.python.python", ""])
def test_a_program_that_is_not_the_apps_bundle_asks_for_no_banners(qtbot: QtBot, name: str) -> None:
    library = Names()
    library.say(name)
    assert not NotificationCenter(runtime=Runtime(library)).is_available
    assert "currentNotificationCenter" not in library.names
