"""Files that libsndfile reads: wav, flac, ogg, opus, mp3, aiff, caf and their kin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.audio.headers import channel_places, promised_ratio
from engine.audio.recordings import Recording, RecordingFile, recordings_in
from engine.audio.source import (
    DAMAGED_NOTE,
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

_LEAD_FRAMES = 4 * 1152
"""Decoded and dropped after a seek: frames of an mp3 need what came before."""

_MOST_VALUES = 1 << 20
"""Of a block: a header may claim a thousand channels."""

# A smaller gap between the stated and the real length is rounding, not a cut.
_CUT_S = 0.01


def probe(path: Path) -> AudioInfo:
    """Read the header, of mp3 and Ogg files all headers.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format
    OSError : if the file cannot be opened
    """
    first: AudioInfo | None = None
    lengths_s = []
    for recording in recordings_in(path) or (None,):
        with _opened(path, recording) as file:
            first = first or AudioInfo(path, _kind(file), file.samplerate, file.channels, None)
            lengths_s.append(_stated_frames(file, recording) / file.samplerate)
    if first is None:
        raise DecoderRefusal("no recordings")
    return first if 0 in lengths_s else replace(first, duration_s=sum(lengths_s))


def decode(path: Path, intake: Intake) -> Decoded:
    """Decode the whole file, block by block.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format, finds damage, or no sample
    AudioFileError : if the sound cannot be used (see `Intake`)
    OSError : if the file cannot be opened
    """
    tally = _Tally()
    intake.take(_play(path, 0.0, tally))
    if not intake.n_frames:  # a recorder that crashed leaves a length of 0 before the sound
        raise DecoderRefusal("no samples")
    intake.finish()
    notes = _notes(tally, intake.n_frames / intake.rate_hz)
    return Decoded(tally.format, intake.rate_hz, intake.n_frames, notes)


def blocks(path: Path, start_s: float) -> Iterator[SoundBlock]:
    """Decode from `start_s` on, a block at a time.

    Raises
    ------
    DecoderRefusal : if libsndfile does not know the format, or stumbles over damage
    OSError : if the file cannot be opened
    """
    yield from _play(path, start_s, _Tally())


@dataclass
class _Tally:
    """Notes taken while decoding."""

    format: str = ""
    missing_s: float = 0.0
    ends_inside: bool = False
    is_damaged: bool = False

    def add(self, path: Path, recording: Recording | None, file: _Stream, present: int) -> None:
        """Compare the ``present`` frames of a recording with what its header promises."""
        if recording is None:
            missing = present * (promised_ratio(path) - 1)
        elif file.format == "FLAC":
            missing = (recording.n_samples or 0) - present
        else:  # a tag may also be left from before the file was shortened
            missing = present * (recording.promised - 1) if recording.is_cut else 0
        self.missing_s += max(0.0, missing / file.samplerate)
        self.ends_inside = file.format == "OGG" and recording is not None and recording.is_cut


def _play(path: Path, start_s: float, tally: _Tally) -> Iterator[SoundBlock]:
    recordings = recordings_in(path) or (None,)
    left_s = start_s
    for recording in recordings:
        is_last = recording is recordings[-1]
        try:
            with _opened(path, recording) as file:
                tally.format = tally.format or _kind(file)
                rate_hz, stated = file.samplerate, _stated_frames(file, recording)
                skipped = round(left_s * rate_hz)
                if not is_last and 0 < stated <= skipped:
                    left_s -= stated / rate_hz
                    continue
                layout = channel_places(path, file.format, file.channels)
                at = max(0, min(skipped, stated) - _LEAD_FRAMES)
                for block in _read(file, at, stated):
                    kept = block[max(0, skipped - at) :]
                    at += len(block)
                    if len(kept):
                        yield SoundBlock(kept, rate_hz, layout)
                left_s = max(0.0, left_s - at / rate_hz)
                tally.add(path, recording, file, at)
        except DecoderRefusal:
            if len(recordings) == 1 or (recording is recordings[0] and not tally.format):
                raise
            tally.is_damaged = True


def _read(file: _Stream, start: int, stated: int) -> Iterator[NDArray[np.float32]]:
    """Blocks from a place on.

    Trouble after the stated length is junk behind the sound, and at the end it was cut off there.
    """
    at = start
    block = np.zeros((0, file.channels), np.float32)
    size = max(1, min(BLOCK_FRAMES, _MOST_VALUES // file.channels))
    try:
        if start:
            file.seek(start)
        while True:
            block = np.zeros((size, file.channels), np.float32)
            n = len(file.read(out=block))
            if not n:
                return
            at += n
            yield block[:n]
    except soundfile.SoundFileError as error:
        n = max(0, min(file.tell() - at, len(block)))  # what was read of the block
        if not (0 < stated <= at + n or (at + n and file.is_consumed)):
            raise DecoderRefusal(str(error), damaged=True) from error
        if n:
            yield block[:n]


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """Read on and on, whatever length is stated."""

    part: RecordingFile | None = None

    @property
    def is_consumed(self) -> bool:
        """Whether libsndfile has read all bytes of a recording."""
        return self.part is not None and self.part.is_consumed

    def seekable(self) -> bool:
        """Otherwise soundfile seeks after each block, and fails at an end that is not stated."""
        return False


@contextmanager
def _opened(path: Path, recording: Recording | None) -> Iterator[_Stream]:
    """A recording of the file, or the whole of it."""
    part = None if recording is None else RecordingFile(path, recording)
    # By descriptor, so that libsndfile goes by the content and never sees the name.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            file = _Stream(descriptor if part is None else part, closefd=False)
        except (soundfile.SoundFileError, TypeError) as error:
            raise DecoderRefusal(str(error)) from error
        with file:
            if file.format not in _FORMATS:
                raise DecoderRefusal(file.format)
            file.part = part
            yield file
            if part is not None and part.problem is not None:
                raise part.problem
    finally:
        os.close(descriptor)
        if part is not None:
            part.close()


def _kind(file: _Stream) -> str:
    return f"{file.format} ({file.subtype})".lower()


def _stated_frames(file: _Stream, recording: Recording | None) -> int:
    """Its length as far as it is known before it is decoded; 0 if it is not."""
    if recording is not None and recording.n_samples is not None:
        return recording.n_samples
    return int(file.frames)


def _notes(tally: _Tally, present_s: float) -> tuple[Message, ...]:
    notes: list[Message] = []
    if tally.missing_s > _CUT_S:
        notes.append(cut_off_note(present_s + tally.missing_s, present_s))
    elif tally.ends_inside:
        notes.append("the file is cut off: its end is missing")
    if tally.is_damaged:
        notes.append(DAMAGED_NOTE)
    return tuple(notes)
