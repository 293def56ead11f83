"""A binary file of unknown honesty: every size is compared with what the file has left."""

from __future__ import annotations

import struct
from io import BufferedReader

import numpy as np
import numpy.typing as npt

from engine.errors import IndexFileError

AGAIN = "download or export the index again"


class BoundedReader:
    """A file that never gives, or makes room for, more than it has."""

    def __init__(self, file: BufferedReader, size_bytes: int, name: str) -> None:
        self._file = file
        self._name = name
        self.remaining_bytes = size_bytes

    def refusal(self, why: str, advice: str = AGAIN) -> IndexFileError:
        """The error to raise; it names the file."""
        return IndexFileError(f'Cannot use the index "{self._name}"', why, advice)

    def claim(self, count: int, item_bytes: int, what: str) -> int:
        """Bytes of `count` items, once it is known that the file has them.

        Raises
        ------
        IndexFileError : the file is shorter than that
        """
        if count < 0 or count * item_bytes > self.remaining_bytes:
            raise self.refusal(f"it is damaged or cut short: it ends inside its {what}")
        return count * item_bytes

    def fields(self, layout: str, what: str) -> tuple[int, ...]:
        """Little-endian integers in `struct`'s notation."""
        size_bytes = self.claim(1, struct.calcsize("<" + layout), what)
        self.remaining_bytes -= size_bytes
        data = self._file.read(size_bytes)
        if len(data) != size_bytes:
            raise self.refusal(f"it changed while it was read, inside its {what}")
        return struct.unpack("<" + layout, data)

    def tag(self, what: str) -> bytes:
        """The four letters that name the next part."""
        (number,) = self.fields("I", what)
        return number.to_bytes(4, "little")

    def fill(self, target: npt.NDArray[np.generic], what: str) -> None:
        """Read into a C-contiguous array that is already there."""
        self.remaining_bytes -= self.claim(1, target.nbytes, what)
        if not target.nbytes:  # an empty view cannot be cast, and there is nothing to read
            return
        if self._file.readinto(target.reshape(-1).view(np.uint8).data) != target.nbytes:
            raise self.refusal(f"it changed while it was read, inside its {what}")

    def integers(self, count: int, what: str) -> npt.NDArray[np.int64]:
        """The next `count` 64-bit integers; a size above 2^63 comes out negative."""
        self.claim(count, 8, what)
        values = np.empty(count, np.int64)
        self.fill(values, what)
        return values

    def skip(self, size_bytes: int) -> None:
        """Step over bytes that were claimed; a negative size steps back."""
        self._file.seek(size_bytes, 1)
        self.remaining_bytes -= size_bytes

    def peek(self, size_bytes: int) -> bytes:
        """At most so many of the bytes that follow, without moving on."""
        data = self._file.read(min(size_bytes, self.remaining_bytes))
        self._file.seek(-len(data), 1)
        return data
