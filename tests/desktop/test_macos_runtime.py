"""What is told to macOS' own classes: the calls are real, the library is a stand-in."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.macos import objc
from desktop.macos.app_nap import USER_INITIATED, NapGuard
from desktop.macos.objc import Runtime, system_runtime
from desktop.macos.service import FileService

Pointer = ctypes.c_void_p
PROCESS, ACTIVITY, TEXT, APP, BOARD, ITEMS, ITEM, URL = range(100, 108)


class Library:
    """A runtime with the C functions that the real one has; notes every message."""

    def __init__(self, path: str = "/music/a b.wav", *, has_class: bool = True) -> None:
        self.messages: list[tuple[str, tuple[int, ...]]] = []
        self.classes: dict[int, str] = {}
        self.method: ctypes._CFunctionType | None = None
        self._selectors: list[bytes] = []
        self._path = ctypes.create_string_buffer(path.encode())
        self._has_class = has_class
        one = ctypes.CFUNCTYPE(Pointer, ctypes.c_char_p)
        self.objc_getClass = one(self._class)
        self.sel_registerName = one(self._selector)
        # As many arguments as the longest call has; what is not given is whatever lies there.
        self.objc_msgSend = ctypes.CFUNCTYPE(
            Pointer, Pointer, Pointer, ctypes.c_uint64, ctypes.c_uint64
        )(self._receive)
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
        assert types == b"v@:@@^@"
        self.added = self._selectors[selector - 1].decode()
        signature = ctypes.CFUNCTYPE(None, *[Pointer] * 5)
        self.method = signature(method)
        return True

    def _receive(self, receiver: int, selector: int, first: int, second: int) -> int:
        name = self._selectors[selector - 1].decode()
        n_given = name.count(":")
        self.messages.append((name, (first, second)[:n_given]))
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
    assert library.added == "convertFiles:userData:error:"
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
