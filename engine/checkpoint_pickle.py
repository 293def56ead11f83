"""A pickle read as data: the opcodes that ``torch.save`` writes, and no way to call anything.

Python's own unpickler calls whatever a file names. Here a name stays a name: tensors, ordered
dicts and numpy scalars are built by this module, everything harmless becomes an `Inert` object,
and any other name stops the reading. ``pickletools`` does the parsing and runs nothing.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import torch

from engine.checkpoint_object import (
    ForeignObjectError,
    Inert,
    Name,
    PickleError,
    Storage,
    build_object,
    dict_key,
)

# Names that trainers leave beside the weights. They become inert objects.
_HARMLESS = re.compile(
    r"(fairseq|omegaconf|argparse|typing|enum)\..+"
    r"|torch\.(cuda\.)?\w+Storage"
    r"|torch\.(float|bfloat|int|uint|bool|half|double|long|short)\w*"
    r"|torch\.(Size|device|Tensor|nn\.parameter\.Parameter|_utils\._rebuild_parameter"
    r"|_utils\._rebuild_tensor(_v2)?)"
    r"|collections\.(OrderedDict|defaultdict|Counter)"
    r"|(builtins|__builtin__)\.(dict|list|tuple|set|int|float|str|bool|bytes|bytearray|complex)"
    r"|numpy\.(core|_core)\.multiarray\.(scalar|_reconstruct)"
    r"|numpy\.(dtype|ndarray|dtypes\.\w+|(float|int|uint|bool)\w*)"
    r"|_codecs\.encode"
)
_MARK = object()


def read_pickle(stream: BinaryIO, storage: Callable[[tuple[Any, ...]], Storage]) -> Any:
    """The object that starts at the stream's position; leaves the position after it.

    Parameters
    ----------
    stream : a pickle, in memory (so that a false length cannot ask for more than there is)
    storage : gives the numbers for a persistent id ``("storage", Name, key, device, count, ...)``

    Raises
    ------
    ForeignObjectError : a name outside the harmless ones
    PickleError : an opcode or an arrangement that ``torch.save`` does not write
    ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError : a damaged stream
    """
    machine = _Machine(storage)
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, argument)
    raise PickleError("no end")


class _Machine:
    """The stack machine of the pickle format, without calls."""

    def __init__(self, storage: Callable[[tuple[Any, ...]], Storage]) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._storage = storage

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise PickleError("a mark where a value belongs")
        return value

    def step(self, opcode: str, argument: Any) -> None:
        if _LITERALS.fullmatch(opcode):
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode]())
        elif opcode in ("PROTO", "FRAME"):
            pass
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise PickleError(opcode)

    def memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def duplicate(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    def discard(self, _: object) -> None:
        self._stack.pop()

    def since_mark(self, _: object = None) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        values.reverse()
        return values

    def tuple_of(self, count: int | None) -> None:
        values = self.since_mark() if count is None else [self.pop() for _ in range(count)][::-1]
        self._stack.append(tuple(values))

    def new_list(self, _: object) -> None:
        self._stack.append(self.since_mark())

    def append(self, _: object) -> None:
        self._extend([self.pop()])

    def appends(self, _: object) -> None:
        self._extend(self.since_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list | set):
            for value in values:
                target.append(value) if isinstance(target, list) else target.add(dict_key(value))
        elif not isinstance(target, Inert):
            raise PickleError("items for what is no list")

    def new_dict(self, _: object) -> None:
        values = self.since_mark()
        self._stack.append({})
        self._set_items(values)

    def set_item(self, _: object) -> None:
        value, key = self.pop(), self.pop()
        self._set_items([key, value])

    def set_items(self, _: object) -> None:
        self._set_items(self.since_mark())

    def _set_items(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                target[dict_key(key)] = value
        elif not isinstance(target, Inert):
            raise PickleError("items for what is no dict")

    def frozen_set(self, _: object) -> None:
        self._stack.append(frozenset(dict_key(value) for value in self.since_mark()))

    def name(self, argument: Any) -> None:
        if argument is None:
            attribute, module = self.pop(), self.pop()
            text = f"{module}.{attribute}"
        else:
            text = str(argument).replace(" ", ".", 1)
        if not _HARMLESS.fullmatch(text):
            raise ForeignObjectError(text)
        self._stack.append(Name(text))

    def call(self, _: object) -> None:
        args, name = self.pop(), self.pop()
        self._stack.append(build_object(name, args))

    def new_object(self, argument: int | None) -> None:
        if argument is not None:  # NEWOBJ_EX brings keyword arguments as well
            self.pop()
        self.call(None)

    def set_state(self, _: object) -> None:
        # The state of an ordered dict (torch's _metadata) or of an inert object is of no use.
        self.pop()
        if not isinstance(self._stack[-1], dict | Inert | torch.Tensor):
            raise PickleError("a state for what has none")

    def persistent(self, _: object) -> None:
        self._stack.append(self._storage(self.pop()))


_LITERALS = re.compile(
    r"INT|BININT[12]?|LONG[14]?|FLOAT|BINFLOAT|STRING|(SHORT_)?BINSTRING"
    r"|UNICODE|(SHORT_)?BINUNICODE8?|(SHORT_)?BINBYTES8?|BYTEARRAY8"
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "MEMOIZE": _Machine.memoize,
    "DUP": _Machine.duplicate,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.since_mark,
    "TUPLE": _Machine.tuple_of,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.new_list,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "DICT": _Machine.new_dict,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "FROZENSET": _Machine.frozen_set,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new_object,
    "NEWOBJ_EX": lambda machine, _: machine.new_object(1),
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.persistent,
}
