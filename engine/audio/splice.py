"""Change a part of an open file; what follows moves."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from engine.files import write_at

_PIECE_BYTES = 1 << 20


class Splice(NamedTuple):
    """The bytes from ``start`` to ``stop`` become ``data``."""

    start: int
    stop: int
    data: bytes


def apply(descriptor: int, splices: Iterable[Splice]) -> None:
    """Change a file; the offsets are those before any change, and no two parts overlap.

    Raises
    ------
    OSError : the disk does not take every byte; the file is then damaged
    """
    for start, stop, data in sorted(splices, reverse=True):
        grown = len(data) - (stop - start)
        size = os.fstat(descriptor).st_size
        places = range(stop, size, _PIECE_BYTES)
        for at in reversed(places) if grown > 0 else places if grown else ():
            write_at(descriptor, os.pread(descriptor, min(_PIECE_BYTES, size - at), at), at + grown)
        if grown < 0:
            os.ftruncate(descriptor, size + grown)
        write_at(descriptor, data, start)
