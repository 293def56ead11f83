"""The content encoder: HuBERT as ContentVec trained it; features of what is said, not who says it.

Networks: Hsu et al. 2021 (HuBERT), Qian et al. 2022 (ContentVec). Attribute names are the keys of
a Hugging Face ``HubertModel`` checkpoint (with ``final_proj``), so that loading is strict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.attention import SelfAttention
from engine.models.layers import ScalingConv, activated

SAMPLE_RATE_HZ = 16_000
MAX_CONV_OUTPUT = 65_536
"""Metal before macOS 15.1 refuses convolutions with a longer output."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


@dataclass(frozen=True)
class ContentEncoderSizes:
    """The sizes of a HuBERT; names as in Hugging Face's ``config.json``.

    Attributes
    ----------
    conv_dim, conv_kernel, conv_stride : one entry for each convolution of the front end
    feat_extract_norm : ``group`` normalises after the first convolution over time,
        ``layer`` after each one over channels
    do_stable_layer_norm : normalise before attention and feed-forward instead of after
    classifier_proj_size : width of `project`'s output; None if the checkpoint has no ``final_proj``
    """

    conv_dim: tuple[int, ...]
    conv_kernel: tuple[int, ...]
    conv_stride: tuple[int, ...]
    conv_bias: bool
    feat_extract_norm: Literal["group", "layer"]
    feat_extract_activation: str
    feat_proj_layer_norm: bool
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_act: str
    num_conv_pos_embeddings: int
    num_conv_pos_embedding_groups: int
    do_stable_layer_norm: bool
    layer_norm_eps: float
    classifier_proj_size: int | None

    def kind(self, layers: int) -> str:
        """What the operators and widths depend on, with so many layers running."""
        return f"{self.hidden_size} wide, {layers} layers, {self.feat_extract_norm} norm"


class _ConvLayer(nn.Module):
    """Strided convolution, optional normalisation, activation."""

    def __init__(self, sizes: ContentEncoderSizes, index: int) -> None:
        super().__init__()
        n_in = sizes.conv_dim[index - 1] if index else 1
        n_out = sizes.conv_dim[index]
        self.conv = nn.Conv1d(
            n_in,
            n_out,
            sizes.conv_kernel[index],
            stride=sizes.conv_stride[index],
            bias=sizes.conv_bias,
        )
        self.over_time = sizes.feat_extract_norm == "group"
        self.layer_norm: nn.Module | None = None
        if not self.over_time:
            self.layer_norm = nn.LayerNorm(n_out)
        elif index == 0:
            self.layer_norm = nn.GroupNorm(n_out, n_out)
        self.activation = ACTIVATIONS[sizes.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C', T']."""
        if self.layer_norm is None:
            run = partial(activated, self.conv, activation=self.activation)
            return convolve_in_tiles(self.conv, x, run=run)
        x = convolve_in_tiles(self.conv, x)
        if self.over_time:
            x = self.layer_norm(x)
        else:
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        return self.activation(x)

    def scaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """`forward` with the statistics of the norm over time given, [B, C, T] -> [B, C', T']."""
        if isinstance(self.conv, ScalingConv):
            return self.activation(self.conv.scaled(x, scale, shift))
        return self.activation(torch.addcmul(shift, self.conv(x), scale))

    def scaling_over_time(self, x: Tensor, tile_samples: int) -> tuple[Tensor, Tensor] | None:
        """Scale and shift of the norm over time, [B, C', 1] each; None without one."""
        norm = self.layer_norm
        if not isinstance(norm, nn.GroupNorm):
            return None
        if isinstance(self.conv, ScalingConv) and x.device.type == "cpu":
            variance, mean = self.conv.moments(x)
        else:
            variance, mean = self._moments_in_tiles(x, tile_samples)
        scale = norm.weight * (variance + norm.eps).rsqrt()
        return scale.unsqueeze(-1), (norm.bias - mean * scale).unsqueeze(-1)

    def _moments_in_tiles(self, x: Tensor, tile_samples: int) -> tuple[Tensor, Tensor]:
        """Variance and mean over time of the convolution, [B, C'] each.

        Computed tile by tile: the mean of variances plus the variance of means.
        """
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        n_out = (x.shape[-1] - kernel) // stride + 1
        step = max(tile_samples // stride, 1)
        counts: list[float] = []
        moments: list[Tensor] = []
        for start in range(0, n_out, step):
            count = min(step, n_out - start)
            tile = self.conv(x[..., start * stride : (start + count - 1) * stride + kernel])
            counts.append(count / n_out)
            moments.append(torch.stack(torch.var_mean(tile.float(), dim=-1, correction=0)))
        share = [moment * weight for weight, moment in zip(counts, moments, strict=True)]
        variance, mean = torch.stack(share).sum(0)
        for weight, moment in zip(counts, moments, strict=True):
            variance = variance + weight * (moment[1] - mean).square()
        return variance, mean


def convolve_in_tiles(
    conv: nn.Conv1d,
    x: Tensor,
    max_frames: int = MAX_CONV_OUTPUT,
    run: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """``conv(x)`` for an unpadded convolution, at most ``max_frames`` outputs at once.

    ``run`` is called instead, if it combines the convolution with an elementwise step.
    """
    run = run or conv
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    n_out = (x.shape[-1] - kernel) // stride + 1
    if n_out <= max_frames:
        return torch.as_tensor(run(x))
    tiles = []
    for start in range(0, n_out, max_frames):
        n = min(max_frames, n_out - start)
        tiles.append(run(x[..., start * stride : (start + n - 1) * stride + kernel]))
    return torch.cat(tiles, dim=-1)


class _FeatureExtractor(nn.Module):
    """Audio [B, N] at 16 kHz -> conv features [B, C, T]."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(
            _ConvLayer(sizes, index) for index in range(len(sizes.conv_dim))
        )

        self.tile_frames: int | None = None

    def forward(self, audio: Tensor) -> Tensor:
        if self.tile_frames is not None:
            return self._in_tiles(audio, self.tile_frames)
        x = audio[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x

    def _in_tiles(self, audio: Tensor, tile_frames: int) -> Tensor:
        """The same result in tiles of frames; the layers have no padding.

        Only a norm over time needs the whole: its statistics are computed first.
        """
        first, *others = [layer for layer in self.conv_layers if isinstance(layer, _ConvLayer)]
        field, hop = 1, 1
        for layer in (first, *others):
            field += (layer.conv.kernel_size[0] - 1) * hop
            hop *= layer.conv.stride[0]
        scaling = first.scaling_over_time(audio[:, None], tile_frames * hop)
        n_frames = (audio.shape[-1] - field) // hop + 1
        tiles = []
        for start in range(0, n_frames, tile_frames):
            stop = min(start + tile_frames, n_frames)
            x = audio[:, None, start * hop : (stop - 1) * hop + field]
            x = first(x) if scaling is None else first.scaled(x, *scaling)
            for layer in others:
                x = layer(x)
            tiles.append(x)
        return torch.cat(tiles, dim=-1)


class _FeatureProjection(nn.Module):
    """Conv features [B, T, C] -> [B, T, hidden]."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        width = sizes.conv_dim[-1]
        self.layer_norm = (
            nn.LayerNorm(width, eps=sizes.layer_norm_eps) if sizes.feat_proj_layer_norm else None
        )
        self.projection = nn.Linear(width, sizes.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return torch.as_tensor(self.projection(x))


class _PositionalConv(nn.Module):
    """Relative positions from a wide grouped convolution [B, T, C] -> [B, T, C].

    In checkpoints its kernel is weight-normed over dimension 2; here it is folded.
    """

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        kernel = sizes.num_conv_pos_embeddings
        self.conv = nn.Conv1d(
            sizes.hidden_size,
            sizes.hidden_size,
            kernel,
            padding=kernel // 2,
            groups=sizes.num_conv_pos_embedding_groups,
        )
        self.activation = ACTIVATIONS[sizes.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        # An even kernel padded on both sides gives one frame too many.
        y = self.conv(x.transpose(1, 2))[..., : x.shape[1]]
        return self.activation(y).transpose(1, 2)


class _FeedForward(nn.Module):
    """Two linear layers applied to each frame, [B, T, C] -> [B, T, C]."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(sizes.hidden_size, sizes.intermediate_size)
        self.output_dense = nn.Linear(sizes.intermediate_size, sizes.hidden_size)
        self.activation = ACTIVATIONS[sizes.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(
            self.output_dense(activated(self.intermediate_dense, x, self.activation))
        )


class _Layer(nn.Module):
    """Attention and feed-forward, each with a residual, [B, T, C] -> [B, T, C]."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        self.norm_first = sizes.do_stable_layer_norm
        self.attention = SelfAttention(sizes.hidden_size, sizes.num_attention_heads)
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.feed_forward = _FeedForward(sizes)
        self.final_layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm_first:
            x = x + self.attention(self.layer_norm(x))
            return torch.as_tensor(x + self.feed_forward(self.final_layer_norm(x)))
        x = self.layer_norm(x + self.attention(x))
        return torch.as_tensor(self.final_layer_norm(x + self.feed_forward(x)))


class _Transformer(nn.Module):
    """Positional convolution and the layers, [B, T, C] -> [B, T, C]."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        self.norm_last = sizes.do_stable_layer_norm
        self.pos_conv_embed = _PositionalConv(sizes)
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.layers = nn.ModuleList(_Layer(sizes) for _ in range(sizes.num_hidden_layers))

    def forward(self, x: Tensor, n_layers: int) -> Tensor:
        x = x + self.pos_conv_embed(x)
        if not self.norm_last:
            x = self.layer_norm(x)
        for layer in self.layers[:n_layers]:
            x = layer(x)
        if self.norm_last and n_layers == len(self.layers):
            x = self.layer_norm(x)
        return x


class ContentEncoder(nn.Module):
    """HuBERT, evaluation only: no masking, no dropout."""

    def __init__(self, sizes: ContentEncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.feature_extractor = _FeatureExtractor(sizes)
        self.feature_projection = _FeatureProjection(sizes)
        self.encoder = _Transformer(sizes)
        self.final_proj: nn.Linear | None = None
        if sizes.classifier_proj_size is not None:
            self.final_proj = nn.Linear(sizes.hidden_size, sizes.classifier_proj_size)

    @property
    def can_project(self) -> bool:
        """Whether there is the ``final_proj`` that v1 voices need."""
        return self.final_proj is not None

    @property
    def receptive_field_samples(self) -> int:
        """Samples that one frame depends on; shorter audio has no frame."""
        field = 1
        for kernel, stride in zip(
            self.sizes.conv_kernel[::-1], self.sizes.conv_stride[::-1], strict=True
        ):
            field = (field - 1) * stride + kernel
        return field

    def require(self, audio: Tensor, layer: int | None, *, project: bool) -> int:
        """Check the parameters of `forward`; how many layers run.

        Raises
        ------
        ValueError : audio shorter than one frame, no such layer, or no ``final_proj``
        """
        n_layers = self.sizes.num_hidden_layers if layer is None else layer
        if not 1 <= n_layers <= self.sizes.num_hidden_layers:
            raise ValueError(f"layer {n_layers} of {self.sizes.num_hidden_layers}")
        if audio.shape[-1] < self.receptive_field_samples:
            raise ValueError(f"{audio.shape[-1]} samples are too few for one frame")
        if project and self.final_proj is None:
            raise ValueError("this content encoder has no final_proj")
        return n_layers

    def conv_features(self, audio: Tensor) -> Tensor:
        """Audio [B, N] at 16 kHz -> front end's features [B, T, C], 50 frames a second."""
        return torch.as_tensor(self.feature_extractor(audio)).transpose(1, 2)

    @torch.no_grad()
    def forward(self, audio: Tensor, layer: int | None = None, *, project: bool = False) -> Tensor:
        """Content of each frame.

        Parameters
        ----------
        audio : float32 [B, N]  mono, 16 kHz, not normalised
        layer : 1..num_hidden_layers, which layer's output; later layers do not run. None = last
        project : apply ``final_proj`` (v1 voices: layer 9, projected)

        Returns
        -------
        float32 [B, T, C]  50 frames a second; T = (N - receptive field) // 320 + 1 for HuBERT's
        strides; C = hidden_size, or classifier_proj_size if projected

        Raises
        ------
        ValueError : see `require`
        """
        n_layers = self.require(audio, layer, project=project)
        x = self.feature_projection(self.conv_features(audio))
        x = self.encoder(x, n_layers)
        if project and self.final_proj is not None:
            x = self.final_proj(x)
        return torch.as_tensor(x)
