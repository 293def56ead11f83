"""The pitch of a whole source: for the key, and for display."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.analysis import AnalysisRecorder
from engine.audio.reader import (
    decode_audio,
    decode_part,
    probe_audio,
    receive_sound,
    starts_anywhere,
)
from engine.audio.source import Sound
from engine.errors import OptionError
from engine.key import SourcePitch, source_pitch
from engine.options import ConversionOptions
from engine.pitch.curve import read_curve_file
from engine.pitch.swift import SwiftFrames, swift_frames
from engine.pitch.tracker import Pause, no_pause
from engine.progress import CancelToken
from engine.segments import FRAMES_PER_SECOND

SAMPLED_FROM_S = 300.0
STRETCHES, STRETCH_S = 12, 10.0
"""Two minutes: the median of an hour of speech is found in them, and they take two seconds."""


def track_file(source: Path, pause: Pause = no_pause, track: int | None = None) -> SwiftFrames:
    """The pitch of a file's sound, mixed to one channel; memory stays flat with its length.

    Parameters
    ----------
    track : which sound track of several; see `engine.audio.reader.decode_audio`

    Raises
    ------
    AudioFileError : see `engine.audio.reader.decode_audio`
    """
    recorder = AnalysisRecorder(lambda: pause(0.0))
    decoded = decode_audio(source, recorder, channels=1, track=track)
    return swift_frames(recorder.finish(decoded.n_frames).blocks(), pause=pause)


def sample_file(
    source: Path, pause: Pause = no_pause, track: int | None = None
) -> SwiftFrames | None:
    """The pitch of stretches spread over a long file, one after the other: enough for its key.

    Returns
    -------
    None for a file that is no longer than `SAMPLED_FROM_S` or not known to be, and for one whose
    stretches can only be reached by decoding all of it

    Raises
    ------
    AudioFileError : see `engine.audio.reader.read_blocks`
    """
    duration_s = probe_audio(source, track=track).duration_s
    if duration_s is None or duration_s <= SAMPLED_FROM_S or not starts_anywhere(source):
        return None

    def blocks() -> Iterator[NDArray[np.float32]]:
        for number in range(STRETCHES):
            start_s = (number + 0.5) * duration_s / STRETCHES - STRETCH_S / 2
            recorder = AnalysisRecorder(lambda: pause(0.0))
            try:
                decoded = decode_part(
                    source, start_s, start_s + STRETCH_S, recorder, channels=1, track=track
                )
            except OptionError:  # it is shorter than it says
                return
            yield from recorder.finish(decoded.n_frames).blocks()

    return swift_frames(blocks(), pause=pause)


def pitch_of_sound(sound: Sound, pause: Pause = no_pause) -> SourcePitch | None:
    """The pitch of a sound, mixed to one channel; None if too little of it is voiced."""
    recorder = AnalysisRecorder(lambda: pause(0.0))
    decoded = receive_sound(sound, recorder, channels=1)
    frames = swift_frames(recorder.finish(decoded.n_frames).blocks(), pause=pause)
    return source_pitch(frames.f0_hz, frames.confidence)


def pitch_of_source(
    options: ConversionOptions, source: Path, cancel: CancelToken | None = None
) -> SourcePitch | None:
    """What a conversion with these options will shift; None if too little of it is voiced.

    Raises
    ------
    PitchCurveError, AudioFileError : the curve or the sound cannot be read
    ConversionCancelled : ``cancel`` was set
    """
    if options.f0_file is None:
        token = cancel or CancelToken()
        frames = track_file(source, lambda _share: token.raise_if_cancelled(), options.track)
        return source_pitch(frames.f0_hz, frames.confidence)
    curve = read_curve_file(options.f0_file)
    f0_hz = curve.at_frames(int(curve.seconds[-1] * FRAMES_PER_SECOND) + 1)
    return source_pitch(f0_hz, np.ones(len(f0_hz)))
