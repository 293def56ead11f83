"""Files that libsndfile reads: wav, flac, ogg, opus, mp3, aiff, caf and their kin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from engine.audio.headers import ogg_ends, promised_ratio
from engine.audio.source import (
    AudioInfo,
    Decoded,
    DecoderRefusal,
    Intake,
    SoundBlock,
    cut_off_note,
)
from engine.audio.spool import BLOCK_FRAMES
from engine.errors import Message

# libsndfile also accepts headerless and scientific files (raw, mat4, htk), which are not sound.
_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU"})

# A smaller gap between the stated and the real length is rounding, not a cut.
_CUT_S = 0.01

_MP3_HEAD_BYTES = 4096


def probe(path: Path) -> AudioInfo:
    """Read the header.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format
    OSError : if the file cannot be opened
    """
    with _opened(path) as file:
        return _info(path, file)


def decode(path: Path, intake: Intake) -> Decoded:
    """Decode the whole file, block by block.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format, finds damage, or no sample
    AudioFileError : if the sound cannot be used (see `Intake`)
    OSError : if the file cannot be opened
    """
    with _opened(path) as file:
        intake.begin(file.samplerate)
        try:
            while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                intake.append(block)
        except soundfile.SoundFileError as error:
            raise DecoderRefusal(str(error), damaged=True) from error
        if not intake.n_frames:  # a recorder that crashed leaves a length of 0 before the sound
            raise DecoderRefusal("no samples")
        intake.finish()
        notes = _notes(path, file, intake.n_frames / file.samplerate)
        return Decoded(_info(path, file).format, file.samplerate, intake.n_frames, notes)


def blocks(path: Path, start_s: float) -> Iterator[SoundBlock]:
    """Decode from `start_s` on, a block at a time.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format, or stumbles over damage
    OSError : if the file cannot be opened
    """
    with _opened(path) as file:
        try:
            file.seek(min(round(start_s * file.samplerate), file.frames))
            while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                yield SoundBlock(block, file.samplerate)
        except soundfile.SoundFileError as error:
            raise DecoderRefusal(str(error), damaged=True) from error


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    # By descriptor, so that libsndfile goes by the content and never sees the name.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            file = soundfile.SoundFile(descriptor, closefd=False)
        except soundfile.SoundFileError as error:
            raise DecoderRefusal(str(error)) from error
        with file:
            if file.format not in _FORMATS:
                raise DecoderRefusal(file.format)
            yield file
    finally:
        os.close(descriptor)


def _info(path: Path, file: soundfile.SoundFile) -> AudioInfo:
    kind = f"{file.format} ({file.subtype})".lower()
    return AudioInfo(path, kind, file.samplerate, file.channels, file.frames / file.samplerate)


def _notes(path: Path, file: soundfile.SoundFile, present_s: float) -> tuple[Message, ...]:
    promised_s = _promised_s(path, file, present_s)
    if present_s < promised_s - _CUT_S:
        return (cut_off_note(promised_s, present_s),)
    if file.format == "OGG" and not ogg_ends(path):
        return ("the file is cut off: its end is missing",)
    return ()


def _promised_s(path: Path, file: soundfile.SoundFile, present_s: float) -> float:
    if file.format == "FLAC" or (file.format == "MP3" and _mp3_states_length(path)):
        return float(file.frames / file.samplerate)
    return present_s * promised_ratio(path)


def _mp3_states_length(path: Path) -> bool:
    # Without a Xing, Info or VBRI tag the length is libsndfile's estimate, not a promise.
    with path.open("rb") as file:
        head = file.read(_MP3_HEAD_BYTES)
        if head[:3] == b"ID3" and len(head) >= 10:
            size = sum(
                (byte & 0x7F) << shift
                for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)
            )
            file.seek(10 + size)
            head = file.read(_MP3_HEAD_BYTES)
    return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))
