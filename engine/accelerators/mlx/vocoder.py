"""The vocoders in MLX; see `engine.models.hifi_gan`, `mrf_gan` and `refine_gan`.

torch makes the source's waves on the CPU: they need its exact phase, and take little time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mlx.core as mx
from torch import Tensor, nn

from engine.accelerators.mlx.layers import (
    Conv,
    Linear,
    TransposedConv,
    channels_last,
    from_torch,
    leaky_relu,
    padded,
    to_torch,
    total,
)
from engine.models.context import NO_CONTEXT, Context, cut_to, needed_samples
from engine.models.hifi_gan import FINAL_SLOPE, HifiGan
from engine.models.layers import LEAKY_SLOPE, ResBlock, glide_weights
from engine.models.mrf_gan import MrfBlock, MrfGan, MrfLayer
from engine.models.refine_gan import SLOPE, Decimation, ParallelBlock, RefineGan
from engine.models.source import LayerNoise, SourceInput
from engine.models.synthesizer import Synthesizer


class Vocoder:
    """`Synthesizer.vocode`, with torch's tensors on the CPU at both ends."""

    def __init__(self, synthesizer: Synthesizer, dtype: mx.Dtype) -> None:
        network = synthesizer.dec
        self._pitch_guided = synthesizer.sizes.pitch_guided
        self._speakers = synthesizer.emb_g
        self._source = network.m_source if self._pitch_guided else None
        self._network = (
            _Refine(network, dtype) if isinstance(network, RefineGan) else _Staged(network, dtype)
        )

    def __call__(
        self,
        z: Tensor,
        source: SourceInput | None,
        speaker: Tensor,
        context: Context = NO_CONTEXT,
    ) -> Tensor:
        """See `Synthesizer.vocode`."""
        if self._pitch_guided == (source is None):
            raise ValueError("a pitch-guided voice needs a source, any other voice takes none")
        wave = None if self._source is None else channels_last(self._source(source))
        noise = None if source is None else source.layer_noise
        embedded = from_torch(self._speakers(speaker))[:, None]
        return to_torch(self._network(channels_last(z), wave, embedded, noise, context))


class _Residual:
    """A residual block of either kind, ``[B, T, C] -> [B, T, C]``."""

    def __init__(self, block: nn.Module, dtype: mx.Dtype) -> None:
        self.slope = block.slope if isinstance(block, ResBlock) else LEAKY_SLOPE
        self.steps = [[Conv(conv, dtype) for conv in step] for step in _steps(block)]

    def __call__(self, x: mx.array) -> mx.array:
        for step in self.steps:
            y = x
            for conv in step:
                y = conv(leaky_relu(y, self.slope))
            x = x + y
        return x


def _steps(block: nn.Module) -> list[tuple[nn.Module, ...]]:
    """The convolutions of a residual block, in tuples that each are added to their input."""
    if isinstance(block, MrfBlock):
        layers = [layer for layer in block.layers if isinstance(layer, MrfLayer)]
        return [(layer.conv1, layer.conv2) for layer in layers]
    if not isinstance(block, ResBlock):
        raise TypeError(f"{type(block).__name__} is not a residual block")
    if block.paired:
        return list(zip(block.convs1, block.convs2, strict=True))
    return [(conv,) for conv in block.convs]


class _Staged:
    """HiFi-GAN with and without source, and MRF HiFi-GAN."""

    def __init__(self, network: HifiGan | MrfGan, dtype: mx.Dtype) -> None:
        self.rates, self.reaches = network.rates, network.reaches()
        self.conv_pre, self.cond = Conv(network.conv_pre, dtype), Linear(network.cond, dtype)
        self.stages = [
            (
                TransposedConv(stage.up, dtype),
                None if stage.noise_conv is None else Conv(stage.noise_conv, dtype),
                [_Residual(block, dtype) for block in stage.blocks if isinstance(block, nn.Module)],
            )
            for stage in network.stages()
        ]
        self.conv_post = Conv(network.conv_post, dtype)

    def __call__(
        self,
        z: mx.array,
        wave: mx.array | None,
        speaker: mx.array,
        noise: LayerNoise | None,  # noqa: ARG002 - of RefineGAN alone
        context: Context,
    ) -> mx.array:
        """``z [B, T, inter]``, ``wave [B, T * hop, 1]``, ``speaker [B, 1, gin]`` -> ``[B, n]``."""
        x = self.conv_pre(z) + self.cond(speaker)
        frames, start, stride = z.shape[1], 0, math.prod(self.rates)
        needed = needed_samples(frames, context, self.rates, self.reaches)
        for (up, noise_conv, blocks), rate, here in zip(
            self.stages, self.rates, needed, strict=True
        ):
            stride //= rate
            x = _cut(up(leaky_relu(x, LEAKY_SLOPE)), here, start * rate)
            start = here.start
            if wave is not None and noise_conv is not None:
                x = x + noise_conv(wave[:, start * stride : here.stop * stride])
            x = total(block(x) for block in blocks) / len(blocks)
        return _sound(
            self.conv_post(leaky_relu(x, FINAL_SLOPE)), self.rates, context, frames, start
        )


class _Refine:
    """RefineGAN in both layouts."""

    def __init__(self, network: RefineGan, dtype: mx.Dtype) -> None:
        self.rates, self.reaches = network.rates, network.reaches()
        self.mel_conv, self.cond = Conv(network.mel_conv, dtype), Linear(network.cond, dtype)
        self.pre_conv = Conv(network.pre_conv, dtype)
        self.downs = [Conv(conv, dtype) for conv in network.downsample_blocks]
        filters = network.decimations if network.chained else ()
        self.decimations = [_Decimation(each) for each in filters if isinstance(each, Decimation)]
        self.glides = [from_torch(glide_weights(rate).float()) for rate in self.rates]
        self.blocks = [
            _Parallel(block, dtype)
            for block in network.upsample_conv_blocks
            if isinstance(block, ParallelBlock)
        ]
        self.conv_post = Conv(network.conv_post, dtype)

    def __call__(
        self,
        z: mx.array,
        wave: mx.array | None,
        speaker: mx.array,
        noise: LayerNoise | None,
        context: Context,
    ) -> mx.array:
        """``z [B, T, inter]``, ``wave [B, T * hop, 1]``, ``speaker [B, 1, gin]`` -> ``[B, n]``."""
        if wave is None:
            raise ValueError("RefineGAN needs a source")
        frames, start, per_frame = z.shape[1], 0, 1
        bottom, sides = (
            self._chain(wave, self.decimations) if self.decimations else self._direct(wave, frames)
        )
        x = mx.concatenate([self.mel_conv(z) + self.cond(speaker), bottom], axis=-1)
        needed = needed_samples(frames, context, self.rates, self.reaches)
        for stage, (rate, here) in enumerate(zip(self.rates, needed, strict=True)):
            per_frame *= rate
            x = _glide(leaky_relu(x, SLOPE), self.glides[stage])
            x = _cut(x, here, start * rate)
            start = here.start
            x = mx.concatenate([x, _cut(sides[stage], here, 0)], axis=-1)
            x = self.blocks[stage](x, partial(_noise, noise, stage, per_frame, here))
        return _sound(self.conv_post(leaky_relu(x, SLOPE)), self.rates, context, frames, start)

    def _direct(self, wave: mx.array, frames: int) -> tuple[mx.array, list[mx.array]]:
        """The source at the frame rate and at each stage's, each directly from the full rate."""
        full = self.pre_conv(wave)
        per_frame = full.reshape(full.shape[0], frames, -1, full.shape[-1])
        hop = per_frame.shape[2]
        middle = (per_frame[:, :, (hop - 1) // 2] + per_frame[:, :, hop // 2]) / 2
        return middle, [down(wave) for down in self.downs]

    def _chain(
        self, wave: mx.array, decimations: Sequence[_Decimation]
    ) -> tuple[mx.array, list[mx.array]]:
        """The source at the frame rate and at each stage's rate, decimated step by step."""
        x = self.pre_conv(wave)
        sides = []
        for conv, decimation in zip(self.downs, decimations, strict=True):
            x = leaky_relu(x, SLOPE)
            sides.append(x)
            x = conv(decimation(x))
        return x, sides[::-1]


class _Decimation:
    """See `engine.models.refine_gan.Decimation`; float32."""

    def __init__(self, decimation: Decimation) -> None:
        self.rate = decimation.rate
        self.taps = channels_last(decimation.taps)
        self.centre = (self.taps.shape[1] - self.rate) // 2

    def __call__(self, x: mx.array) -> mx.array:
        """``[B, T * rate, C] -> [B, T, C]``."""
        if self.rate == 1:
            return x
        batch, samples, channels = x.shape
        alone = x.astype(mx.float32).transpose(0, 2, 1).reshape(batch * channels, samples, 1)
        alone = padded(alone, 1, self.centre, self.centre + self.rate)
        low = mx.conv1d(alone, self.taps, stride=self.rate)[:, : samples // self.rate]
        return low.reshape(batch, channels, -1).transpose(0, 2, 1)


class _Parallel:
    """The mean of residual blocks with noise before and after each."""

    def __init__(self, block: ParallelBlock, dtype: mx.Dtype) -> None:
        self.channels = block.channels
        self.input_conv = Conv(block.input_conv, dtype)
        parts: list[Any] = [list(each.children()) for each in block.blocks]
        self.blocks = [
            (_Residual(residual, dtype), from_torch(before.weight), from_torch(after.weight))
            for before, residual, after in parts
        ]

    def __call__(self, x: mx.array, noise: Callable[[str, int], mx.array | None]) -> mx.array:
        """``[B, T, C_in] -> [B, T, C_out]``; noise of a layer's name and its channels."""
        x = self.input_conv(x)
        made = []
        for index, (residual, before, after) in enumerate(self.blocks):
            y = residual(_noisy(x, noise(f"{index}.0", self.channels), before))
            made.append(_noisy(y, noise(f"{index}.1", self.channels), after))
        return total(made) / len(self.blocks)


def _noisy(x: mx.array, noise: mx.array | None, weight: mx.array) -> mx.array:
    """See `engine.models.refine_gan.NoisyActivation`."""
    return leaky_relu(x if noise is None else x + noise * weight, SLOPE)


def _noise(
    noise: LayerNoise | None, stage: int, per_frame: int, needed: range, layer: str, channels: int
) -> mx.array | None:
    """Of a layer of a stage, ``[B, n, C]``; None for zero."""
    if noise is None:
        return None
    return channels_last(cut_to(noise(f"{stage}.{layer}", channels, per_frame), needed, 0))


def _glide(x: mx.array, weights: mx.array) -> mx.array:
    """``[B, T, C] -> [B, T * rate, C]``; see `engine.models.layers.upsample_linear`."""
    batch, frames, channels = x.shape
    before = mx.concatenate([x[:, :1], x[:, :-1]], axis=1)
    after = mx.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    shares = weights.astype(x.dtype)[:, :, None]
    parts = zip((before, x, after), shares, strict=True)
    made = total(part[:, :, None] * share for part, share in parts)
    return made.reshape(batch, frames * weights.shape[1], channels)


def _cut(x: mx.array, needed: range, start: int) -> mx.array:
    """Positions `needed` of ``[B, T, C]``, whose first sample has the position `start`."""
    return x[:, needed.start - start : needed.stop - start]


def _sound(
    x: mx.array, rates: Sequence[int], context: Context, frames: int, start: int
) -> mx.array:
    """``[B, T, 1]``, beginning at position `start`, to the sound of the wanted frames."""
    hop = math.prod(rates)
    wanted = range(context[0] * hop, (frames - context[1]) * hop)
    return mx.tanh(_cut(x, wanted, start).astype(mx.float32))[..., 0]
