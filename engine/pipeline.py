"""One conversion from samples to samples: the only place that knows the order of the stages.

The arithmetic is that of the RVC reference implementations; see the README for where it differs
on purpose (joints, ends, repeatable noise).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.filters import highpass_48hz
from engine.audio.loudness import apply_volume_envelope, limit_peak
from engine.audio.resampling import resample, resampled_length
from engine.models.content_encoder import ContentEncoder
from engine.models.source import LayerNoise, SourceInput
from engine.models.synthesizer import Synthesizer
from engine.noise import NoiseField
from engine.options import ConversionOptions
from engine.pitch.contour import PitchContour, pitch_contour
from engine.pitch.tracker import PitchTracker
from engine.profiling import PerformanceProfiler
from engine.progress import CancelToken, ProgressListener, Stage, StageProgress
from engine.retrieval.blend import mix, protect
from engine.retrieval.search import Search
from engine.segments import (
    ANALYSIS_RATE_HZ,
    CONTEXT_FRAMES,
    HOP_SAMPLES,
    Joiner,
    Piece,
    count_frames,
    pad_context,
    plan_pieces,
)
from engine.voices.card import VoiceCard

Floats = NDArray[np.float32]

MAX_INPUT_PEAK = 0.95
TILE_FRAMES = 400
"""Four seconds are synthesised at a time: bounded memory, and a cancel is heard soon."""


@dataclass(frozen=True)
class Models:
    """Everything a conversion needs, loaded and on its device."""

    card: VoiceCard
    content: ContentEncoder
    synthesizer: Synthesizer
    search: Search | None
    tracker: PitchTracker | None
    device: torch.device


class Run:
    """The surroundings of one conversion: stop-watch, progress, cancel."""

    def __init__(
        self,
        profiler: PerformanceProfiler,
        device: str,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._profiler = profiler
        self._device = device
        self._listener = listener
        self._cancel = cancel or CancelToken()
        self._fraction = 0.0
        self.stage_s: dict[str, float] = {}

    @contextmanager
    def stage(self, stage: Stage, fraction: float | None = None) -> Iterator[None]:
        """Time a stage; ``fraction`` of the whole conversion is done when it ends.

        Raises
        ------
        ConversionCancelled : before the stage begins, if the user wants to stop
        """
        self._cancel.raise_if_cancelled()
        self._profiler.start(stage)
        try:
            yield
        finally:
            seconds = self._profiler.end(stage)
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds
        if fraction is not None:
            self._fraction = fraction
        if self._listener is not None:
            self._listener(StageProgress(stage, self.stage_s[stage], self._device, self._fraction))


def convert_samples(
    samples: Floats, rate_hz: int, models: Models, options: ConversionOptions, run: Run
) -> tuple[Floats, int]:
    """Convert a whole source.

    Parameters
    ----------
    samples : float32 [n, channels]; mixed to one channel unless ``options.stereo``

    Returns
    -------
    float32 [n', channels] and its sample rate, with n' = round(n * rate' / rate)
    """
    frames = count_frames(len(samples), rate_hz)
    with run.stage("filter", 0.01):
        analysis = _analysis_signal(samples, rate_hz, stereo=options.stereo)
        padded = torch.from_numpy(pad_context(analysis, frames))
    contour = None
    if models.card.pitch_guided:
        with run.stage("pitch", 0.1):
            middle = padded.mean(0).to(models.device)
            contour = pitch_contour(middle, frames, models.tracker, options)
    pieces = plan_pieces(analysis.mean(0), frames)
    synthesis = _Synthesis(models, options, contour, padded, run)
    joiner = Joiner(len(analysis), frames, models.synthesizer.sizes.hop_samples)
    for piece in pieces:
        synthesis.add_to(joiner, piece)
    with run.stage("write"):
        return _finish(joiner.output, analysis, len(samples), rate_hz, models.card, options)


def _analysis_signal(samples: Floats, rate_hz: int, *, stereo: bool) -> Floats:
    """Float32 [channels, n]: 16 kHz, peak-limited, high-passed."""
    mixed = _two_channels(samples) if stereo else samples.mean(1, keepdims=True)
    n_analysis = max(1, resampled_length(len(mixed), rate_hz, ANALYSIS_RATE_HZ))
    analysis = resample(mixed, rate_hz, ANALYSIS_RATE_HZ, n_analysis)
    peak = float(np.abs(analysis).max(initial=0.0))
    if peak > MAX_INPUT_PEAK:
        analysis = analysis * np.float32(MAX_INPUT_PEAK / peak)
    filtered = [highpass_48hz(channel) for channel in analysis.T]
    return np.stack(filtered).astype(np.float32)


def _two_channels(samples: Floats) -> Floats:
    """At most two columns; those of a surround recording are spread evenly over both."""
    if samples.shape[1] <= 2:
        return samples
    both: Floats = samples[:, :2] + samples[:, 2:].mean(1, keepdims=True)
    return both


class _Synthesis:
    """From padded source and pitch to the samples of one piece after another."""

    def __init__(
        self,
        models: Models,
        options: ConversionOptions,
        contour: PitchContour | None,
        padded: torch.Tensor,
        run: Run,
    ) -> None:
        self._models = models
        self._options = options
        self._run = run
        self._padded = padded
        self._channels = len(padded)
        self._frames = padded.shape[-1] // HOP_SAMPLES - 2 * CONTEXT_FRAMES
        self._margin = models.synthesizer.receptive_field_frames()
        self._hop = models.synthesizer.sizes.hop_samples
        self._noise = NoiseField(options.seed, enabled=options.noise)
        self._contour = contour
        self._phase = None if contour is None else models.synthesizer.frame_phase(contour.f0_hz)
        self._speaker = torch.full((self._channels,), options.speaker, device=models.device)

    def add_to(self, joiner: Joiner, piece: Piece) -> None:
        """Synthesise a piece and join it to what is there."""
        features = self._features(piece)
        with self._run.stage("synthesis"):
            latent = self._latent(piece, features)
        joiner.add(piece, self._vocode(piece, joiner.window(piece), latent))

    def _features(self, piece: Piece) -> torch.Tensor:
        """Content of a piece and its context, float32 [B, T, W] at 100 frames a second."""
        models, options = self._models, self._options
        start = piece.start * HOP_SAMPLES
        stop = (piece.stop + 2 * CONTEXT_FRAMES) * HOP_SAMPLES
        layer = models.card.content_layer
        with self._run.stage("content"):
            audio = self._padded[:, start:stop].to(models.device)
            own = models.content(audio, layer, project=layer is not None)
        frames = min(2 * own.shape[1], piece.frames + 2 * CONTEXT_FRAMES)
        if models.search is None or options.index_rate == 0:
            return _double(own, frames)
        with self._run.stage("retrieval"):
            found = models.search.blend(own.flatten(0, 1)).view_as(own)
            features = _double(mix(found, own, options.index_rate), frames)
            if self._contour is None:
                return features
            f0_hz = self._per_frame(self._contour.f0_hz, piece.start, frames)
            return protect(features, _double(own, frames), f0_hz, options.protect)

    def _latent(self, piece: Piece, features: torch.Tensor) -> torch.Tensor:
        """What the vocoder is given, float32 [B, C, T]."""
        synthesizer = self._models.synthesizer
        frames = features.shape[1]
        coarse = None
        if self._contour is not None:
            coarse = self._per_frame(self._contour.coarse, piece.start, frames)
        mean, log_scale = synthesizer.prior(features, coarse)
        noise = None
        if self._options.noise:
            drawn = self._noise.normal("latent", piece.start, piece.start + frames, mean.shape[1])
            noise = self._on_device(drawn.T)
        return synthesizer.latent(mean, log_scale, noise, self._speaker)

    def _vocode(self, piece: Piece, window: tuple[int, int], latent: torch.Tensor) -> Floats:
        """Samples of frames ``window`` of the source, float32 [B, n], a tile at a time."""
        done = []
        offset = CONTEXT_FRAMES - piece.start
        for start in range(*window, TILE_FRAMES):
            stop = min(start + TILE_FRAMES, window[1])
            with self._run.stage("synthesis", 0.1 + 0.89 * stop / self._frames):
                done.append(self._vocode_tile(piece, latent, start + offset, stop + offset))
        return np.concatenate(done, axis=1)

    def _vocode_tile(self, piece: Piece, latent: torch.Tensor, start: int, stop: int) -> Floats:
        """Samples of frames ``[start, stop)`` of ``latent``, float32 [B, n].

        The vocoder sees no further than its receptive field, so a tile with that much round it
        equals the same stretch of the whole.
        """
        low = max(start - self._margin, 0)
        high = min(stop + self._margin, latent.shape[2])
        source = self._source(piece.start + low, high - low)
        audio = self._models.synthesizer.vocode(latent[:, :, low:high], source, self._speaker)
        kept = audio[:, (start - low) * self._hop : (stop - low) * self._hop]
        samples: Floats = kept.float().cpu().numpy()
        return samples

    def _source(self, start: int, frames: int) -> SourceInput | None:
        """The excitation from padded frame ``start`` on; None for a voice without pitch."""
        if self._contour is None or self._phase is None:
            return None
        harmonics = self._models.synthesizer.sizes.harmonics
        noise = start_phase = layer_noise = None
        if self._options.noise:
            hop = self._hop
            drawn = self._noise.normal("source", start * hop, (start + frames) * hop, harmonics)
            noise = self._on_device(drawn)
            phases = self._noise.uniform("start phase", harmonics)
            phases[0] = 0.0  # the fundamental's phase is that of f0
            start_phase = torch.from_numpy(phases).to(self._models.device)
            layer_noise = self._layer_noise(start, frames)
        return SourceInput(
            f0_hz=self._per_frame(self._contour.f0_hz, start, frames),
            phase_cycles=self._per_frame(self._phase.astype(np.float32), start, frames),
            noise=noise,
            start_phase_cycles=start_phase,
            layer_noise=layer_noise,
        )

    def _layer_noise(self, start: int, frames: int) -> LayerNoise:
        def draw(layer: str, channels: int, samples_per_frame: int) -> torch.Tensor:
            low, high = start * samples_per_frame, (start + frames) * samples_per_frame
            return self._on_device(self._noise.normal(f"layer {layer}", low, high, channels).T)

        return draw

    def _per_frame(self, values: NDArray[np.generic], start: int, frames: int) -> torch.Tensor:
        """[B, frames] on the device: the same for each channel."""
        return self._on_device(values[start : start + frames])

    def _on_device(self, values: NDArray[np.generic]) -> torch.Tensor:
        """[B, ...] on the device: the same for each channel."""
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self._models.device)
        return tensor.expand(self._channels, *tensor.shape)


def _double(features: torch.Tensor, frames: int) -> torch.Tensor:
    """50 to 100 frames a second by repetition, cut to ``frames``: [B, T, W]."""
    return features.repeat_interleave(2, dim=1)[:, :frames]


def _finish(
    output: Floats,
    analysis: Floats,
    n_source: int,
    rate_hz: int,
    card: VoiceCard,
    options: ConversionOptions,
) -> tuple[Floats, int]:
    """Cut to length, follow the source's loudness, resample, limit the peak: [n, channels]."""
    voice_rate_hz = card.sample_rate_hz
    rate_out_hz = options.output_rate_hz or voice_rate_hz
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
    return limit_peak(samples), rate_out_hz
