"""Every length of piece once through the networks, so that a GPU's kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pipeline import Source, convert_together
from engine.run import Run
from engine.segments import (
    ANALYSIS_RATE_HZ,
    BUCKET_FRAMES,
    CONTEXT_FRAMES,
    HOP_SAMPLES,
    MAX_PIECE_FRAMES,
)
from engine.store import ModelStore
from engine.voice import VoiceFiles


def warm_up_sources(
    config: OptimizationConfig, options: ConversionOptions
) -> Iterator[list[Source]]:
    """What is to be converted together, short lengths first; hiss, so that nothing is skipped."""
    hiss = np.random.default_rng(0)
    for frames in BUCKET_FRAMES:
        n = min(frames - 2 * CONTEXT_FRAMES, MAX_PIECE_FRAMES) * HOP_SAMPLES
        samples = (0.1 * hiss.standard_normal((n, 1))).astype(np.float32)
        for together in sorted({1, config.batch_size}):
            yield [Source(samples, ANALYSIS_RATE_HZ, options)] * together


@contextmanager
def stopping_at_once(models: Models, pause: Callable[[], None]) -> Iterator[None]:
    """Pause before each layer, not only between stages; ``pause`` may raise to stop."""

    def ask(_: nn.Module, __: object) -> None:
        pause()

    with ExitStack() as hooks:
        for network in (models.content, models.synthesizer):
            for layer in network.modules():
                hooks.callback(layer.register_forward_pre_hook(ask).remove)
        yield


def warm_up(store: ModelStore, voice: VoiceFiles, config: OptimizationConfig, run: Run) -> None:
    """Run every length of piece once.

    Raises
    ------
    UserError : the voice cannot be used
    ConversionCancelled : out of the layer that was running
    RuntimeError, MemoryError : the device has too little memory
    """
    options = ConversionOptions()
    plain = replace(config, skip_silence=False)
    with torch.inference_mode():
        models = store.models(voice, [options], run)
        with stopping_at_once(models, run.pause):
            for sources in warm_up_sources(config, options):
                convert_together(sources, models, plain, run)
