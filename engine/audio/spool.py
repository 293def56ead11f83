"""Samples of any length: in memory while they are few, else in an unnamed temporary file."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from engine.errors import OutputFileError, Text

Floats = NDArray[np.float32]

BLOCK_FRAMES = 1 << 16
"""Frames that are decoded, copied or written at a time."""

_MEMORY_BYTES = 32 << 20
"""About nine minutes at 16 kHz, or three at 48 kHz."""


class Spool:
    """Float32 [n, channels], read and written in any order; what was never written is zero.

    Long ones are read and written with plain system calls: pages of a mapped file would count as
    memory of this process. The file has no name, so nothing is left behind, however it ends.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._n = 0
        self._frame_bytes = 4 * channels
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES, buffering=0)  # noqa: SIM115 - lives as long as this object

    def __len__(self) -> int:
        return self._n

    def __del__(self) -> None:
        self._file.close()

    def append(self, block: Floats) -> None:
        """Add float32 [m, channels] at the end."""
        self.write(self._n, block)

    def write(self, start: int, block: Floats) -> None:
        """Put float32 [m, channels] at ``start``, over what was there or beyond the end."""
        rest = np.ascontiguousarray(block, np.float32).view(np.uint8).reshape(-1).data
        end = start + len(block)
        with temporary_disk_errors():
            if end * self._frame_bytes > _MEMORY_BYTES:
                self._file.rollover()  # before a gap is filled with zeros in memory
            self._file.seek(start * self._frame_bytes)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._n = max(self._n, end)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end."""
        samples = np.zeros((stop - start, self.channels), np.float32)
        rest = samples.view(np.uint8).reshape(-1).data
        with temporary_disk_errors():
            self._file.seek(start * self._frame_bytes)
            while rest and (count := self._file.readinto(rest)):
                rest = rest[count:]
        return samples

    def resize(self, n: int) -> None:
        """Cut to ``n`` frames, or add zeros."""
        if n < self._n:
            with temporary_disk_errors():
                self._file.truncate(n * self._frame_bytes)
        self._n = n

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """All of it or a part, float32 [m, channels] at a time, m <= `BLOCK_FRAMES`."""
        end = self._n if stop is None else min(stop, self._n)
        for low in range(start, end, BLOCK_FRAMES):
            yield self.read(low, min(low + BLOCK_FRAMES, end))


@contextmanager
def temporary_disk_errors() -> Iterator[None]:
    """Say that the disk for temporary files failed, not the source's or the result's."""
    try:
        yield
    except OSError as error:
        # Not gettempdir(): it fails where no folder can be written to.
        folder = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - only named
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why, advice = Text("its disk is full"), "free some space and try again"
        else:
            why = Text("the disk reports: {report}", report=error.strerror or str(error))
            advice = "check the disk, then try again"
        raise OutputFileError(
            Text("Cannot keep temporary sound in {folder}", folder=folder), why, advice
        ) from error
