"""A few calls into macOS' own classes, without a dependency.

Objective-C's runtime is a C library: a class is looked up by name, a message is sent by selector.
Every call states the types of its arguments, for on Apple silicon they decide where these lie.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable
from typing import Any

Pointer = ctypes.c_void_p
Method = Callable[[int, int, int, int, int], None]
"""Receiver, selector, and three objects, as a service or a delegate gets."""

_METHOD = ctypes.CFUNCTYPE(None, Pointer, Pointer, Pointer, Pointer, Pointer)
_FRAMEWORKS = "/System/Library/Frameworks"
_IS_GLOBAL = 1 << 28


class _BlockSize(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_ulong), ("size", ctypes.c_ulong))


class _Block(ctypes.Structure):
    """A closure as Apple's compilers lay it out (the blocks runtime's Block_private.h)."""

    _fields_ = (
        ("kind", Pointer),
        ("flags", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("invoke", Pointer),
        ("size", ctypes.POINTER(_BlockSize)),
    )


_INVOKE = _Block.invoke.offset
_CALLED = ctypes.CFUNCTYPE(None, Pointer)


class Runtime:
    """The runtime of a program in which AppKit is loaded (Qt does that).

    Parameters
    ----------
    library : the C library; a stand-in in tests

    Raises
    ------
    AttributeError : if it is no such library
    """

    def __init__(self, library: Any) -> None:
        self._send = ctypes.cast(library.objc_msgSend, Pointer).value or 0
        self._class = _typed(library.objc_getClass, Pointer, ctypes.c_char_p)
        self._selector = _typed(library.sel_registerName, Pointer, ctypes.c_char_p)
        self._allocate = _typed(
            library.objc_allocateClassPair, Pointer, Pointer, ctypes.c_char_p, ctypes.c_size_t
        )
        self._add = _typed(
            library.class_addMethod, ctypes.c_bool, Pointer, Pointer, _METHOD, ctypes.c_char_p
        )
        self._register = _typed(library.objc_registerClassPair, None, Pointer)
        self._library = library
        self._kept: list[object] = []

    def named(self, name: str) -> int:
        """A class.

        Raises
        ------
        LookupError : if this macOS has none of that name
        """
        found = self._class(name.encode())
        if not found:
            raise LookupError(f"no class {name}")
        return int(found)

    def send(
        self, receiver: int, selector: str, *arguments: tuple[Any, Any], result: Any = Pointer
    ) -> Any:
        """Send a message.

        Parameters
        ----------
        receiver : an object or class; 0 answers nothing, as nil does
        selector : e.g. ``beginActivityWithOptions:reason:``
        arguments : C type and value of each
        result : C type of the answer

        Returns
        -------
        What came back; for objects an address, 0 for nil
        """
        if not receiver:
            return 0
        types = [kind for kind, _ in arguments]
        call = ctypes.CFUNCTYPE(result, Pointer, Pointer, *types)(self._send)
        values = [value for _, value in arguments]
        return call(receiver, self._selector(selector.encode()), *values) or 0

    def text(self, words: str) -> int:
        """An NSString, let go with the next pool."""
        return int(
            self.send(
                self.named("NSString"),
                "stringWithUTF8String:",
                (ctypes.c_char_p, words.encode()),
            )
        )

    def words(self, text: int) -> str:
        """What an NSString says."""
        found = self.send(text, "UTF8String", result=ctypes.c_char_p)
        return found.decode(errors="replace") if found else ""

    def block(self) -> int:
        """A closure that does nothing, for a message that wants somebody to tell its result to.

        Raises
        ------
        LookupError : if this macOS lays closures out otherwise
        """
        try:
            kind = ctypes.cast(self._library._NSConcreteGlobalBlock, Pointer)  # noqa: SLF001
        except AttributeError as error:
            raise LookupError("no kind of closure") from error
        size = _BlockSize(0, ctypes.sizeof(_Block))
        called = _CALLED(lambda _: None)  # what else it is given is left where it lies
        invoke = ctypes.cast(called, Pointer)
        made = _Block(kind, _IS_GLOBAL, 0, invoke, ctypes.pointer(size))
        self._kept += [size, called, made]
        return ctypes.addressof(made)

    def receiver(self, name: str, selector: str, method: Method, types: bytes) -> int:
        """An object, never let go, that answers one message.

        Parameters
        ----------
        name : of its class
        selector : the message
        method : what is done
        types : of answer and arguments, as the runtime writes them, e.g. ``v@:@@^@``

        Raises
        ------
        LookupError : if the class cannot be made, e.g. because it is there already
        """
        made = self._allocate(self.named("NSObject"), name.encode(), 0)
        if not made:
            raise LookupError(f"cannot make the class {name}")
        function = _METHOD(lambda *given: method(*(each or 0 for each in given)))
        self._kept.append(function)  # the runtime holds its address only
        self._add(made, self._selector(selector.encode()), function, types)
        self._register(made)
        return int(self.send(int(made), "new"))


def call_block(block: int) -> None:
    """Call a closure that wants nothing; 0 is none."""
    if block:
        invoke = Pointer.from_address(block + _INVOKE)
        _CALLED(invoke.value or 0)(block)


def system_runtime(*frameworks: str) -> Runtime | None:
    """That of this Mac; None elsewhere.

    Parameters
    ----------
    frameworks : whose classes are needed beside those that Qt has loaded
    """
    if sys.platform != "darwin":
        return None
    path = ctypes.util.find_library("objc") or "/usr/lib/libobjc.A.dylib"
    try:
        for name in frameworks:
            ctypes.CDLL(f"{_FRAMEWORKS}/{name}.framework/{name}")
        return Runtime(ctypes.CDLL(path))
    except (OSError, AttributeError):
        return None


def _typed(function: Any, result: Any, *arguments: Any) -> Any:
    """The function with its own types, whoever else uses it."""
    address = ctypes.cast(function, Pointer).value
    return ctypes.CFUNCTYPE(result, *arguments)(address or 0)
