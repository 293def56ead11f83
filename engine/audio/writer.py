"""Write a result: never half, never over another file unasked, never wrapped or shifted."""

from __future__ import annotations

import bisect
import errno
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio.source import BLOCK_FRAMES, shown_name
from engine.errors import OutputFileError
from engine.files import atomic_file
from engine.options import FILE_FORMATS, ConversionOptions, FileFormat, Subtype

DITHER_SEED = 0
"""Fixed: the same sound makes the same file."""


def to_16_bit(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int16]:
    """Round to 16 bits with triangular dither of one step either way.

    Dither turns the distortion of fading notes into even noise at -96 dB. Samples of exactly 0
    stay 0, so that digital silence stays silent. Out of range clips, never wraps.

    Parameters
    ----------
    samples : float32 [n, channels]  full scale is 1
    rng : where the dither comes from
    """
    dither = rng.random(samples.shape) - rng.random(samples.shape)
    steps = np.rint(samples * 32768.0 + np.where(samples == 0, 0.0, dither))
    clipped: NDArray[np.int16] = np.clip(steps, -32768, 32767).astype(np.int16)
    return clipped


def to_24_bit(samples: NDArray[np.float32]) -> NDArray[np.int32]:
    """Round to 24 bits, left-justified in 32 as libsndfile wants it; clips, never wraps.

    No dither: its noise would lie at -144 dB, below that of the float32 sound itself.
    """
    steps = np.rint(samples.astype(np.float64) * 8388608.0)
    return np.clip(steps, -8388608, 8388607).astype(np.int32) << 8


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


SUBTYPES_OF: dict[FileFormat, tuple[Subtype, ...]] = {
    "wav": ("24", "16", "float"),
    "flac": ("24", "16"),
    "aiff": ("24", "16", "float"),
    "mp3": (),
    "ogg": (),
}
"""What each format can hold, its default first; the lossy ones offer no choice."""

_SUFFIXES: dict[str, FileFormat] = {
    ".wav": "wav", ".wave": "wav", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg", ".oga": "ogg",
    ".aiff": "aiff", ".aif": "aiff", ".aifc": "aiff",
}  # fmt: skip

MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_MAX_CHANNELS = 2

_MAX_RIFF_BYTES = (1 << 32) - (1 << 16)
"""Of sound; a WAV beyond it becomes RF64, an AIFF beyond it is refused."""

_LOSSY = {"mp3": MP3_V0, "ogg": VORBIS_Q8}
_CODECS = {"float": "FLOAT", "24": "PCM_24", "16": "PCM_16"}
_SAMPLE_BYTES = {"float": 4, "24": 3, "16": 2}


def file_format_of(path: Path) -> FileFormat:
    """The format that a result's name asks for.

    Raises
    ------
    OutputFileError : if the ending is none we write
    """
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        known = ", ".join(f".{name}" for name in FILE_FORMATS)
        raise _unwritable(
            path, "its ending names no format that can be written", f"end it with one of {known}"
        ) from None


def file_rate(file_format: FileFormat, rate_hz: int) -> int:
    """The rate a file of this format is written at: `rate_hz`, or for MP3 the next legal one.

    Callers resample to it first; the file then holds ``resampled_length(n, rate_hz, file_rate)``.
    """
    if file_format != "mp3":
        return rate_hz
    at = bisect.bisect_left(MP3_RATES_HZ, rate_hz)
    return MP3_RATES_HZ[min(at, len(MP3_RATES_HZ) - 1)]


def check_output(
    path: Path, file_format: FileFormat, subtype: Subtype | None, *, overwrite: bool
) -> None:
    """Refuse, before any work is done, what `write_audio` would refuse after it.

    Raises
    ------
    OutputFileError : if the format cannot hold the sample type, the folder is missing or
        protected, or a file or folder of this name is there
    """
    offered = SUBTYPES_OF[file_format]
    if subtype is not None and subtype not in offered:
        why = f"{file_format.upper()} files cannot hold {_CODECS[subtype]} samples"
        advice = f"choose one of {', '.join(offered)}" if offered else "leave the sample type out"
        raise _unwritable(path, why, advice)
    if "\0" in str(path):
        raise _unwritable(path, "no file can have this name", "choose another name")
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError
        if path.is_dir():
            raise _unwritable(path, "there is a folder of this name", "choose another name")
        if not overwrite and os.path.lexists(path):
            raise FileExistsError
    except OSError as error:
        raise _failed(path, error) from error


def write_audio(
    path: str | os.PathLike[str],
    samples: NDArray[np.float32],
    rate_hz: int,
    file_format: FileFormat,
    subtype: Subtype | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a sound file; it appears under its name only when it is whole and on disk.

    Every format reads back with exactly the given number of samples, unshifted. Whole-number
    formats and the lossy ones clip beyond 1, float keeps it. 16 bit is dithered (see
    `to_16_bit`). The same samples make the same bytes, except in Ogg, whose stream number is
    random.

    Parameters
    ----------
    path : the file; its folder must exist
    samples : float32 [n] or [n, channels]  n >= 1, 1 or 2 channels
    rate_hz : their rate, legal in the format (see `file_rate`)
    file_format : container; the name's ending is not looked at
    subtype : sample type; None takes the first of `SUBTYPES_OF`
    overwrite : replace a file of that name

    Returns
    -------
    Path : the file

    Raises
    ------
    OutputFileError : if the format cannot hold the sound, or the disk, the folder or an existing
        file forbids it; nothing is left behind and nothing is lost
    """
    target = Path(path)
    check_output(target, file_format, subtype, overwrite=overwrite)
    sound = samples[:, None] if samples.ndim == 1 else samples
    _check_sound(target, sound, rate_hz, file_format)
    encoding = _encoding(target, sound, file_format, subtype)
    try:
        with atomic_file(target, overwrite=overwrite) as descriptor:
            encode(descriptor, sound, rate_hz, encoding)
    except OSError as error:
        raise _failed(target, error) from error
    return target


def _check_sound(
    path: Path, sound: NDArray[np.float32], rate_hz: int, file_format: FileFormat
) -> None:
    n, channels = sound.shape
    if n == 0 or not 1 <= channels <= _MAX_CHANNELS:
        why = "there is no sound to write" if n == 0 else f"{channels} channels cannot be written"
        raise _unwritable(path, why, "convert a file with one or two channels of sound")
    for start in range(0, n, BLOCK_FRAMES):
        if not np.isfinite(sound[start : start + BLOCK_FRAMES]).all():
            why = "the result holds values that are no numbers (NaN or infinity)"
            raise _unwritable(path, why, "try another voice; this one may be damaged")
    if file_rate(file_format, rate_hz) != rate_hz:
        why = f"an {file_format.upper()} file cannot have a sample rate of {rate_hz} Hz"
        raise _unwritable(path, why, f"write it at {file_rate(file_format, rate_hz)} Hz")


def _encoding(
    path: Path,
    sound: NDArray[np.float32],
    file_format: FileFormat,
    subtype: Subtype | None,
) -> Encoding:
    if file_format in _LOSSY:
        return _LOSSY[file_format]
    kind = subtype or SUBTYPES_OF[file_format][0]
    container = file_format.upper()
    if container != "FLAC" and sound.size * _SAMPLE_BYTES[kind] > _MAX_RIFF_BYTES:
        if container == "AIFF":
            raise _unwritable(path, "AIFF files end at 4 GB", "choose WAV or FLAC")
        container = "RF64"
    return Encoding(container, _CODECS[kind])


def _failed(path: Path, error: OSError) -> OutputFileError:
    folder = shown_name(path.parent.absolute())
    match error:
        case FileExistsError():
            return _unwritable(path, "a file of this name is there", "choose another name")
        case FileNotFoundError() | NotADirectoryError():
            return _unwritable(path, f"the folder {folder} does not exist", "create it first")
        case PermissionError():
            return _unwritable(
                path, f"you are not allowed to write into the folder {folder}", "choose another one"
            )
        case OSError(errno=errno.EROFS):
            return _unwritable(path, "its disk is read-only", "choose a folder on another disk")
        case OSError(errno=errno.ENAMETOOLONG):
            return _unwritable(path, "its name is too long", "choose a shorter name")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return _unwritable(path, "its disk is full", "make room or choose another disk")
    why = f"the disk reports: {error.strerror or error}"
    return _unwritable(path, why, "choose a folder on another disk")


def _unwritable(path: Path, why: str, advice: str) -> OutputFileError:
    return OutputFileError(f"Cannot write {shown_name(path)}", why, advice)


def write_free(
    path: Path | Callable[[], Path],
    samples: NDArray[np.float32],
    rate_hz: int,
    options: ConversionOptions,
    *,
    overwrite: bool,
) -> Path:
    """Write a result; where the name is ours to choose, another taking it first is no failure."""
    while True:
        name = path if isinstance(path, Path) else path()
        try:
            return write_audio(
                name, samples, rate_hz, options.file_format, options.subtype, overwrite=overwrite
            )
        except OutputFileError:
            if isinstance(path, Path) or not os.path.lexists(name):
                raise
