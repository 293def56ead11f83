"""The range of a voice, learnt by rendering a sample with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.audio.reader import read_audio
from engine.audio.resampling import resample
from engine.converter import Converter
from engine.key import VoicePitch, learnt_pitch, sure_frames
from engine.options import ConversionOptions
from engine.paths import starter_dir
from engine.pitch.swift import swift_frames
from engine.pitch.tracker import Pause, no_pause
from engine.progress import CancelToken
from engine.segments import ANALYSIS_RATE_HZ
from engine.voice import VoiceFiles

Floats = NDArray[np.float32]
TRIALS = 8
LOWEST_TRIAL_HZ = 50.0
"""Of the sample's median; each trial is a step higher, the last at 560 Hz."""

TRIAL_STEP_SEMITONES = 6

_TRIAL_SAMPLES = 4 * ANALYSIS_RATE_HZ

_NEAR_OCTAVES = 50 / 1200


def learn_pitch(
    converter: Converter,
    voice: VoiceFiles,
    progress: Pause = no_pause,
    cancel: CancelToken | None = None,
) -> VoicePitch | None:
    """The range of a voice: how well it follows the sample's pitch at eight heights.

    Takes as long as converting 32 s of sound.

    Returns
    -------
    None if the voice follows the pitch well at no height

    Raises
    ------
    UserError : the voice cannot be used
    ConversionCancelled : ``cancel`` was set
    """
    sample = read_audio(starter_dir() / "sample.wav", mono=True)
    samples = resample(sample.samples[:, 0], sample.rate_hz, ANALYSIS_RATE_HZ)[:_TRIAL_SAMPLES]
    source = swift_frames(samples)
    sure = sure_frames(source.f0_hz, source.confidence)
    asked_hz = source.f0_hz[sure]
    median_hz = float(np.exp2(np.median(np.log2(asked_hz))))
    trials: dict[float, float] = {}
    lowest = round(12 * np.log2(LOWEST_TRIAL_HZ / median_hz))
    for done in range(TRIALS):
        progress(done / TRIALS)
        semitones = lowest + done * TRIAL_STEP_SEMITONES
        options = ConversionOptions(semitones=semitones, pitch_method="swift", index_rate=0.0)
        made = converter.convert(samples, ANALYSIS_RATE_HZ, voice, options, cancel=cancel)
        if made.samples is None:
            raise RuntimeError("an array was converted, but none came back")
        rendered = swift_frames(resample(made.samples, made.rate_hz, ANALYSIS_RATE_HZ))
        factor = 2.0 ** (semitones / 12)
        trials[median_hz * factor] = _share_near(rendered.f0_hz[sure], asked_hz * factor)
    return learnt_pitch(trials)


def _share_near(found_hz: Floats, asked_hz: Floats) -> float:
    voiced = found_hz > 0
    off = np.abs(np.log2(np.where(voiced, found_hz, asked_hz) / asked_hz))
    return float(np.mean(voiced & (off < _NEAR_OCTAVES)))
