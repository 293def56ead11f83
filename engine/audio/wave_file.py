"""Float WAV files that are read anywhere: sound that is kept between two stages of a program."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio.spool import BLOCK_FRAMES, temporary_disk_errors

Floats = NDArray[np.float32]


class WaveFile:
    """An open WAV file; it can be read to its end even if its name is deleted meanwhile.

    Only one thread at a time may read it.

    Attributes
    ----------
    path, rate_hz, channels : of the file

    Raises
    ------
    OSError : there is no such file, or it holds other things than sound
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = soundfile.SoundFile(path)
        except soundfile.SoundFileError as error:
            raise OSError(errno.EIO, str(error), str(path)) from error
        self.path = path
        self.rate_hz: int = self._file.samplerate
        self.channels: int = self._file.channels

    def __len__(self) -> int:
        return int(self._file.frames)

    def read(self, start: int, stop: int) -> Floats:
        """Float32 [stop - start, channels], zero beyond the end.

        Raises
        ------
        OutputFileError : the disk fails
        """
        samples = np.zeros((stop - start, self.channels), np.float32)
        n = min(stop, len(self)) - start
        if n > 0:
            with temporary_disk_errors():
                self._file.seek(start)
                if len(self._file.read(out=samples[:n])) < n:
                    raise OSError(errno.EIO, "a temporary file is cut off", str(self.path))
        return samples

    def blocks(self) -> Iterator[Floats]:
        """All of it, float32 [m, channels] at a time, m <= `BLOCK_FRAMES`."""
        for start in range(0, len(self), BLOCK_FRAMES):
            yield self.read(start, min(start + BLOCK_FRAMES, len(self)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
