"""A pickle read as data: the opcodes that ``torch.save`` writes, and no way to call anything.

Python's own unpickler calls whatever a file names. Here a name stays a name: tensors, ordered
dicts and numpy scalars are built by this module, everything harmless becomes an `Inert` object,
and any other name stops the reading. ``pickletools`` does the parsing and runs nothing.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch


class PickleError(ValueError):
    """The stream is no pickle that ``torch.save`` could have written."""


class ForeignObjectError(PickleError):
    """The stream names something that would have to be run; `name` says what."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Name:
    """A global of the pickle: a name, never the thing it names."""

    text: str


class Inert:
    """An object of a foreign class (``argparse.Namespace``, omegaconf): kept, never used."""

    def __init__(self, name: str, args: object) -> None:
        self.name = name
        self.args = args


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: their type, and a flat tensor of all of them."""

    values: torch.Tensor


DTYPES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

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
_TENSOR_NAMES = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_MAX_DIMENSIONS = 8
_MARK = object()
_Key = str | int | float | bytes | None | Name | Inert


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
                target.append(value) if isinstance(target, list) else target.add(_key(value))
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
                target[_key(key)] = value
        elif not isinstance(target, Inert):
            raise PickleError("items for what is no dict")

    def frozen_set(self, _: object) -> None:
        self._stack.append(frozenset(_key(value) for value in self.since_mark()))

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
        self._stack.append(_built(name, args))

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


def _key(value: object) -> _Key:
    """A dict key whose hash is cheap: nested tuples could take exponential time to hash."""
    if isinstance(value, str | int | float | bytes | Name | Inert) or value is None:
        return value
    raise PickleError("a key of an odd kind")


def _built(name: object, args: object) -> Any:
    """What the file means by ``name(*args)``, built here."""
    if not isinstance(name, Name) or not isinstance(args, tuple):
        raise PickleError("a call of what is no name")
    if name.text in _TENSOR_NAMES:
        return _tensor(*args[:4])
    if name.text == "torch._utils._rebuild_parameter":
        return args[0]
    if name.text in ("collections.OrderedDict", "builtins.dict", "__builtin__.dict"):
        return _ordered(args)
    if name.text == "torch.Size" and args and isinstance(args[0], tuple | list):
        return tuple(args[0])
    if name.text.endswith(".multiarray.scalar"):
        return _scalar(*args)
    if name.text == "_codecs.encode" and isinstance(args[0], str):
        return args[0].encode("latin-1")
    return Inert(name.text, args)


def _ordered(args: tuple[Any, ...]) -> dict[Any, Any]:
    pairs = args[0] if args else ()
    if not isinstance(pairs, list | tuple):
        raise PickleError("a dict of no pairs")
    return {_key(key): value for key, value in pairs}


def _tensor(storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """A view of a storage; never reaches outside it nor repeats its numbers."""
    numbers = [offset, *size, *stride]
    if not isinstance(storage, Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise PickleError("a tensor of no numbers")
    if len(size) > _MAX_DIMENSIONS or len(stride) != len(size):
        raise PickleError("a tensor of too many dimensions")
    count = storage.values.numel()
    elements = 1
    for length in size:
        elements *= length
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True) if n)
    if elements and (last >= count or elements > count):
        raise PickleError("a tensor larger than its numbers")
    if not elements:
        return torch.empty(0, dtype=storage.values.dtype).reshape([min(n, 1) for n in size])
    return storage.values.as_strided(size, stride, offset)


def _scalar(dtype: object, data: object = b"") -> Any:
    """A numpy number as Python's own: ``scalar(dtype("f8"), 8 bytes)``."""
    if isinstance(dtype, Inert) and isinstance(dtype.args, tuple) and isinstance(data, bytes):
        code = str(dtype.args[0])
        if re.fullmatch(r"[fiu][1248]|b1", code):
            return np.frombuffer(data, np.dtype(code), count=1)[0].item()
    raise PickleError("a number of an odd kind")
