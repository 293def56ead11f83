"""The networks of a voice in the form in which they are converted: plain tensors in and out.

Every shape is fixed. A program for another length is another program: the networks compute with
lengths in Python, which a conversion would keep as they were without a word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.content_encoder import ContentEncoder
from engine.models.mel import N_MELS
from engine.models.rmvpe import ALIGN_FRAMES, RmvpeNetwork
from engine.models.source import SourceInput
from engine.models.synthesizer import NOISE_SCALE, Synthesizer

WIDEST = 16_384
"""No dimension may be larger on the Neural Engine of M1 to M4."""

_HIDDEN = -10_000.0
"""Added to the score of a frame that must not be seen; fits into 16 bits."""


@dataclass(frozen=True)
class Input:
    """One input of a program.

    Attributes
    ----------
    shape : fixed
    meaning : for whoever calls the program
    most : of whole numbers from 0 on, int32; None is a float
    """

    name: str
    shape: tuple[int, ...]
    meaning: str
    most: int | None = None

    def draw(self, generator: torch.Generator) -> Tensor:
        """A random value: normal numbers, or whole ones."""
        if self.most is None:
            return torch.randn(self.shape, generator=generator)
        return torch.randint(0, self.most + 1, self.shape, generator=generator)


@dataclass(frozen=True)
class Tiling:
    """How the content encoder's front end is cut so that no dimension is too wide.

    Attributes
    ----------
    tiles, frames : so many tiles of so many frames each make up a window
    hop, field : samples from one frame to the next, and that one frame depends on
    step : stride of the first convolution, whose kernel is a multiple of it
    """

    tiles: int
    frames: int
    hop: int
    field: int
    step: int

    @classmethod
    def of(cls, network: ContentEncoder, frames: int) -> Tiling:
        """Tiles that hold at least so many frames.

        Raises
        ------
        ValueError : the first convolution cannot be computed on samples side by side
        """
        sizes = network.sizes
        step, kernel = sizes.conv_stride[0], sizes.conv_kernel[0]
        if kernel % step:
            raise ValueError(f"the first kernel, {kernel}, is not a multiple of its stride, {step}")
        hop, field = math.prod(sizes.conv_stride), network.receptive_field_samples
        most = (WIDEST * step - field) // hop + 1
        tiles = -(-frames // most)
        return cls(tiles, -(-frames // tiles), hop, field, step)

    @property
    def total_frames(self) -> int:
        """Of all tiles together."""
        return self.tiles * self.frames

    @property
    def samples(self) -> int:
        """Of all tiles together; they overlap."""
        return (self.total_frames - 1) * self.hop + self.field

    @property
    def columns(self) -> int:
        """Width of a tile, with ``step`` samples side by side."""
        return -(-((self.frames - 1) * self.hop + self.field) // self.step)

    def cut(self, audio: Tensor) -> Tensor:
        """``[n <= samples]``, continued by silence -> tiles ``[tiles, step, columns]``."""
        width = self.columns * self.step
        starts = [tile * self.frames * self.hop for tile in range(self.tiles)]
        whole = nn.functional.pad(audio, (0, starts[-1] + width - audio.shape[-1]))
        tiles = torch.stack([whole[start : start + width] for start in starts])
        return tiles.view(self.tiles, self.columns, self.step).transpose(1, 2).contiguous()


class ContentForm(nn.Module):
    """The content encoder for a window of fixed length.

    The first convolution takes as many samples side by side as its stride is long, and strides by
    one: the same numbers, with dimensions that the Neural Engine takes. What depends on the whole
    length, the norm over time, is given as a scale and a shift; frames beyond the sound are masked.
    """

    def __init__(
        self, network: ContentEncoder, tiling: Tiling, layer: int | None, *, project: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.tiling = tiling
        self.layers = layer or network.sizes.num_hidden_layers
        self.project = project
        first: Any = network.feature_extractor.conv_layers[0]
        self.normalised = isinstance(first.layer_norm, nn.GroupNorm)
        conv = first.conv
        taps = conv.weight.detach().reshape(conv.out_channels, -1, tiling.step).transpose(1, 2)
        bias = None if self.normalised or conv.bias is None else conv.bias.detach()
        n_out, n_in, kernel = taps.shape
        self.conv = nn.Conv1d(n_in, n_out, kernel, bias=bias is not None)
        state = {"weight": taps.contiguous()} | ({} if bias is None else {"bias": bias})
        self.conv.load_state_dict(state)
        self.eval().requires_grad_(requires_grad=False)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Of the program."""
        tiling, width = self.tiling, self.conv.out_channels
        tiles = Input(
            "tiles",
            (tiling.tiles, tiling.step, tiling.columns),
            f"16 kHz mono sound: tile i begins at sample {tiling.frames * tiling.hop} i; row r of "
            f"it has every {tiling.step}th sample, beginning at sample r",
        )
        seen = Input("seen", (1, tiling.total_frames), "1 for a frame of the sound, 0 behind it")
        if not self.normalised:
            return tiles, seen
        channels = (1, width, 1)
        return (
            tiles,
            seen,
            Input("scale", channels, "of the norm over time: weight / deviation"),
            Input("shift", channels, "of the norm over time: bias - mean * scale"),
        )

    def forward(self, tiles: Tensor, seen: Tensor, *norm: Tensor) -> Tensor:
        """Features ``[1, total_frames, C]``; those of frames that are not seen mean nothing."""
        network = self.network
        layers: list[Any] = list(network.feature_extractor.conv_layers)
        first, *others = layers
        x = self.conv(tiles)
        if norm:
            x = x * norm[0] + norm[1]
        elif first.layer_norm is not None:
            x = first.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        x = first.activation(x)
        for layer in others:
            x = layer(x)
        x = x.transpose(1, 2).reshape(1, self.tiling.total_frames, -1)
        x = network.feature_projection(x) * seen.unsqueeze(-1)
        encoder = network.encoder
        x = x + encoder.pos_conv_embed(x)
        if not encoder.norm_last:
            x = encoder.layer_norm(x)
        hidden = (1 - seen)[:, None, None] * _HIDDEN
        for layer in encoder.layers[: self.layers]:
            x = _through(layer, x, hidden)
        if encoder.norm_last and self.layers == len(encoder.layers):
            x = encoder.layer_norm(x)
        if self.project and network.final_proj is not None:
            x = network.final_proj(x)
        return torch.as_tensor(x)


def _through(layer: Any, x: Tensor, hidden: Tensor) -> Tensor:
    """One layer of the content encoder, whose frames do not see the hidden ones."""
    if layer.norm_first:
        x = x + _attend(layer.attention, layer.layer_norm(x), hidden)
        return torch.as_tensor(x + layer.feed_forward(layer.final_layer_norm(x)))
    x = layer.layer_norm(x + _attend(layer.attention, x, hidden))
    return torch.as_tensor(layer.final_layer_norm(x + layer.feed_forward(x)))


def _attend(attention: Any, x: Tensor, hidden: Tensor) -> Tensor:
    heads = attention.heads
    query, key, value = (
        projection(x).unflatten(-1, (heads, -1)).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1) + hidden
    mixed = scores.softmax(dim=-1) @ value
    return torch.as_tensor(attention.out_proj(mixed.transpose(1, 2).flatten(2)))


class LatentForm(nn.Module):
    """Prior and flow: from content features and pitch to what the vocoder is given."""

    def __init__(self, synthesizer: Synthesizer, frames: int) -> None:
        super().__init__()
        self.synthesizer = synthesizer
        self.frames = frames

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Of the program."""
        sizes, frames = self.synthesizer.sizes, self.frames
        features = Input(
            "features", (1, frames, sizes.feature_channels), "of the content encoder, each twice"
        )
        noise = Input("noise", (1, sizes.inter_channels, frames), "standard normal, or zero")
        last = sizes.speakers - 1
        speaker = Input("speaker", (1,), f"0 to {last}", most=last)
        if not sizes.pitch_guided:
            return features, noise, speaker
        pitch = Input("pitch", (1, frames), "1 to 255 on the mel scale", most=255)
        return features, noise, speaker, pitch

    def forward(self, features: Tensor, noise: Tensor, speaker: Tensor, *pitch: Tensor) -> Tensor:
        """``[1, inter, T]``, 100 frames a second."""
        network = self.synthesizer
        mean, log_scale = network.enc_p(features, *(pitch or (None,)))
        z = mean + log_scale.exp() * noise * NOISE_SCALE
        return torch.as_tensor(network.flow(z, network.emb_g(speaker).unsqueeze(-1)))


class _PassedSource(nn.Module):
    """Takes the place of a vocoder's source: the wave itself is given as f0."""

    def forward(self, source: SourceInput) -> Tensor:
        return source.f0_hz


class VocoderForm(nn.Module):
    """From latent and source wave to sound; replaces the source in the synthesizer itself."""

    def __init__(self, synthesizer: Synthesizer, frames: int) -> None:
        super().__init__()
        self.sizes = synthesizer.sizes
        self.frames = frames
        self.emb_g = synthesizer.emb_g
        self.dec: Any = synthesizer.dec
        if self.sizes.pitch_guided:
            self.dec.add_module("m_source", _PassedSource())

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Of the program."""
        sizes, frames = self.sizes, self.frames
        z = Input("z", (1, sizes.inter_channels, frames), "of the program latent")
        last = sizes.speakers - 1
        speaker = Input("speaker", (1,), f"0 to {last}", most=last)
        if not sizes.pitch_guided:
            return z, speaker
        meaning = "the harmonic source, tanh of the weighted sines, at the voice's rate"
        return z, speaker, Input("wave", (1, 1, frames * sizes.hop_samples), meaning)

    def forward(self, z: Tensor, speaker: Tensor, *wave: Tensor) -> Tensor:
        """``[1, T * hop]`` in -1..1."""
        source = SourceInput(wave[0], wave[0]) if wave else None
        return torch.as_tensor(self.dec(z, source, self.emb_g(speaker).unsqueeze(-1)))


class PitchForm(nn.Module):
    """RMVPE's U-Net; the recurrent layer behind it stays outside."""

    def __init__(self, network: RmvpeNetwork, frames: int) -> None:
        super().__init__()
        self.network = network
        self.frames = -(-frames // ALIGN_FRAMES) * ALIGN_FRAMES

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Of the program."""
        return (Input("mel", (N_MELS, self.frames), "log mel spectrogram, 100 frames a second"),)

    def forward(self, mel: Tensor) -> Tensor:
        """``[1, T, 384]`` for the GRU."""
        return self.network.features(mel)


Form = ContentForm | LatentForm | VocoderForm | PitchForm
