"""RefineGAN (Xu et al. 2021) as the Applio family trains it, in both of its layouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.context import NO_CONTEXT, Context, cut_to, needed_samples, wanted_samples
from engine.models.hifi_gan import EDGE_KERNEL_SIZE, source_strides, stage_channels
from engine.models.layers import (
    ResBlock,
    conv_reach,
    convolve_in_stretches,
    mean_of,
    same_conv,
    source_conv,
    upsample_linear,
)
from engine.models.source import Harmonics, LayerNoise, SourceInput
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder

SLOPE = 0.2
KERNEL_SIZES = (3, 7, 11)
DILATIONS = (1, 3, 5)
CHAIN_CHANNELS = 16
"""Channels of the chained layout's source at the full rate; they double at every step down."""
_ZERO_CROSSINGS = 64
_ROLLOFF = 0.9475937167399596
_KAISER_BETA = 14.769656459379492


def _decimation_filter(rate: int) -> NDArray[np.float64]:
    """A sinc under a Kaiser window, cut off at 0.948 of the new Nyquist frequency.

    Tap n lies at input sample ``n - centre`` from the output's; ``centre`` is
    ``ceil(64 rate / 0.948)``, so both ends of the window are inside. The constants are those of
    torchaudio's "kaiser_best", which chained RefineGAN voices are trained with.
    """
    centre = _filter_centre(rate)
    offset_samples = np.arange(-centre, centre + rate, dtype=np.float64)
    crossings = np.clip(offset_samples * _ROLLOFF / rate, -_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = np.i0(_KAISER_BETA * np.sqrt(1 - (crossings / _ZERO_CROSSINGS) ** 2))
    taps: NDArray[np.float64] = np.sinc(crossings) * window / np.i0(_KAISER_BETA) * _ROLLOFF / rate
    return taps


def _filter_centre(rate: int) -> int:
    """Input samples before the current one that the filter needs."""
    return math.ceil(_ZERO_CROSSINGS * rate / _ROLLOFF)


class Decimation(nn.Module):
    """Every `rate`-th sample of the filtered signal, beginning at sample 0."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        taps = torch.from_numpy(_decimation_filter(rate)).float()
        self.register_buffer("taps", taps[None, None], persistent=False)
        self.taps: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T * rate] -> [B, C, T]``; each channel is filtered alone."""
        batch, channels, samples = x.shape
        if self.rate == 1:
            return x
        centre = _filter_centre(self.rate)
        padded = F.pad(x.reshape(batch * channels, 1, samples), (centre, centre + self.rate))
        low = convolve_in_stretches(
            lambda part: F.conv1d(part, self.taps, stride=self.rate),
            padded,
            self.taps.shape[-1],
            self.rate,
        )
        low = low[..., : samples // self.rate]
        return low.reshape(batch, channels, -1)

    def reach(self, samples: int) -> int:
        """Input samples needed on either side of `samples` output samples."""
        return samples * self.rate + _filter_centre(self.rate) + self.rate


class RefineSource(nn.Module):
    """One sine whose f0 is interpolated between frames (checkpoint name ``m_source``)."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        self.sines = Harmonics(
            sizes.sample_rate_hz, sizes.hop_samples, sizes.harmonics, gliding=True
        )
        self.merge = nn.Sequential(nn.Linear(sizes.harmonics, 1, bias=False), nn.Tanh())

    def forward(self, source: SourceInput) -> Tensor:
        """``[B, 1, T * hop]``."""
        wave: Tensor = self.merge(self.sines(source))
        return wave.transpose(1, 2)


class NoisyActivation(nn.Module):
    """LeakyReLU of the input with some noise per channel (the paper's AdaIN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """``[B, C, T] -> [B, C, T]``; noise of the same shape, standard normal, None for zero."""
        if noise is not None:
            x = x + noise * self.weight[:, None]
        return F.leaky_relu(x, SLOPE)


class ParallelBlock(nn.Module):
    """The mean of residual blocks with different kernels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.tile_floats: int | None = None
        self.channels = channels_out
        self.input_conv = same_conv(channels_in, channels_out, EDGE_KERNEL_SIZE)
        # Checkpoint names 0, 1, 2: noise before, residual block, noise after.
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                [
                    NoisyActivation(channels_out),
                    ResBlock(channels_out, kernel_size, DILATIONS, slope=SLOPE),
                    NoisyActivation(channels_out),
                ]
            )
            for kernel_size in KERNEL_SIZES
        )

    def forward(self, x: Tensor, noise: Callable[[str, int], Tensor | None]) -> Tensor:
        """``[B, C_in, T'] -> [B, C_out, T']``; noise of a layer's name and its channels."""
        x = self.input_conv(x)
        total = torch.zeros_like(x)
        for index, block in enumerate(self.blocks):
            before, residual, after = block.children()
            y = self._residual(residual, before(x, noise(f"{index}.0", self.channels)))
            total = total + after(y, noise(f"{index}.1", self.channels))
        return total / len(self.blocks)

    def _residual(self, block: nn.Module, x: Tensor) -> Tensor:
        return mean_of([cast(ResBlock, block)], x, self.tile_floats)

    def reach(self, samples: int) -> int:
        """Input samples needed on either side of `samples` output samples."""
        residuals = [block for block in self.modules() if isinstance(block, ResBlock)]
        widest = max(block.reach(samples) for block in residuals)
        return conv_reach(self.input_conv, widest)


class DirectDownsampling(nn.ModuleList):
    """For each stage, a strided convolution from the full rate to the stage's rate."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        quarters = [channels // 4 for channels in stage_channels(sizes)]
        super().__init__(
            source_conv(1, quarters[i], stride) for i, stride in enumerate(source_strides(sizes))
        )


class RefineGan(nn.Module):
    """From latent and source to sound; checkpoint name ``dec``.

    Both layouts join the source to the latent at the frame rate and to every stage; they differ
    in how the source is decimated (see `Vocoder`).
    """

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        self.hop_samples = sizes.hop_samples
        self.rates = sizes.upsample_rates
        self.chained = sizes.vocoder is Vocoder.REFINE_CHAINED
        channels = stage_channels(sizes)
        half = channels[0] // 2
        self.m_source = RefineSource(sizes)
        self.mel_conv = same_conv(sizes.inter_channels, half, EDGE_KERNEL_SIZE)
        self.cond = nn.Conv1d(sizes.gin_channels, half, 1)
        steps = range(len(self.rates))
        if self.chained:
            self.pre_conv = same_conv(1, CHAIN_CHANNELS, EDGE_KERNEL_SIZE)
            self.downsample_blocks = nn.ModuleList(
                same_conv(CHAIN_CHANNELS << i, CHAIN_CHANNELS << (i + 1), EDGE_KERNEL_SIZE)
                for i in steps
            )
            self.decimations = nn.ModuleList(Decimation(rate) for rate in reversed(self.rates))
        else:
            self.pre_conv = same_conv(1, half, EDGE_KERNEL_SIZE)
            self.downsample_blocks = DirectDownsampling(sizes)
        self.upsample_conv_blocks = nn.ModuleList(
            ParallelBlock(channels[i] + channels[i] // 4, channels[i + 1]) for i in steps
        )
        padding = EDGE_KERNEL_SIZE // 2
        self.conv_post = nn.Conv1d(channels[-1], 1, EDGE_KERNEL_SIZE, padding=padding, bias=False)

    def forward(
        self, z: Tensor, source: SourceInput, speaker: Tensor, context: Context = NO_CONTEXT
    ) -> Tensor:
        """``z [B, inter, T]``, ``speaker [B, gin, 1]`` -> sound ``[B, T' * hop]`` in -1..1.

        T' is T without the context.
        """
        wave = self.m_source(source)
        bottom, sides = self._chain(wave) if self.chained else self._direct(wave, z.shape[-1])
        x = torch.cat([self.mel_conv(z) + self.cond(speaker), bottom], dim=1)
        frames, start, per_frame = z.shape[-1], 0, 1
        needed = needed_samples(frames, context, self.rates, self.reaches())
        for stage, (rate, block) in enumerate(
            zip(self.rates, self.upsample_conv_blocks, strict=True)
        ):
            per_frame *= rate
            here = needed[stage]
            x = cut_to(upsample_linear(F.leaky_relu(x, SLOPE), rate), here, start * rate)
            start = here.start
            x = torch.cat([x, cut_to(sides[stage], here, 0)], dim=1)
            x = block(x, _noise_of_stage(source.layer_noise, stage, per_frame, here))
        sound: Tensor = self.conv_post(F.leaky_relu(x, SLOPE)).float().tanh()
        return wanted_samples(sound.squeeze(1), context, frames, self.hop_samples, start)

    def _direct(self, wave: Tensor, frames: int) -> tuple[Tensor, list[Tensor]]:
        """The source at the frame rate and at each stage's, each directly from the full rate."""
        return middle_of_frames(self.pre_conv(wave), frames), [
            down(wave) for down in self.downsample_blocks
        ]

    def _chain(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The source at the frame rate and at each stage's rate, decimated step by step."""
        x = self.pre_conv(wave)
        sides = []
        for conv, decimation in zip(self.downsample_blocks, self.decimations, strict=True):
            x = F.leaky_relu(x, SLOPE)
            sides.append(x)
            x = conv(decimation(x))
        return x, sides[::-1]

    def receptive_field_frames(self) -> int:
        """Frames of context on either side that influence the output."""
        reaches = self.reaches()
        bottom = reaches[0] // self.rates[0] + 1
        source_reach = self._source_reach(reaches, bottom)
        # One frame more: f0 is interpolated between neighbouring frames.
        source_frames = -(-source_reach // self.hop_samples) + 1
        return max(conv_reach(self.mel_conv, bottom), source_frames)

    def reaches(self) -> list[int]:
        """See `needed_samples`."""
        reaches: list[int] = []
        reach = conv_reach(self.conv_post, 0)
        for rate, block in zip(
            reversed(self.rates), reversed([*self.upsample_conv_blocks]), strict=True
        ):
            reach = block.reach(reach) if isinstance(block, ParallelBlock) else reach
            reaches.append(reach)
            reach = reach // rate + 1
        return reaches[::-1]

    def _source_reach(self, side_reaches: list[int], bottom_frames: int) -> int:
        """Full-rate samples of the source needed on either side."""
        if not self.chained:
            sides = [
                conv_reach(down, side)
                for down, side in zip(self.downsample_blocks, side_reaches, strict=True)
            ]
            return max([*sides, conv_reach(self.pre_conv, bottom_frames * self.hop_samples)])
        reach = bottom_frames
        steps = zip(
            [*self.downsample_blocks][::-1],
            [*self.decimations][::-1],
            side_reaches,
            strict=True,
        )
        for conv, decimation, side in steps:
            if isinstance(decimation, Decimation):
                reach = max(decimation.reach(conv_reach(conv, reach)), side)
        return conv_reach(self.pre_conv, reach)


def _noise_of_stage(
    noise: LayerNoise | None, stage: int, per_frame: int, needed: range
) -> Callable[[str, int], Tensor | None]:
    """The noise of a stage's layers, by the rest of the layer's name and its channels."""

    def draw(layer: str, channels: int) -> Tensor | None:
        if noise is None:
            return None
        return cut_to(noise(f"{stage}.{layer}", channels, per_frame), needed, 0)

    return draw


def middle_of_frames(x: Tensor, frames: int) -> Tensor:
    """``[B, C, T * hop] -> [B, C, T]``: each frame's middle, between two samples if hop is even."""
    per_frame = x.reshape(*x.shape[:-1], frames, -1)
    hop = per_frame.shape[-1]
    return (per_frame[..., (hop - 1) // 2] + per_frame[..., hop // 2]) / 2
