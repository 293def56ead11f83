"""The sizes of a synthesizer, as a checkpoint states them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class Vocoder(Enum):
    """The vocoders that RVC voices are trained with."""

    PLAIN = "HiFi-GAN without pitch"
    NSF = "HiFi-GAN"
    MRF = "MRF HiFi-GAN"
    REFINE_DIRECT = "RefineGAN"
    """RefineGAN of March 2025: each stage has a strided convolution from the source's full rate."""
    REFINE_CHAINED = "RefineGAN (chained)"
    """RefineGAN since August 2025: the source is decimated step by step with a filter."""


@dataclass(frozen=True)
class SynthesizerSizes:
    """Everything that decides a synthesizer's layers.

    RefineGAN has fixed residual blocks and no transposed convolutions: it ignores ``resblock*`` and
    ``upsample_kernel_sizes``.
    """

    vocoder: Vocoder
    feature_channels: int
    inter_channels: int
    hidden_channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel_size: int
    resblock: str
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    upsample_rates: tuple[int, ...]
    upsample_initial_channels: int
    upsample_kernel_sizes: tuple[int, ...]
    speakers: int
    gin_channels: int
    sample_rate_hz: int
    flow_channels: int

    @property
    def pitch_guided(self) -> bool:
        """Whether the networks take f0."""
        return self.vocoder is not Vocoder.PLAIN

    @property
    def harmonics(self) -> int:
        """Sine waves of the source, the fundamental among them; 0 without pitch."""
        return {Vocoder.PLAIN: 0, Vocoder.MRF: 9}.get(self.vocoder, 1)

    @property
    def gliding_f0(self) -> bool:
        """Whether f0 is interpolated between frames (RefineGAN) or held over each frame."""
        return self.vocoder in (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED)

    @property
    def hop_samples(self) -> int:
        """Output samples per frame (10 ms)."""
        return math.prod(self.upsample_rates)
