"""What a checkpoint's pickle is made of: names, storages, and the objects built from them here.

Nothing in this module calls what a file names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

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

_TENSOR_NAMES = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_MAX_DIMENSIONS = 8

Key = str | int | float | bytes | None | Name | Inert


def dict_key(value: object) -> Key:
    """A dict key whose hash is cheap: nested tuples could take exponential time to hash."""
    if isinstance(value, str | int | float | bytes | Name | Inert) or value is None:
        return value
    raise PickleError("a key of an odd kind")


def build_object(name: object, args: object) -> Any:
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
    return {dict_key(key): value for key, value in pairs}


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
