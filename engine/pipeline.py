"""One conversion from samples to samples: the only place that knows the order of the stages.

The arithmetic is that of the RVC reference implementations; see the README for where it differs
on purpose (joints, ends, repeatable noise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.filters import highpass_48hz, highpass_48hz_on_device
from engine.audio.levels import apply_volume_envelope, limit_peak, middle_channel
from engine.audio.resampling import resample, resampled_length
from engine.effects import apply_effects
from engine.errors import AudioFileError, OptionError
from engine.networks import Models, within_memory
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pitch.contour import PitchContour, pitch_contour
from engine.run import FILTERED_FRACTION, PREPARED_FRACTION, Run
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
from engine.synthesis import Synthesis
from engine.voice import VoiceCard
from engine.window import PreparedSource, work_item

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


@dataclass(frozen=True, eq=False)
class Heard:
    """What is kept of a source once the networks' own ear has heard it.

    Attributes
    ----------
    analysis : float32 [C, n]  16 kHz, peak-limited, without what lies below 48 Hz
    n_samples, rate_hz : of the source
    options : of this conversion
    """

    analysis: Floats
    n_samples: int
    rate_hz: int
    options: ConversionOptions


def checked_source(source: Source) -> Source:
    """The source with samples float32 [n, channels].

    Raises
    ------
    OptionError : a sample rate that none has
    AudioFileError : the samples are no sound
    """
    samples = source.samples
    if not 1_000 <= source.rate_hz <= 768_000:
        raise OptionError(
            f"Cannot convert samples at {source.rate_hz} Hz",
            "a sample rate lies between 1000 and 768000 Hz",
            "give the rate at which they were recorded",
        )
    real = np.issubdtype(samples.dtype, np.floating)
    if (
        not real
        or samples.ndim not in (1, 2)
        or samples.size == 0
        or not np.isfinite(samples).all()
    ):
        raise AudioFileError(
            "Cannot convert these samples",
            "they are empty, not finite, no decimal numbers, or not one row per moment",
            "give float32 samples shaped [n] or [n, channels]",
        )
    columns = samples.reshape(len(samples), -1).astype(np.float32, copy=False)
    return replace(source, samples=columns)


def convert_together(
    sources: list[Source], models: Models, config: OptimizationConfig, run: Run
) -> list[Floats]:
    """Convert sources with one voice; their pieces share batches where they are equally long.

    Parameters
    ----------
    sources : is emptied, so that an hour of sound takes memory only while it is listened to

    Returns
    -------
    for each source float32 [n', channels] at `output_rate`, n' = round(n * rate' / rate)
    """
    with run.stage("filter", FILTERED_FRACTION):
        filtered = _filter_for(models, config, run)
        heard = [_hear(sources.pop(0), filtered) for _ in range(len(sources))]
    prepared, items = [], []
    while heard:
        ready, pieces = _prepare(heard.pop(0), models, config, run)
        prepared.append(ready)
        items += [work_item(ready, piece, buckets=config.use_shape_buckets) for piece in pieces]
    run.expect(sum(item.piece.frames for item in items))
    Synthesis(models, config, run).run(items)
    with run.stage("write"):
        return [_finish(ready, models.card) for ready in prepared]


def output_rate(options: ConversionOptions, card: VoiceCard) -> int:
    """Sample rate of a result in Hz."""
    return options.output_rate_hz or card.sample_rate_hz


def _hear(source: Source, filtered: Callable[[Floats], Floats]) -> Heard:
    analysis = filtered(_analysis_signal(source))
    return Heard(analysis, len(source.samples), source.rate_hz, source.options)


def _analysis_signal(source: Source) -> Floats:
    """Float32 [channels, n]: 16 kHz, peak-limited."""
    samples, stereo = source.samples, source.options.stereo
    mixed = _two_channels(samples) if stereo else middle_channel(samples.T)[:, np.newaxis]
    mixed = _with_effects("before", mixed, source.rate_hz, source.options)
    n_analysis = max(1, resampled_length(len(mixed), source.rate_hz, ANALYSIS_RATE_HZ))
    analysis = resample(mixed, source.rate_hz, ANALYSIS_RATE_HZ, n_analysis)
    peak = float(np.abs(analysis).max(initial=0.0))
    if peak > MAX_INPUT_PEAK:
        analysis = analysis * np.float32(MAX_INPUT_PEAK / peak)
    return np.ascontiguousarray(analysis.T)


def _filter_for(models: Models, config: OptimizationConfig, run: Run) -> Callable[[Floats], Floats]:
    """The high-pass on its device, or by scipy."""
    if not config.use_gpu_filter:
        return lambda channels: np.stack([highpass_48hz(channel) for channel in channels])

    def on_device(channels: Floats) -> Floats:
        samples = torch.from_numpy(channels)
        filtered: Floats = within_memory(
            "filter", models, run, lambda device: highpass_48hz_on_device(samples.to(device)).cpu()
        ).numpy()
        return filtered

    return on_device


def _two_channels(samples: Floats) -> Floats:
    """At most two columns; those of a surround recording are spread evenly over both."""
    if samples.shape[1] <= 2:
        return samples
    both: Floats = samples[:, :2] + samples[:, 2:].mean(1, keepdims=True)
    return both


def _prepare(
    source: Heard, models: Models, config: OptimizationConfig, run: Run
) -> tuple[PreparedSource, tuple[Piece, ...]]:
    """Cut a source into pieces and find its pitch."""
    analysis, frames = source.analysis, count_frames(source.n_samples, source.rate_hz)
    pieces = plan_pieces(middle_channel(analysis), frames)
    longest = max(window_frames(piece, buckets=config.use_shape_buckets) for piece in pieces)
    padded_frames = max(frames + 2 * CONTEXT_FRAMES, longest)
    padded = torch.from_numpy(pad_context(analysis, frames, padded_frames))
    contour = phase = None
    if models.card.pitch_guided:
        with run.stage("pitch", PREPARED_FRACTION):
            middle = torch.from_numpy(middle_channel(padded.numpy()))
            contour = _contour(middle, frames, source.options, models, run)
            phase = models.synthesizer.frame_phase(contour.f0_hz)
    active = active_frames(analysis, frames) if config.skip_silence else np.ones(frames, np.bool_)
    joiner = Joiner(len(analysis), frames, models.synthesizer.sizes.hop_samples)
    ready = PreparedSource(
        source.options,
        source.n_samples,
        source.rate_hz,
        padded,
        frames,
        contour,
        phase,
        active,
        joiner,
    )
    return ready, tuple(piece for piece in pieces if active[piece.start : piece.stop].any())


def _contour(
    middle: torch.Tensor, frames: int, options: ConversionOptions, models: Models, run: Run
) -> PitchContour:
    """Pitch of a source's middle channel, float32 [n] with its context."""

    def find(device: str) -> PitchContour:
        given = options.f0_file is not None
        tracker = None if given or models.tracker is None else models.tracker(options, device)
        return pitch_contour(middle.to(device), frames, tracker, options)

    return within_memory("pitch", models, run, find)


def _finish(source: PreparedSource, card: VoiceCard) -> Floats:
    """Cut to length, follow the source's loudness, resample, limit the peak: [n, channels]."""
    n_source, rate_hz, options = source.n_samples, source.rate_hz, source.options
    output = source.joiner.output
    voice_rate_hz = card.sample_rate_hz
    rate_out_hz = output_rate(options, card)
    output = output[:, : resampled_length(n_source, rate_hz, voice_rate_hz)]
    if options.volume_envelope < 1:
        output = np.stack(
            [
                apply_volume_envelope(own, new, voice_rate_hz, options.volume_envelope)
                for own, new in zip(source.analysis(), output, strict=True)
            ]
        )
    samples = np.ascontiguousarray(output.T)
    if rate_out_hz != voice_rate_hz:
        n_out = resampled_length(n_source, rate_hz, rate_out_hz)
        samples = resample(samples, voice_rate_hz, rate_out_hz, n_out)
    return limit_peak(_with_effects("after", samples, rate_out_hz, options))


def _with_effects(
    when: Literal["before", "after"], samples: Floats, rate_hz: int, options: ConversionOptions
) -> Floats:
    """Samples float32 [n, channels] after the effects that the options turn on."""
    if not options.effects:
        return samples
    return np.concatenate(list(apply_effects(when, [samples], rate_hz, options.effects)))
