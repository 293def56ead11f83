"""AAC in an MP4 file (``.m4a``): by FFmpeg, or by macOS' own encoder where there is no FFmpeg."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio.system_decoder import AFCONVERT, run_tool
from engine.errors import Refusal
from engine.files import scratch_folder

RATES_HZ = (
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
)  # fmt: skip

_MOST_BITS_A_SECOND = 128_000
_BITS_A_SAMPLE = 4
"""Of one channel: transparent for voices, and below AAC's own limit of 6 bits a sample."""


def encode(
    file: io.FileIO, blocks: Iterable[NDArray[np.float32]], rate_hz: int, channels: int
) -> None:
    """Write a sound into an open, empty file; it states its length, so that it reads back exactly.

    Parameters
    ----------
    blocks : float32 [n, channels] within ±1
    rate_hz : one of `RATES_HZ`
    channels : 1 or 2

    Raises
    ------
    Refusal : there is no encoder, or it failed
    OSError : the disk for temporary files or for the result is full
    """
    if find_spec("av") is not None:
        _by_ffmpeg(file, blocks, rate_hz, channels)
    elif AFCONVERT.is_file():
        _by_macos(file, blocks, rate_hz, channels)
    else:
        raise Refusal("neither PyAV nor macOS' afconvert is installed", "choose another format")


def _by_ffmpeg(
    file: io.FileIO, blocks: Iterable[NDArray[np.float32]], rate_hz: int, channels: int
) -> None:
    import av

    exact_length = {"movie_timescale": str(rate_hz)}  # in milliseconds by itself
    with av.open(file, "w", format="ipod", options=exact_length) as container:
        stream = container.add_stream("aac", rate=rate_hz, layout=_layout(channels))
        stream.bit_rate = channels * min(_MOST_BITS_A_SECOND, _BITS_A_SAMPLE * rate_hz)
        done = 0
        for block in blocks:
            planes = np.ascontiguousarray(block.T)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_layout(channels))
            frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), done
            done += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _by_macos(
    file: io.FileIO, blocks: Iterable[NDArray[np.float32]], rate_hz: int, channels: int
) -> None:
    with scratch_folder() as folder:
        source, target = folder / "sound.caf", folder / "sound.m4a"
        with soundfile.SoundFile(source, "w", rate_hz, channels, "FLOAT", format="CAF") as sound:
            for block in blocks:
                sound.write(block)
        if not run_tool(afconvert_command(source, target)) or not target.is_file():
            raise Refusal("macOS cannot encode it as AAC", "choose another format")
        with target.open("rb") as encoded:
            shutil.copyfileobj(encoded, file)


def afconvert_command(source: Path, target: Path) -> list[str]:
    """Encode as AAC of variable rate, which, unlike a fixed one, suits every sample rate."""
    kind = ["-f", "m4af", "-d", "aac", "-s", "3", "-u", "vbrq", "110", "-q", "127"]
    return [str(AFCONVERT), *kind, str(source), str(target)]
