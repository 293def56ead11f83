"""Write a result: complete or not at all, never over another file unless asked to."""

from __future__ import annotations

import bisect
import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio import aac_writer
from engine.audio.source import Sound, shown_name
from engine.audio.spool import BLOCK_FRAMES
from engine.audio.tags.file_tags import write_tags
from engine.audio.tags.tag import Tags
from engine.errors import Message, OutputFileError, Text, as_user_error
from engine.files import atomic_file
from engine.options import FILE_FORMATS, ConversionOptions, FileFormat, Subtype

SUBTYPES_OF: dict[FileFormat, tuple[Subtype, ...]] = {
    "wav": ("24", "16", "float"),
    "flac": ("24", "16"),
    "aiff": ("24", "16", "float"),
    "mp3": (),
    "m4a": (),
    "ogg": (),
}
"""What each format can hold, its default first; the lossy ones offer no choice."""

_SUFFIXES: dict[str, FileFormat] = {
    ".wav": "wav", ".wave": "wav", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg", ".oga": "ogg",
    ".m4a": "m4a", ".aiff": "aiff", ".aif": "aiff", ".aifc": "aiff",
}  # fmt: skip

MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_RATES_HZ: dict[FileFormat, tuple[int, ...]] = {"mp3": MP3_RATES_HZ, "m4a": aac_writer.RATES_HZ}
_MAX_CHANNELS = 2

_MAX_RIFF_BYTES = (1 << 32) - (1 << 16)
"""Of sound; a WAV beyond it becomes RF64, an AIFF beyond it is refused."""

_CODECS = {"float": "FLOAT", "24": "PCM_24", "16": "PCM_16"}
_SAMPLE_BYTES = {"float": 4, "24": 3, "16": 2}

_DITHER_SEED = 0
"""Fixed: the same sound makes the same file."""

_PEAK_CHUNK_WITHIN_BYTES = 256

_NO_TAGS = Tags()

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class _Encoding:
    """Container and codec in libsndfile's words, and the codec's settings."""

    container: str
    codec: str
    options: Mapping[str, Any] = field(default_factory=dict)


_LOSSY = {
    # About 245 kbit/s for music. libsndfile writes the LAME tag that makes it gapless.
    "mp3": _Encoding(
        "MP3", "MPEG_LAYER_III", {"compression_level": 0.0, "bitrate_mode": "VARIABLE"}
    ),
    "m4a": _Encoding("M4A", "AAC"),  # by `aac_writer`
    "ogg": _Encoding("OGG", "VORBIS", {"compression_level": 0.2}),  # about 256 kbit/s for music
}


def file_format_of(path: Path) -> FileFormat:
    """The format that a result's name asks for.

    Raises
    ------
    OutputFileError : if we cannot write files with this ending
    """
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise unwritable(
            path,
            "its ending doesn't name a format we can write",
            Text("end it with one of {endings}", endings=", ".join(f".{f}" for f in FILE_FORMATS)),
        ) from None


def file_rate(file_format: FileFormat, rate_hz: int) -> int:
    """The rate a file of this format is written at: `rate_hz`, or the next that is legal in it.

    Callers resample to it first; the file then holds ``resampled_length(n, rate_hz, file_rate)``.
    """
    legal = _RATES_HZ.get(file_format)
    if legal is None:
        return rate_hz
    return legal[min(bisect.bisect_left(legal, rate_hz), len(legal) - 1)]


def with_possible_subtype(options: ConversionOptions) -> tuple[ConversionOptions, Text | None]:
    """The options without a sample format where their file format has none, and a note on that."""
    if options.subtype is None or SUBTYPES_OF[options.file_format]:
        return options, None
    kind = options.file_format.upper()
    note = Text("{format} files have no sample format; it was left out", format=kind)
    return replace(options, subtype=None), note


def check_output(
    path: Path, file_format: FileFormat, subtype: Subtype | None, *, overwrite: bool
) -> None:
    """Refuse, before any work is done, what `write_sound` would refuse after it.

    Raises
    ------
    OutputFileError : if the format cannot hold the sample type, the folder is missing or
        protected, or there is already a file or folder of this name
    """
    offered = SUBTYPES_OF[file_format]
    if subtype is not None and subtype not in offered:
        why = Text(
            "{format} files cannot hold {type} samples",
            format=file_format.upper(),
            type=_CODECS[subtype],
        )
        advice: Message = "leave the sample type out"
        if offered:
            advice = Text("choose one of {types}", types=", ".join(offered))
        raise unwritable(path, why, advice)
    if "\0" in str(path):
        raise unwritable(path, "a file cannot have this name", "choose another name")
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError
        if path.is_dir():
            raise unwritable(path, "there is a folder of this name", "choose another name")
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
    """Write an array, float32 [n] or [n, channels]; see `write_sound`."""
    sound = Sound.of(samples, rate_hz)
    return write_sound(Path(path), sound, file_format, subtype, overwrite=overwrite)


def write_sound(
    path: Path,
    sound: Sound,
    file_format: FileFormat,
    subtype: Subtype | None = None,
    *,
    overwrite: bool = False,
    tags: Tags = _NO_TAGS,
) -> Path:
    """Write an audio file; it appears under its name only when it is complete and on disk.

    Every format reads back with exactly the given number of samples, unshifted. Integer formats
    and the lossy ones clip beyond 1, float keeps it. 16 bit is dithered. The same samples make
    the same bytes, except in Ogg, whose stream number is random.

    Parameters
    ----------
    path : the file; its folder must exist
    sound : at least one sample, 1 or 2 channels, at a rate legal in the format (see `file_rate`)
    file_format : container; the ending of the name is ignored
    subtype : sample type; None takes the first of `SUBTYPES_OF`
    overwrite : replace a file of that name
    tags : go into the file where its format has a place for them

    Raises
    ------
    OutputFileError : if the format cannot hold the sound, the sound holds NaN or infinity, or the
        disk, the folder or an existing file forbids it; nothing is left behind
    """
    check_output(path, file_format, subtype, overwrite=overwrite)
    if not sound.n_frames:
        raise unwritable(path, "there is no sound to write", "convert a file with sound")
    if not 1 <= sound.channels <= _MAX_CHANNELS:
        why = Text("{count} channels cannot be written", count=sound.channels)
        raise unwritable(path, why, "convert a file with one or two channels of sound")
    legal_hz = file_rate(file_format, sound.rate_hz)
    if legal_hz != sound.rate_hz:
        why = Text(
            "{format} files cannot have a sample rate of {rate} Hz",
            format=file_format.upper(),
            rate=sound.rate_hz,
        )
        raise unwritable(path, why, Text("write it at {rate} Hz", rate=legal_hz))
    encoding = _encoding(path, sound, file_format, subtype)

    def make(descriptor: int) -> None:
        _encode(descriptor, path, sound, encoding)
        write_tags(descriptor, file_format, tags)

    return write_file(path, make, overwrite=overwrite)


def write_file(path: Path, make: Callable[[int], None], *, overwrite: bool) -> Path:
    """Write a file; it appears under its name only when it is complete and on disk.

    Parameters
    ----------
    make : fills the open, empty file of a descriptor; may raise `Refusal`

    Raises
    ------
    OutputFileError : the disk, the folder or an existing file forbids it; nothing is left behind
    """
    what = Text("Cannot write {name}", name=shown_name(path))
    try:
        with (
            as_user_error(what, OutputFileError),
            atomic_file(path, overwrite=overwrite) as descriptor,
        ):
            make(descriptor)
    except OSError as error:
        raise _failed(path, error) from error
    return path


def write_free(choose: Callable[[], Path], write: Callable[[Path], Outcome]) -> Outcome:
    """Write a file under a free name; if another program takes that first, choose again."""
    while True:
        name = choose()
        try:
            return write(name)
        except OutputFileError:
            if not os.path.lexists(name):
                raise


@contextmanager
def all_or_none() -> Iterator[list[Path]]:
    """A list for the paths of files that belong together; if one fails, those in it are deleted."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            with suppress(OSError):
                path.unlink()
        raise


def _encoding(
    path: Path, sound: Sound, file_format: FileFormat, subtype: Subtype | None
) -> _Encoding:
    if file_format in _LOSSY:
        return _LOSSY[file_format]
    kind = subtype or SUBTYPES_OF[file_format][0]
    container = file_format.upper()
    n_bytes = sound.n_frames * sound.channels * _SAMPLE_BYTES[kind]
    if container != "FLAC" and n_bytes > _MAX_RIFF_BYTES:
        if container == "AIFF":
            raise unwritable(path, "AIFF files cannot exceed 4 GB", "choose WAV or FLAC")
        container = "RF64"
    return _Encoding(container, _CODECS[kind])


def _encode(descriptor: int, path: Path, sound: Sound, encoding: _Encoding) -> None:
    """Write a sound into an open, empty file.

    Parameters
    ----------
    descriptor : open for reading and writing; stays open
    path : named in errors

    Raises
    ------
    OutputFileError : if the sound holds NaN or infinity
    Refusal : there is no encoder
    OSError : if the file does not take every byte
    """
    rng = np.random.default_rng(_DITHER_SEED)
    sink = Sink(descriptor)
    # Small writes: libvorbis keeps a block's work on the stack.
    blocks = (_coded(each, encoding.codec, rng) for each in _finite_blocks(path, sound))
    if encoding.codec == "AAC":
        aac_writer.encode(sink, blocks, sound.rate_hz, sound.channels)
        sink.require_success()
        return
    try:
        with soundfile.SoundFile(
            sink,
            "w",
            samplerate=sound.rate_hz,
            channels=sound.channels,
            format=encoding.container,
            subtype=encoding.codec,
            **encoding.options,
        ) as file:
            for block in blocks:
                file.write(block)
    except (soundfile.SoundFileError, AssertionError) as error:  # the latter after a short write
        raise sink.failure or OSError(errno.EIO, str(error)) from error
    sink.require_success()
    if encoding.codec == "FLOAT":
        _clear_time_of_writing(descriptor)


def _finite_blocks(path: Path, sound: Sound) -> Iterator[NDArray[np.float32]]:
    for block in _equal_blocks(sound.blocks()):
        if not np.isfinite(block).all():
            why = "the result holds NaN or infinite values"
            raise unwritable(path, why, "try another voice; this one may be damaged")
        yield block


def _equal_blocks(blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same sound in blocks of `BLOCK_FRAMES`: the dither depends on where blocks begin."""
    kept: list[NDArray[np.float32]] = []
    for block in blocks:
        rest = block
        while sum(map(len, kept)) + len(rest) >= BLOCK_FRAMES:
            missing = BLOCK_FRAMES - sum(map(len, kept))
            yield np.concatenate([*kept, rest[:missing]]) if kept else rest[:missing]
            kept, rest = [], rest[missing:]
        if len(rest):
            kept.append(rest)
    if kept:
        yield np.concatenate(kept)


class Sink(io.FileIO):
    """The file as a library writes it; keeps the error that the library would ignore.

    libsndfile does not check the writes it makes on closing: an MP3 on a disk that fills up there
    would be short and pass for complete.
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

    def require_success(self) -> None:
        """Raise the error of a write that failed."""
        if self.failure is not None:
            raise self.failure


def _coded(block: NDArray[np.float32], codec: str, rng: np.random.Generator) -> NDArray[Any]:
    if codec == "PCM_16":
        return to_16_bit(block, rng)
    if codec == "PCM_24":
        return to_24_bit(block)
    if codec == "FLOAT":
        return block
    return np.clip(block, -1, 1)


def to_16_bit(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int16]:
    """Round float32 [n, channels] to 16 bits with triangular dither of one step either way.

    Dither turns the distortion of fading notes into even noise at -96 dB. Samples of exactly 0
    stay 0, so that digital silence stays silent. Values out of range are clipped.
    """
    dither = rng.random(samples.shape) - rng.random(samples.shape)
    steps = np.rint(samples * 32768.0 + np.where(samples == 0, 0.0, dither))
    clipped: NDArray[np.int16] = np.clip(steps, -32768, 32767).astype(np.int16)
    return clipped


def to_24_bit(samples: NDArray[np.float32]) -> NDArray[np.int32]:
    """Round to 24 bits, left-justified in 32 as libsndfile expects it; clips.

    No dither: its noise would lie at -144 dB, below that of the float32 sound itself.
    """
    steps = np.rint(samples.astype(np.float64) * 8388608.0)
    return np.clip(steps, -8388608, 8388607).astype(np.int32) << 8


def _clear_time_of_writing(descriptor: int) -> None:
    """Clear the date in the PEAK chunk of a float file, so that equal sounds make equal files."""
    at = os.pread(descriptor, _PEAK_CHUNK_WITHIN_BYTES, 0).find(b"PEAK")
    if at >= 0:
        os.pwrite(descriptor, bytes(4), at + 12)  # after name, size, version


def _failed(path: Path, error: OSError) -> OutputFileError:
    match error:
        case FileExistsError():
            return unwritable(path, "a file of this name already exists", "choose another name")
        case FileNotFoundError() | NotADirectoryError():
            why = Text("the folder {folder} does not exist", folder=_folder_of(path))
            return unwritable(path, why, "create it first")
        case PermissionError():
            why = Text(
                "you are not allowed to write to the folder {folder}", folder=_folder_of(path)
            )
            return unwritable(path, why, "choose another one")
        case OSError(errno=errno.EROFS):
            return unwritable(path, "its disk is read-only", "choose a folder on another disk")
        case OSError(errno=errno.ENAMETOOLONG):
            return unwritable(path, "its name is too long", "choose a shorter name")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return unwritable(path, "its disk is full", "free some space or choose another disk")
    why = Text("the disk reports: {report}", report=error.strerror or str(error))
    return unwritable(path, why, "choose a folder on another disk")


def _folder_of(path: Path) -> str:
    return shown_name(path.parent.absolute())


def unwritable(path: Path, why: Message, advice: Message) -> OutputFileError:
    """The error that says why a file cannot be written."""
    return OutputFileError(Text("Cannot write {name}", name=shown_name(path)), why, advice)
