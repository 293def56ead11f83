"""Spectrograms as PNG, source over result, without a drawing library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW_SAMPLES, HOP_SAMPLES = 512, 40
RANGE_DB = 70.0
_GAP = 6


def write_spectrograms(path: Path, sounds: Sequence[NDArray[np.float64]]) -> None:
    """One above the other, 16 kHz: 2.5 ms a column, 31 Hz a line, 70 dB from black to white."""
    pictures = [_picture(sound) for sound in sounds]
    width = max(picture.shape[1] for picture in pictures)
    rows: list[NDArray[np.float64]] = []
    for picture in pictures:
        rows.append(np.pad(picture, ((0, 0), (0, width - picture.shape[1]))))
        rows.append(np.ones((_GAP, width)))
    path.write_bytes(_png(np.concatenate(rows[:-1])))


def _picture(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(sound, WINDOW_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(WINDOW_SAMPLES)))
    level_db = 20 * np.log10(magnitude + 1e-4).T[::-1]
    shown: NDArray[np.float64] = ((level_db - level_db.max()) / RANGE_DB + 1).clip(0, 1)
    return shown


def _png(picture: NDArray[np.float64]) -> bytes:
    """Greyscale, 8 bit (PNG specification, sections 5 and 11)."""
    height, width = picture.shape
    grey = np.round(picture * 255).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
