"""HiFi-GAN (Kong et al. 2020), without pitch and with a neural source filter (NSF)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.context import NO_CONTEXT, Context, cut_to, needed_samples, wanted_samples
from engine.models.layers import (
    LEAKY_SLOPE,
    Block,
    ResBlock,
    added,
    conv_reach,
    edge_samples,
    mean_of,
    same_conv,
    source_conv,
    upsampling_conv,
)
from engine.models.source import Harmonics, SourceInput
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder

FINAL_SLOPE = 0.01
"""PyTorch's default in HiFi-GAN's last LeakyReLU; every voice is trained with it."""

EDGE_KERNEL_SIZE = 7
"""Kernel size of the first and the last convolution."""


class MergedSource(nn.Module):
    """Harmonics merged into one wave (checkpoint name ``m_source``)."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        self.sines = Harmonics(
            sizes.sample_rate_hz, sizes.hop_samples, sizes.harmonics, gliding=False
        )
        self.l_linear = nn.Linear(sizes.harmonics, 1)

    def forward(self, source: SourceInput) -> Tensor:
        """``[B, 1, T * hop]``."""
        wave: Tensor = self.l_linear(self.sines(source)).tanh()
        return wave.transpose(1, 2)


def stage_channels(sizes: SynthesizerSizes) -> list[int]:
    """Channels before the first stage and after each."""
    return [sizes.upsample_initial_channels >> i for i in range(len(sizes.upsample_rates) + 1)]


def source_strides(sizes: SynthesizerSizes) -> list[int]:
    """Output samples per sample of each stage."""
    return [math.prod(sizes.upsample_rates[i + 1 :]) for i in range(len(sizes.upsample_rates))]


def upsampling_stages(sizes: SynthesizerSizes) -> nn.ModuleList:
    """The transposed convolution of each stage."""
    channels = stage_channels(sizes)
    return nn.ModuleList(
        upsampling_conv(channels[i], channels[i + 1], kernel, rate)
        for i, (rate, kernel) in enumerate(
            zip(sizes.upsample_rates, sizes.upsample_kernel_sizes, strict=True)
        )
    )


def source_stages(sizes: SynthesizerSizes) -> nn.ModuleList:
    """For each stage, the convolution from the source's rate to the stage's."""
    channels = stage_channels(sizes)
    return nn.ModuleList(
        source_conv(1, channels[i + 1], stride) for i, stride in enumerate(source_strides(sizes))
    )


class Stage(NamedTuple):
    """One upsampling stage: transposed convolution, the source's convolution, residual blocks."""

    up: nn.Module
    noise_conv: nn.Module | None
    blocks: Sequence[Block]


def stage_reaches(conv_post: nn.Module, stages: Sequence[Stage]) -> list[int]:
    """The ``reaches`` of `needed_samples`, including the edges of the source's convolutions."""
    reaches: list[int] = []
    reach = conv_reach(conv_post, 0)
    for up, noise_conv, blocks in reversed(stages):
        reach = max(block.reach(reach) for block in blocks)
        if noise_conv is not None:
            reach += edge_samples(noise_conv)
        reaches.append(reach)
        reach = conv_reach(up, reach)
    return reaches[::-1]


def through_stages(
    x: Tensor,
    wave: Tensor | None,
    stages: Sequence[Stage],
    rates: Sequence[int],
    needed: Sequence[range],
    tile_floats: int | None,
) -> Tensor:
    """``[B, C, T] -> [B, C', n]``: the samples that the last of `needed` states.

    Parameters
    ----------
    wave : the source ``[B, 1, T * hop]``; None without one
    needed : of each stage, see `needed_samples`
    """
    start, stride = 0, math.prod(rates)
    for (up, noise_conv, blocks), rate, here in zip(stages, rates, needed, strict=True):
        stride //= rate
        x = cut_to(up(F.leaky_relu_(x, LEAKY_SLOPE)), here, start * rate)
        start = here.start
        if wave is not None and noise_conv is not None:
            x = added(noise_conv, wave[..., start * stride : here.stop * stride], x)
        x = mean_of(blocks, x, tile_floats)
    return x


class HifiGan(nn.Module):
    """From the latent (and source) to sound; checkpoint name ``dec``."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        channels = stage_channels(sizes)
        self.hop_samples = sizes.hop_samples
        self.rates = sizes.upsample_rates
        self.tile_floats: int | None = None
        self.guided = sizes.vocoder is Vocoder.NSF
        self.conv_pre = same_conv(sizes.inter_channels, channels[0], EDGE_KERNEL_SIZE)
        self.cond = nn.Conv1d(sizes.gin_channels, channels[0], 1)
        self.ups = upsampling_stages(sizes)
        if self.guided:
            self.m_source = MergedSource(sizes)
            self.noise_convs = source_stages(sizes)
        self.kinds = len(sizes.resblock_kernel_sizes)
        self.resblocks = nn.ModuleList(
            ResBlock(stage, kernel, dilations, kind=sizes.resblock)
            for stage in channels[1:]
            for kernel, dilations in zip(
                sizes.resblock_kernel_sizes, sizes.resblock_dilations, strict=True
            )
        )
        padding = EDGE_KERNEL_SIZE // 2
        self.conv_post = nn.Conv1d(channels[-1], 1, EDGE_KERNEL_SIZE, padding=padding, bias=False)

    def forward(
        self,
        z: Tensor,
        source: SourceInput | None,
        speaker: Tensor,
        context: Context = NO_CONTEXT,
    ) -> Tensor:
        """``z [B, inter, T]``, ``speaker [B, gin, 1]`` -> sound ``[B, T' * hop]`` in -1..1.

        T' is T without the context.
        """
        wave = self.m_source(source) if self.guided else None
        x = self.conv_pre(z) + self.cond(speaker)
        needed = needed_samples(z.shape[-1], context, self.rates, self.reaches())
        x = through_stages(x, wave, self.stages(), self.rates, needed, self.tile_floats)
        sound: Tensor = self.conv_post(F.leaky_relu_(x, FINAL_SLOPE)).float().tanh()
        start = needed[-1].start
        return wanted_samples(sound.squeeze(1), context, z.shape[-1], self.hop_samples, start)

    def receptive_field_frames(self) -> int:
        """Frames of context on either side that influence the output."""
        return conv_reach(self.conv_pre, conv_reach(self.ups[0], self.reaches()[0]))

    def reaches(self) -> list[int]:
        """See `needed_samples`."""
        return stage_reaches(self.conv_post, self.stages())

    def stages(self) -> list[Stage]:
        """In the order in which they run."""
        blocks = [block for block in self.resblocks if isinstance(block, ResBlock)]
        noise_convs = [*self.noise_convs] if self.guided else [None] * len(self.ups)
        return [
            Stage(up, noise_conv, blocks[stage * self.kinds : (stage + 1) * self.kinds])
            for stage, (up, noise_conv) in enumerate(zip(self.ups, noise_convs, strict=True))
        ]
