"""Reads a checkpoint's pickle as data: nothing that a file names is imported, called or run.

Python's own unpickler, the pure one, does the parsing. Only the opcodes of protocols 2 to 5 are
left in it, a global becomes a `Name`, and a call becomes a tensor, a dict or a number built here,
or an `Inert` object. Every step is paid from a budget, so that a small file cannot take much time
or memory.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch

MAX_STEPS = 1_000_000
"""About 60 a tensor: a voice takes 20,000, a whole training checkpoint 200,000."""

MAX_DEPTH = 64
"""Levels of containers inside each other; real files have 6."""

_TENSOR_STEPS = 10
_NUMBER_KEY_STEPS = 40  # Numbers can be chosen so that their hashes collide.
_MAX_KEY_CHARS = 1_000  # Equal texts are compared letter by letter.
_MAX_NAME_CHARS = 200
_MAX_INTEGER_BYTES = 4_096
_MAX_DIMENSIONS = 8
_MAX_FRAME_BYTES = 64 * 2**20
_MAX_OPEN_MARKS = 1_000


class PickleError(ValueError):
    """The stream is not a pickle that ``torch.save`` could have written."""


class OverBudgetError(PickleError):
    """The stream describes more objects, or deeper ones, than any checkpoint has."""


class ForeignObjectError(PickleError):
    """The stream names something that would have to be run; `name` says what."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Name:
    """A global of the pickle: its name, never the thing itself."""

    text: str


class Inert:
    """An object of a foreign class (``argparse.Namespace``, omegaconf): kept, never used."""

    __slots__ = ("args", "name")

    def __init__(self, name: str, args: object) -> None:
        self.name = name
        self.args = args


@dataclass(frozen=True)
class Storage:
    """A flat tensor of all the numbers of a storage."""

    values: torch.Tensor


StorageReader = Callable[[tuple[Any, ...]], Storage]
"""Gives the storage of a persistent id ``("storage", Name, key, device, count, ...)``."""


def read_pickle(stream: BinaryIO, storage: StorageReader) -> Any:
    """The object at the stream's position; leaves the position behind it.

    What is returned has no cycles, at most `MAX_DEPTH` levels and at most `MAX_STEPS` values,
    shared ones counted each time, so that walking, comparing or printing it takes little time.

    Parameters
    ----------
    stream : a pickle in memory, so that a false length cannot ask for more than there is

    Raises
    ------
    ForeignObjectError : a name outside the harmless ones
    OverBudgetError : too many or too deeply nested objects
    PickleError : an opcode or an arrangement that ``torch.save`` does not write
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, struct.error :
        a damaged stream
    """
    try:
        value = _InertUnpickler(stream, storage).load()
    except pickle.UnpicklingError as error:
        raise PickleError(str(error)) from error
    _extent((value,), {}, 0)
    return value


# Names that trainers leave beside the weights. They become inert objects.
_HARMLESS = re.compile(
    r"(fairseq|omegaconf|argparse|typing|enum|pathlib|datetime|decimal|uuid|collections)\..+"
    r"|demucs\.h?t?demucs\.\w+|fractions\.Fraction"
    r"|torch\.(cuda\.)?\w+Storage"
    r"|torch\.(float|bfloat|int|uint|bool|half|double|long|short)\w*"
    r"|torch\.(Size|device|Tensor|nn\.parameter\.Parameter|torch_version\.TorchVersion"
    r"|_utils\._rebuild_parameter|_utils\._rebuild_tensor(_v2)?)"
    r"|(builtins|__builtin__)\.(dict|list|tuple|set|int|float|str|bool|bytes|bytearray|complex)"
    r"|numpy\.(core|_core)\.multiarray\.(scalar|_reconstruct)"
    r"|numpy\.(dtype|ndarray|dtypes\.\w+|(float|int|uint|bool)\w*)"
    r"|_codecs\.encode"
)
_TENSOR_NAMES = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_DICT_NAMES = ("collections.OrderedDict", "builtins.dict", "__builtin__.dict")


class _InertUnpickler(pickle._Unpickler):  # noqa: SLF001 - the C one cannot be restricted
    """Python's unpickler with inert globals and a budget."""

    # Of the parent class, whose type stub leaves them out.
    memo: dict[int, Any]
    stack: list[Any]
    metastack: list[list[Any]]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]
    _unframer: Any

    def __init__(self, stream: BinaryIO, storage: StorageReader) -> None:
        super().__init__(stream, encoding="utf-8")
        self._storage = storage
        self.steps_left = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.steps_left -= steps
        if self.steps_left < 0:
            raise OverBudgetError("too many objects")

    def find_class(self, module: str, name: str) -> Name:
        text = f"{module[:_MAX_NAME_CHARS]}.{name[:_MAX_NAME_CHARS]}"
        if not _HARMLESS.fullmatch(text):
            raise ForeignObjectError(text)
        return Name(text)

    def persistent_load(self, identity: Any) -> Storage:
        return self._storage(identity)

    def load_global(self) -> None:
        module, name = self.readline(), self.readline()
        if not name.endswith(b"\n"):
            raise EOFError("the stream ends inside a name")
        self.stack.append(self.find_class(module[:-1].decode(), name[:-1].decode()))

    def load_frame(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > _MAX_FRAME_BYTES:
            raise OverBudgetError("a frame too large")
        self._unframer.load_frame(size)

    def load_mark(self) -> None:
        if len(self.metastack) >= _MAX_OPEN_MARKS:
            raise OverBudgetError("too many open marks")
        self.metastack.append(self.stack)
        self.stack = []
        self.append = self.stack.append

    def load_long4(self) -> None:
        size = int.from_bytes(self.read(4), "little")
        if size > _MAX_INTEGER_BYTES:
            raise OverBudgetError("an integer too large")
        self.stack.append(int.from_bytes(self.read(size), "little", signed=True))

    def load_binput(self) -> None:
        self._memoize(self.read(1)[0])

    def load_long_binput(self) -> None:
        self._memoize(int.from_bytes(self.read(4), "little"))

    def _memoize(self, index: int) -> None:
        """Picklers count upwards; other indices could be chosen so that their hashes collide."""
        if index > len(self.memo) + 1:
            raise PickleError("a memo with holes")
        self.memo[index] = self.stack[-1]

    def load_append(self) -> None:
        self._add([self.stack.pop()])

    def load_appends(self) -> None:
        self._add(self.pop_mark())

    def _add(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(self._key(value) for value in values)
        elif not isinstance(target, Inert):
            raise PickleError("items for an object that has none")

    def load_frozenset(self) -> None:
        self.stack.append(frozenset(self._key(value) for value in self.pop_mark()))

    load_additems = load_appends

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def load_setitems(self) -> None:
        self._set(self.pop_mark())

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                target[self._key(key)] = value
        elif not isinstance(target, Inert):
            raise PickleError("items for an object that is not a dict")

    def _key(self, value: Any) -> Any:
        """A key that is cheap to hash and to compare; nested tuples take exponential time."""
        if isinstance(value, str | bytes):
            if len(value) <= _MAX_KEY_CHARS:
                return value
        elif isinstance(value, int | float):
            self.spend(_NUMBER_KEY_STEPS)
            if isinstance(value, float) or abs(value) < 2**63:
                return value
        elif value is None or isinstance(value, Name | Inert):
            return value
        raise PickleError("a key of an unexpected kind")

    def load_reduce(self) -> None:
        args, name = self.stack.pop(), self.stack.pop()
        self.stack.append(self._build(name, args))

    load_newobj = load_reduce

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # the keyword arguments
        self.load_reduce()

    def load_build(self) -> None:
        """Drop a state: that of an ordered dict (torch's _metadata) or of an inert object."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | Inert | torch.Tensor):
            raise PickleError("a state for an object that has none")

    def _build(self, name: object, args: object) -> Any:
        """What the file means by ``name(*args)``."""
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise PickleError("a call of a value")
        if name.text in _TENSOR_NAMES:
            self.spend(_TENSOR_STEPS)
            return _tensor(*args[:4])
        if name.text == "torch._utils._rebuild_parameter":
            return args[0]
        if name.text in _DICT_NAMES:
            return self._dict(args[0] if args else ())
        if name.text == "torch.Size" and args and isinstance(args[0], tuple | list):
            self.spend(len(args[0]))
            return tuple(args[0])
        if name.text.endswith(".multiarray.scalar"):
            return _scalar(*args)
        if name.text == "_codecs.encode" and isinstance(args[0], str):
            self.spend(len(args[0]))
            return args[0].encode("latin-1")
        return Inert(name.text, args)

    def _dict(self, pairs: Any) -> dict[Any, Any]:
        if not isinstance(pairs, list | tuple):
            raise PickleError("a dict of something else than pairs")
        self.spend(len(pairs))
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise PickleError("a dict of something else than pairs")
        return {self._key(key): value for key, value in pairs}


_OPCODES = {
    1: "PROTO FRAME STOP POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4"
    " BINFLOAT BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES"
    " SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS"
    " EMPTY_DICT SETITEM SETITEMS ADDITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET BUILD",
    5: "MARK GLOBAL STACK_GLOBAL EMPTY_SET FROZENSET REDUCE NEWOBJ NEWOBJ_EX BINPERSID",
}
"""Steps that an opcode costs, and the opcodes: those that pickles of protocols 2 to 5 need."""


def _paid(step: Callable[[_InertUnpickler], None], cost: int) -> Callable[[_InertUnpickler], None]:
    def paid(unpickler: _InertUnpickler) -> None:
        unpickler.steps_left -= cost
        if unpickler.steps_left < 0:
            raise OverBudgetError("too many objects")
        step(unpickler)

    return paid


def _dispatch() -> dict[int, Callable[[Any], None]]:
    table = {}
    for cost, opcodes in _OPCODES.items():
        for opcode in opcodes.split():
            code = getattr(pickle, opcode)[0]
            name = pickle._Unpickler.dispatch[code].__name__  # noqa: SLF001
            table[code] = _paid(getattr(_InertUnpickler, name), cost)
    return table


_InertUnpickler.dispatch = _dispatch()


def _tensor(
    storage: object, offset: int, size: Sequence[int], stride: Sequence[int]
) -> torch.Tensor:
    """A view of a storage; never reaches outside it nor repeats its numbers."""
    if not isinstance(storage, Storage) or not len(size) == len(stride) <= _MAX_DIMENSIONS:
        raise PickleError("a tensor without numbers or with too many dimensions")
    if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise PickleError("a tensor of a size that is not a number")
    count = storage.values.numel()
    elements = 1
    for length in size:
        elements *= length
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True) if n)
    if elements and (last >= count or elements > count):
        raise PickleError("a tensor larger than its storage")
    if not elements:
        return torch.empty(0, dtype=storage.values.dtype).reshape([min(n, 1) for n in size])
    return storage.values.as_strided(size, stride, offset)


def _scalar(dtype: object, data: object = b"") -> Any:
    """A numpy number as Python's own: ``scalar(dtype("f8"), 8 bytes)``."""
    if isinstance(dtype, Inert) and isinstance(dtype.args, tuple) and isinstance(data, bytes):
        code = dtype.args[0]
        if isinstance(code, str) and re.fullmatch(r"[fiu][1248]|b1", code):
            return np.frombuffer(data, np.dtype(code), count=1)[0].item()
    raise PickleError("a number of an unexpected kind")


def _extent(value: Any, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """Values in a container and its levels; shared containers count each time they occur."""
    if id(value) in known:
        return known[id(value)]
    if depth > MAX_DEPTH:
        raise OverBudgetError("too deeply nested objects")
    values: Iterable[Any] = value.values() if isinstance(value, dict) else value
    if isinstance(value, Inert):
        values = (value.args,)
    count, levels = 1, 1
    for item in values:
        count += 1
        if isinstance(item, _CONTAINERS):
            inner_count, inner_levels = _extent(item, known, depth + 1)
            count += inner_count
            levels = max(levels, inner_levels + 1)
    if count > MAX_STEPS or depth + levels > MAX_DEPTH + 1:
        raise OverBudgetError("too many or too deeply nested objects")
    known[id(value)] = count, levels
    return known[id(value)]


_CONTAINERS = (dict, list, tuple, set, frozenset, Inert)
