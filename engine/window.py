"""A source that is ready for the networks: what they hear, its pitch, and where its result goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.resampling import resampled_length
from engine.models.source import LayerNoise, SourceInput
from engine.models.synthesizer import Synthesizer
from engine.noise import NoiseField
from engine.options import ConversionOptions
from engine.pitch.contour import PitchContour
from engine.segments import (
    ANALYSIS_RATE_HZ,
    CONTEXT_FRAMES,
    HOP_SAMPLES,
    Joiner,
    Piece,
    window_frames,
)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PreparedSource:
    """One source of one conversion; C channels, F frames of 10 ms with the context.

    Attributes
    ----------
    options : of its conversion
    n_samples, rate_hz : of the source as it was given
    padded : float32 [C, F * 160]  16 kHz, one second of context on both sides
    frames : without context
    contour : pitch, or None for a voice without
    phase : float64 [F]  phase of the fundamental at the start of each frame, in cycles
    active : bool [frames]  where the source is not silent
    joiner : collects the result
    """

    options: ConversionOptions
    n_samples: int
    rate_hz: int
    padded: torch.Tensor
    frames: int
    contour: PitchContour | None
    phase: NDArray[np.float64] | None
    active: NDArray[np.bool_]
    joiner: Joiner

    @property
    def channels(self) -> int:
        """Rows that go through the networks side by side."""
        return len(self.padded)

    def analysis(self) -> Floats:
        """What the networks hear without the context, float32 [C, n] at 16 kHz."""
        low = CONTEXT_FRAMES * HOP_SAMPLES
        n = min(
            resampled_length(self.n_samples, self.rate_hz, ANALYSIS_RATE_HZ),
            self.frames * HOP_SAMPLES,
        )
        heard: Floats = self.padded[:, low : low + max(n, 1)].numpy()
        return heard


@dataclass(frozen=True, eq=False)
class WorkItem:
    """A piece of a source, with the window of padded frames that goes through the networks.

    Attributes
    ----------
    start, frames : the window, in frames of `PreparedSource.padded`
    """

    source: PreparedSource
    piece: Piece
    start: int
    frames: int

    @property
    def samples(self) -> torch.Tensor:
        """What the content encoder hears, float32 [C, frames * 160]."""
        low = self.start * HOP_SAMPLES
        return self.source.padded[:, low : low + self.frames * HOP_SAMPLES]

    def wanted(self) -> tuple[int, int]:
        """Frames of the window whose sound is needed."""
        low, high = self.source.joiner.window(self.piece)
        offset = CONTEXT_FRAMES - self.start
        return low + offset, high + offset

    def rows(self, values: NDArray[np.generic], start: int, frames: int) -> torch.Tensor:
        """[C, frames] of a per-frame array from frame ``start`` of the window on."""
        low = self.start + start
        part = torch.from_numpy(np.ascontiguousarray(values[low : low + frames]))
        return part.expand(self.source.channels, -1)

    def latent_noise(self, frames: int, inter_channels: int) -> torch.Tensor:
        """Noise of the prior, float32 [C, inter_channels, frames]; zero when switched off."""
        noise = self._field().normal("latent", self.start, self.start + frames, inter_channels)
        return self._all_channels(noise.T)

    def excitation(self, start: int, frames: int, synthesizer: Synthesizer) -> SourceInput | None:
        """The vocoder's source from frame ``start`` of the window on, on the CPU."""
        source = self.source
        if source.contour is None or source.phase is None:
            return None
        noise = start_phase = layer_noise = None
        if source.options.noise:
            sizes = synthesizer.sizes
            low, high = self._span(start, frames, sizes.hop_samples)
            field = self._field()
            noise = self._all_channels(field.normal("source", low, high, sizes.harmonics))
            phases = field.uniform("start phase", sizes.harmonics)
            phases[0] = 0.0  # the fundamental's phase is that of f0
            start_phase = torch.from_numpy(phases)
            layer_noise = self._layer_noise(start, frames)
        return SourceInput(
            f0_hz=self.rows(source.contour.f0_hz, start, frames),
            phase_cycles=self.rows(source.phase, start, frames).float(),
            noise=noise,
            start_phase_cycles=start_phase,
            layer_noise=layer_noise,
        )

    def _layer_noise(self, start: int, frames: int) -> LayerNoise:
        def draw(layer: str, channels: int, samples_per_frame: int) -> torch.Tensor:
            low, high = self._span(start, frames, samples_per_frame)
            noise = self._field().normal(f"layer {layer}", low, high, channels)
            return self._all_channels(noise.T)

        return draw

    def _span(self, start: int, frames: int, per_frame: int) -> tuple[int, int]:
        low = (self.start + start) * per_frame
        return low, low + frames * per_frame

    def _field(self) -> NoiseField:
        return NoiseField(self.source.options.seed, enabled=self.source.options.noise)

    def _all_channels(self, noise: Floats) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(noise))
        return tensor.expand(self.source.channels, *tensor.shape)


def work_item(source: PreparedSource, piece: Piece, *, buckets: bool) -> WorkItem:
    """The piece with its window; one that would reach beyond the source takes more before it."""
    frames = window_frames(piece, buckets=buckets)
    last_start = source.padded.shape[-1] // HOP_SAMPLES - frames
    return WorkItem(source, piece, min(piece.start, last_start), frames)
