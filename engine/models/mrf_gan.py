"""MRF HiFi-GAN: the NSF vocoder of the Applio family with nine harmonics in its source."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.context import NO_CONTEXT, Context, needed_samples, wanted_samples
from engine.models.hifi_gan import (
    EDGE_KERNEL_SIZE,
    FINAL_SLOPE,
    MergedSource,
    Stage,
    source_stages,
    stage_channels,
    stage_reaches,
    through_stages,
    upsampling_stages,
)
from engine.models.layers import (
    LEAKY_SLOPE,
    conv_reach,
    residual_pair,
    same_conv,
)
from engine.models.source import SourceInput
from engine.models.synthesizer_sizes import SynthesizerSizes


class MrfLayer(nn.Module):
    """A dilated and an undilated convolution with a residual connection."""

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = same_conv(channels, channels, kernel_size, dilation)
        self.conv2 = same_conv(channels, channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        return residual_pair(self.conv1, self.conv2, x, LEAKY_SLOPE)


class MrfBlock(nn.Module):
    """Layers of one kernel size, one after the other."""

    def __init__(self, channels: int, kernel_size: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MrfLayer(channels, kernel_size, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T] -> [B, C, T]``."""
        for layer in self.layers:
            x = layer(x)
        return x

    def reach(self, samples: int) -> int:
        """Input samples needed on either side of `samples` output samples."""
        convs = [conv for conv in self.modules() if isinstance(conv, nn.Conv1d)]
        return samples + sum(conv_reach(conv, 0) for conv in convs)


class MrfGan(nn.Module):
    """From latent and source to sound; checkpoint name ``dec``."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        channels = stage_channels(sizes)
        self.hop_samples = sizes.hop_samples
        self.rates = sizes.upsample_rates
        self.tile_floats: int | None = None
        self.m_source = MergedSource(sizes)
        self.conv_pre = same_conv(sizes.inter_channels, channels[0], EDGE_KERNEL_SIZE)
        self.cond = nn.Conv1d(sizes.gin_channels, channels[0], 1)
        self.upsamples = upsampling_stages(sizes)
        self.noise_convs = source_stages(sizes)
        self.mrfs = nn.ModuleList(
            nn.ModuleList(
                MrfBlock(stage, kernel, dilations)
                for kernel, dilations in zip(
                    sizes.resblock_kernel_sizes, sizes.resblock_dilations, strict=True
                )
            )
            for stage in channels[1:]
        )
        self.conv_post = same_conv(channels[-1], 1, EDGE_KERNEL_SIZE)

    def forward(
        self, z: Tensor, source: SourceInput, speaker: Tensor, context: Context = NO_CONTEXT
    ) -> Tensor:
        """``z [B, inter, T]``, ``speaker [B, gin, 1]`` -> sound ``[B, T' * hop]`` in -1..1.

        T' is T without the context.
        """
        wave = self.m_source(source)
        x = self.conv_pre(z) + self.cond(speaker)
        needed = needed_samples(z.shape[-1], context, self.rates, self.reaches())
        x = through_stages(x, wave, self.stages(), self.rates, needed, self.tile_floats)
        sound: Tensor = self.conv_post(F.leaky_relu_(x, FINAL_SLOPE)).float().tanh()
        start = needed[-1].start
        return wanted_samples(sound.squeeze(1), context, z.shape[-1], self.hop_samples, start)

    def receptive_field_frames(self) -> int:
        """Frames of context on either side that influence the output."""
        return conv_reach(self.conv_pre, conv_reach(self.upsamples[0], self.reaches()[0]))

    def reaches(self) -> list[int]:
        """See `needed_samples`."""
        return stage_reaches(self.conv_post, self.stages())

    def stages(self) -> list[Stage]:
        """In the order in which they run."""
        return [
            Stage(up, noise_conv, [b for b in mrf.children() if isinstance(b, MrfBlock)])
            for up, noise_conv, mrf in zip(self.upsamples, self.noise_convs, self.mrfs, strict=True)
        ]
