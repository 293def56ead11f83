"""Every length of piece once through the networks, so that a GPU's kernels are compiled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from engine.analysis import AnalysisRecorder, AnalysisSignal
from engine.audio.reader import receive_array
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pipeline import filter_signal, make_windows
from engine.run import Run
from engine.segments import (
    ANALYSIS_RATE_HZ,
    BUCKET_FRAMES,
    CONTEXT_FRAMES,
    HOP_SAMPLES,
    MAX_PIECE_FRAMES,
)
from engine.store import ModelStore
from engine.synthesis import Synthesis
from engine.voice import VoiceFiles


def warm_up(store: ModelStore, voice: VoiceFiles, config: OptimizationConfig, run: Run) -> None:
    """Run every length of piece once.

    Raises
    ------
    UserError : the voice cannot be used
    ConversionCancelled : the user wants to stop
    RuntimeError, MemoryError : the device has too little memory
    """
    options = ConversionOptions()
    plain = replace(config, skip_silence=False)
    with torch.inference_mode(), run.stopping_at_once():
        models = store.models(voice, [options], run)
        for frames in BUCKET_FRAMES:
            signal = _hiss(min(frames - 2 * CONTEXT_FRAMES, MAX_PIECE_FRAMES), run)
            filter_signal(signal, models, plain, run)
            (window,) = make_windows(signal, models, options, plain, run)
            for together in sorted({1, config.batch_size}):
                for _ in Synthesis(models, plain, run).run([window] * together):
                    pass


def _hiss(frames: int, run: Run) -> AnalysisSignal:
    """Noise: no part of it is skipped as silence."""
    n = frames * HOP_SAMPLES
    samples = (0.1 * np.random.default_rng(0).standard_normal((n, 1))).astype(np.float32)
    recorder = AnalysisRecorder(run.pause)
    receive_array(samples, ANALYSIS_RATE_HZ, recorder, channels=1)
    return recorder.finish(n)
