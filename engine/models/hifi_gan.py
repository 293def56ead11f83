"""HiFi-GAN (Kong et al. 2020), without pitch and with a neural source filter (NSF)."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.context import NO_CONTEXT, Context, cut_to, needed_samples, wanted_samples
from engine.models.layers import (
    LEAKY_SLOPE,
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
"""HiFi-GAN's last LeakyReLU was left at PyTorch's default, and every voice is trained with it."""

EDGE_KERNEL_SIZE = 7
"""Of the first and the last convolution."""


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
    """The convolution that brings the source to each stage's rate."""
    channels = stage_channels(sizes)
    return nn.ModuleList(
        source_conv(1, channels[i + 1], stride) for i, stride in enumerate(source_strides(sizes))
    )


class HifiGan(nn.Module):
    """Latent (and source) to sound; checkpoint name ``dec``."""

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
        frames, start, stride = z.shape[-1], 0, self.hop_samples
        needed = needed_samples(frames, context, self.rates, self._reaches())
        for stage, (up, rate) in enumerate(zip(self.ups, self.rates, strict=True)):
            stride //= rate
            here = needed[stage]
            x = cut_to(up(F.leaky_relu_(x, LEAKY_SLOPE)), here, start * rate)
            start = here.start
            if wave is not None:
                x = added(
                    self.noise_convs[stage], wave[..., start * stride : here.stop * stride], x
                )
            blocks = self.resblocks[stage * self.kinds : (stage + 1) * self.kinds]
            x = mean_of([*blocks], x, self.tile_floats)
        sound: Tensor = self.conv_post(F.leaky_relu_(x, FINAL_SLOPE)).float().tanh()
        return wanted_samples(sound.squeeze(1), context, frames, self.hop_samples, start)

    def receptive_field_frames(self) -> int:
        """Frames of context on either side beyond which the input does not matter."""
        return conv_reach(self.conv_pre, conv_reach(self.ups[0], self._reaches()[0]))

    def _reaches(self) -> list[int]:
        """See `needed_samples`; with what the source's convolutions spoil at a cut."""
        reaches: list[int] = []
        reach = conv_reach(self.conv_post, 0)
        for stage in reversed(range(len(self.ups))):
            blocks = [*self.resblocks][stage * self.kinds : (stage + 1) * self.kinds]
            reach = max(block.reach(reach) for block in blocks if isinstance(block, ResBlock))
            if self.guided:
                reach += edge_samples(self.noise_convs[stage])
            reaches.append(reach)
            reach = conv_reach(self.ups[stage], reach)
        return reaches[::-1]
