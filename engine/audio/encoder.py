"""Samples into the bytes of a file, by libsndfile, with every failing write noticed."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio.quantization import DITHER_SEED, to_16_bit, to_24_bit
from engine.audio.source import BLOCK_FRAMES

_PEAK_CHUNK_WITHIN_BYTES = 256


@dataclass(frozen=True)
class Encoding:
    """Container and codec in libsndfile's words, and the codec's settings."""

    container: str
    codec: str
    options: Mapping[str, Any] = field(default_factory=dict)


MP3_V0 = Encoding("MP3", "MPEG_LAYER_III", {"compression_level": 0.0, "bitrate_mode": "VARIABLE"})
"""About 245 kbit/s for music. libsndfile writes the LAME tag that makes it gapless."""

VORBIS_Q8 = Encoding("OGG", "VORBIS", {"compression_level": 0.2})
"""About 256 kbit/s for music."""


def encode(descriptor: int, sound: NDArray[np.float32], rate_hz: int, encoding: Encoding) -> None:
    """Write a sound file into an open, empty file.

    Parameters
    ----------
    descriptor : open for reading and writing; stays open
    sound : float32 [n, channels]
    rate_hz : its rate
    encoding : what to make of it

    Raises
    ------
    OSError : if the file does not take every byte
    """
    rng = np.random.default_rng(DITHER_SEED)
    sink = _Sink(descriptor)
    try:
        with soundfile.SoundFile(
            sink,
            "w",
            samplerate=rate_hz,
            channels=sound.shape[1],
            format=encoding.container,
            subtype=encoding.codec,
            **encoding.options,
        ) as file:
            # Small writes: libvorbis keeps a block's work on the stack.
            for start in range(0, sound.shape[0], BLOCK_FRAMES):
                file.write(_coded(sound[start : start + BLOCK_FRAMES], encoding.codec, rng))
    except (soundfile.SoundFileError, AssertionError) as error:  # the latter after a short write
        raise sink.failure or OSError(errno.EIO, str(error)) from error
    if sink.failure is not None:
        raise sink.failure
    if encoding.codec == "FLOAT":
        _clear_time_of_writing(descriptor)


class _Sink(io.FileIO):
    """The file as libsndfile writes it; keeps the error that libsndfile would swallow.

    libsndfile does not look at the last writes, those it makes on closing: an MP3 on a disk that
    fills up there would be short and pass for complete.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r+", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it; 0 after a failure."""
        rest = memoryview(data)
        try:
            while rest and self.failure is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.failure = error
        return len(data) if self.failure is None else 0


def _coded(block: NDArray[np.float32], codec: str, rng: np.random.Generator) -> NDArray[Any]:
    if codec == "PCM_16":
        return to_16_bit(block, rng)
    if codec == "PCM_24":
        return to_24_bit(block)
    if codec == "FLOAT":
        return block
    return np.clip(block, -1, 1)


def _clear_time_of_writing(descriptor: int) -> None:
    """Undate the PEAK chunk of a float file, so that equal sounds make equal files."""
    at = os.pread(descriptor, _PEAK_CHUNK_WITHIN_BYTES, 0).find(b"PEAK")
    if at >= 0:
        os.pwrite(descriptor, bytes(4), at + 12)  # after name, size, version
