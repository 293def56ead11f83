"""One conversion from samples to samples: the only place that knows the order of the stages.

The arithmetic is that of the RVC reference implementations; see the README for where it differs
on purpose (joints, ends, repeatable noise).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.device_filter import highpass_48hz_on_device
from engine.audio.filters import highpass_48hz
from engine.audio.loudness import apply_volume_envelope, limit_peak
from engine.audio.resampling import resample, resampled_length
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pitch.contour import pitch_contour
from engine.prepared import PreparedSource, work_item
from engine.run import PREPARED_FRACTION, Run
from engine.segments import (
    ANALYSIS_RATE_HZ,
    CONTEXT_FRAMES,
    Joiner,
    Piece,
    active_frames,
    count_frames,
    pad_context,
    plan_pieces,
    window_frames,
)
from engine.synthesis import Models, Synthesis
from engine.voices.card import VoiceCard

Floats = NDArray[np.float32]

MAX_INPUT_PEAK = 0.95


@dataclass(frozen=True, eq=False)
class Source:
    """What is to be converted.

    Attributes
    ----------
    samples : float32 [n, channels]; mixed to one channel unless ``options.stereo``
    rate_hz : of the samples
    options : of this conversion
    """

    samples: Floats
    rate_hz: int
    options: ConversionOptions


def convert_together(
    sources: Sequence[Source], models: Models, config: OptimizationConfig, run: Run
) -> list[Floats]:
    """Convert sources with one voice; their pieces share batches where they are equally long.

    Returns
    -------
    for each source float32 [n', channels] at `output_rate`, n' = round(n * rate' / rate)
    """
    with run.stage("filter", 0.01):
        filtered = _filter_for(models.device if config.use_gpu_filter else None)
        analyses = [filtered(_analysis_signal(source)) for source in sources]
    prepared, items = [], []
    for source, analysis in zip(sources, analyses, strict=True):
        ready, pieces = _prepare(source, analysis, models, config, run)
        prepared.append(ready)
        items += [work_item(ready, piece, buckets=config.use_shape_buckets) for piece in pieces]
    run.expect(sum(item.piece.frames for item in items))
    Synthesis(models, config, run).run(items)
    with run.stage("write"):
        return [
            _finish(ready.joiner.output, analysis, source, models.card)
            for ready, analysis, source in zip(prepared, analyses, sources, strict=True)
        ]


def output_rate(options: ConversionOptions, card: VoiceCard) -> int:
    """Sample rate of a result in Hz."""
    return options.output_rate_hz or card.sample_rate_hz


def _analysis_signal(source: Source) -> Floats:
    """Float32 [channels, n]: 16 kHz, peak-limited."""
    samples, stereo = source.samples, source.options.stereo
    mixed = _two_channels(samples) if stereo else samples.mean(1, keepdims=True)
    n_analysis = max(1, resampled_length(len(mixed), source.rate_hz, ANALYSIS_RATE_HZ))
    analysis = resample(mixed, source.rate_hz, ANALYSIS_RATE_HZ, n_analysis)
    peak = float(np.abs(analysis).max(initial=0.0))
    if peak > MAX_INPUT_PEAK:
        analysis = analysis * np.float32(MAX_INPUT_PEAK / peak)
    return np.ascontiguousarray(analysis.T)


def _filter_for(device: torch.device | None) -> Callable[[Floats], Floats]:
    """The high-pass on the device, or (None) by scipy."""
    if device is None:
        return lambda channels: np.stack([highpass_48hz(channel) for channel in channels])

    def on_device(channels: Floats) -> Floats:
        filtered: Floats = (
            highpass_48hz_on_device(torch.from_numpy(channels).to(device)).cpu().numpy()
        )
        return filtered

    return on_device


def _two_channels(samples: Floats) -> Floats:
    """At most two columns; those of a surround recording are spread evenly over both."""
    if samples.shape[1] <= 2:
        return samples
    both: Floats = samples[:, :2] + samples[:, 2:].mean(1, keepdims=True)
    return both


def _prepare(
    source: Source, analysis: Floats, models: Models, config: OptimizationConfig, run: Run
) -> tuple[PreparedSource, tuple[Piece, ...]]:
    """Cut a source into pieces and find its pitch."""
    frames = count_frames(len(source.samples), source.rate_hz)
    pieces = plan_pieces(analysis.mean(0), frames)
    longest = max(window_frames(piece, buckets=config.use_shape_buckets) for piece in pieces)
    padded_frames = max(frames + 2 * CONTEXT_FRAMES, longest)
    padded = torch.from_numpy(pad_context(analysis, frames, padded_frames))
    contour = phase = None
    if models.card.pitch_guided:
        with run.stage("pitch", PREPARED_FRACTION):
            middle = padded.mean(0).to(models.device)
            given = source.options.f0_file is not None
            tracker = None if given or models.tracker is None else models.tracker(source.options)
            contour = pitch_contour(middle, frames, tracker, source.options)
            phase = models.synthesizer.frame_phase(contour.f0_hz)
    active = active_frames(analysis, frames) if config.skip_silence else np.ones(frames, np.bool_)
    joiner = Joiner(len(analysis), frames, models.synthesizer.sizes.hop_samples)
    ready = PreparedSource(source.options, padded, frames, contour, phase, active, joiner)
    return ready, tuple(piece for piece in pieces if active[piece.start : piece.stop].any())


def _finish(output: Floats, analysis: Floats, source: Source, card: VoiceCard) -> Floats:
    """Cut to length, follow the source's loudness, resample, limit the peak: [n, channels]."""
    n_source, rate_hz, options = len(source.samples), source.rate_hz, source.options
    voice_rate_hz = card.sample_rate_hz
    rate_out_hz = output_rate(options, card)
    output = output[:, : resampled_length(n_source, rate_hz, voice_rate_hz)]
    if options.volume_envelope < 1:
        output = np.stack(
            [
                apply_volume_envelope(own, new, voice_rate_hz, options.volume_envelope)
                for own, new in zip(analysis, output, strict=True)
            ]
        )
    samples = np.ascontiguousarray(output.T)
    if rate_out_hz != voice_rate_hz:
        n_out = resampled_length(n_source, rate_hz, rate_out_hz)
        samples = resample(samples, voice_rate_hz, rate_out_hz, n_out)
    return limit_peak(samples)
