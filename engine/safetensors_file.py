"""Reads safetensors files: a table of names, types, shapes and places in JSON, then the numbers.

The library of that name maps the file: if another program shortens it meanwhile, the system ends
the process. Here every number is read, and a short file is refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]

MAX_HEADER_BYTES = 4 * 2**20
"""A voice has 60 kB, and at most 2 MB of labels."""

_MAX_DIMENSIONS = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_METADATA = "__metadata__"


class SafetensorsError(ValueError):
    """The file is not a complete safetensors file."""


def is_safetensors(head: bytes, size_bytes: int) -> bool:
    """Whether a file of that size begins as one; ``head`` are its first 9 bytes or more."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size_bytes - 8


def read_header(file: BufferedReader) -> dict[str, Any]:
    """The table; the position is at the numbers afterwards.

    Raises
    ------
    SafetensorsError : too large or cut short
    ValueError, RecursionError : it is not JSON
    """
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise SafetensorsError("a header too large")
    text = file.read(length)
    header = json.loads(text.decode())
    if len(text) != length or not isinstance(header, dict):
        raise SafetensorsError("a header that is not a table")
    return header


def read_metadata(file: BufferedReader) -> Mapping[str, Any]:
    """The texts that belong to no tensor.

    Raises
    ------
    SafetensorsError, ValueError, RecursionError : as in `read_header`
    """
    found = read_header(file).get(_METADATA)
    return found if isinstance(found, dict) else {}


def read_tensors(file: BufferedReader) -> dict[str, Tensor]:
    """All tensors, each with memory of its own.

    Raises
    ------
    SafetensorsError : the table is not one of tensors, or its numbers overlap, are left out, or
        are not all there
    ValueError, RecursionError : as in `read_header`
    """
    header = read_header(file)
    header.pop(_METADATA, None)
    entries = sorted(
        ((*_place(entry), name, entry) for name, entry in header.items()), key=lambda each: each[:2]
    )
    end = 0
    for start, stop, _, _ in entries:
        if start != end:
            raise SafetensorsError("numbers that overlap or belong to no tensor")
        end = stop
    if end != os.fstat(file.fileno()).st_size - file.tell():
        raise SafetensorsError("more or fewer numbers than stated")
    return {name: _tensor(file, stop - start, entry) for start, stop, name, entry in entries}


def _place(entry: object) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or [type(each) for each in offsets] != [int, int]:
        raise SafetensorsError("a tensor without a place")
    if not 0 <= offsets[0] <= offsets[1]:
        raise SafetensorsError("a tensor that ends before it begins")
    return offsets[0], offsets[1]


def _tensor(file: BufferedReader, size_bytes: int, entry: Mapping[str, Any]) -> Tensor:
    """The next tensor of a file."""
    shape, kind = entry.get("shape"), entry.get("dtype")
    dtype = _DTYPES.get(kind) if isinstance(kind, str) else None
    if dtype is None or not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        raise SafetensorsError("a tensor of an unknown type or shape")
    if any(type(length) is not int or length < 0 for length in shape):
        raise SafetensorsError("a shape that is not a list of sizes")
    if math.prod(shape) * dtype.itemsize != size_bytes:
        raise SafetensorsError("a tensor of another length than its shape")
    numbers = unset_bytes(size_bytes)
    if file.readinto(numbers.data) != size_bytes:
        raise SafetensorsError("it was cut short while it was read")
    return as_tensor(numbers, dtype).reshape(shape)


def unset_bytes(size_bytes: int) -> Bytes:
    """Memory that is not set to zero, because a file is read into it: half the time of reading."""
    return np.empty(size_bytes, np.uint8)


def as_tensor(raw: Bytes, dtype: torch.dtype) -> Tensor:
    """The numbers in raw bytes, a flat view of them except for truth values."""
    if not len(raw):
        return torch.empty(0, dtype=dtype)
    if dtype == torch.bool:
        return torch.frombuffer(raw, dtype=torch.uint8).ne(0)
    return torch.frombuffer(raw, dtype=dtype)
