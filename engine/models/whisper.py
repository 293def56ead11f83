"""The encoder of Whisper (Radford et al. 2022) as a content encoder: what is said, chunk by chunk.

Whisper was trained on 30 s, padded; here a chunk of a few seconds goes through alone, with some
context on both sides that is dropped, because its features far from its edges are then as good
and cost less. Attribute names are the keys of a Hugging Face ``WhisperModel``'s ``encoder``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.attention import SelfAttention
from engine.models.layers import activated
from engine.models.mel import mel_filter_bank, reflect

SAMPLE_RATE_HZ = 16_000
FFT_SAMPLES, HOP_SAMPLES = 400, 160
MEL_FRAMES = 2
"""Mel frames for each frame of the encoder."""

FRAMES_PER_S = SAMPLE_RATE_HZ // (HOP_SAMPLES * MEL_FRAMES)
MOST_POSITIONS = 1500
SMALLEST_POWER = 1e-10
RANGE = 8.0
"""Powers of ten below the loudest band that are told apart; what is softer is lifted to that."""

_LONGEST_PERIOD = 10_000.0
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True)
class WhisperSizes:
    """The sizes of the encoder.

    Attributes
    ----------
    mel_bands : of the front end
    hidden_size, intermediate_size : width between and within the blocks
    num_hidden_layers : blocks that are kept
    num_attention_heads : of each block
    chunk_frames, context_frames : 50 a second; features of a chunk, and what is heard around it
    final_norm : whether a layer norm follows the last block
    normalised : whether mean and spread of the features come with the weights
    """

    mel_bands: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    chunk_frames: int = 250
    context_frames: int = 50
    final_norm: bool = True
    normalised: bool = False

    @property
    def classifier_proj_size(self) -> None:
        """There is no projection for v1 voices."""
        return

    @property
    def window_frames(self) -> int:
        """The longest stretch that goes through the blocks at once."""
        return self.chunk_frames + 2 * self.context_frames

    def kind(self, layers: int) -> str:
        """What the operators and widths depend on, with so many blocks running."""
        return f"{self.hidden_size} wide, {layers} layers, Whisper"


class _Block(nn.Module):
    """Attention and feed-forward, each after a norm and with a residual, [B, T, C] -> [B, T, C]."""

    def __init__(self, sizes: WhisperSizes) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, sizes.num_attention_heads, key_bias=False)
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, sizes.intermediate_size)
        self.fc2 = nn.Linear(sizes.intermediate_size, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return torch.as_tensor(x + self.fc2(activated(self.fc1, self.final_layer_norm(x), F.gelu)))


class BandLevels(nn.Module):
    """Log10 of the power in each mel band; without weights in the checkpoint."""

    window: Tensor
    filters: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        with torch.device("cpu"):  # also where the other layers wait for their weights
            window = torch.hann_window(FFT_SAMPLES)
            filters = mel_filter_bank(
                SAMPLE_RATE_HZ, FFT_SAMPLES, bands, 0.0, SAMPLE_RATE_HZ / 2, "slaney"
            )
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """[B, N] -> float32 [B, bands, N // 160].

        Frame j is centred on sample 160 j; both ends are mirrored.
        """
        half = FFT_SAMPLES // 2
        frames = reflect(audio, half, half).unfold(-1, FFT_SAMPLES, HOP_SAMPLES)
        frames = frames[:, : audio.shape[-1] // HOP_SAMPLES]
        # Some frames at a time: a spectrum takes more memory than its bands.
        powers = [
            self.filters @ torch.fft.rfft(part * self.window).abs().square().transpose(1, 2)
            for part in torch.split(frames, _FRAMES_AT_ONCE, dim=1)
        ]
        return torch.cat(powers, dim=2).clamp(min=SMALLEST_POWER).log10()

    def loudest(self, audio: NDArray[np.float32]) -> float:
        """The highest level in a stretch of a source, [B, N]; the lowest where it is short.

        The highest of all stretches of a source is what the encoder has to be told about each.
        """
        if audio.shape[-1] < HOP_SAMPLES:
            return math.log10(SMALLEST_POWER)
        return float(self(torch.from_numpy(audio)).max())


class WhisperEncoder(nn.Module):
    """Evaluation only. One frame of 20 ms for every 320 samples, the last one perhaps shorter."""

    positions: Tensor
    feature_mean: Tensor
    feature_spread: Tensor

    def __init__(self, sizes: WhisperSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.hidden_size
        self.levels = BandLevels(sizes.mel_bands)
        places = positions(sizes.window_frames, width)
        self.register_buffer("positions", places, persistent=False)
        self.conv1 = nn.Conv1d(sizes.mel_bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=MEL_FRAMES, padding=1)
        self.layers = nn.ModuleList(_Block(sizes) for _ in range(sizes.num_hidden_layers))
        self.layer_norm = nn.LayerNorm(width) if sizes.final_norm else None
        if sizes.normalised:
            self.register_buffer("feature_mean", torch.zeros(width))
            self.register_buffer("feature_spread", torch.ones(width))

    @property
    def can_project(self) -> bool:
        """There is no ``final_proj`` that v1 voices need."""
        return False

    @torch.no_grad()
    def forward(
        self,
        audio: Tensor,
        layer: int | None = None,
        *,
        project: bool = False,
        loudest: Tensor | None = None,
    ) -> Tensor:
        """Content of each frame.

        Parameters
        ----------
        audio : float32 [B, N]  mono, 16 kHz
        layer : 1..num_hidden_layers, which block's output; later blocks do not run. None = last
        project : not possible; for the contract of content encoders
        loudest : float32 [B]  `BandLevels.loudest` of the source that each row is a part of; None
            takes that of the row itself

        Returns
        -------
        float32 [B, T, C]  50 frames a second, T = ceil((N // 160) / 2), C = hidden_size

        Raises
        ------
        ValueError : audio shorter than a mel frame, no such layer, or a projection is asked for
        """
        n_layers = self.sizes.num_hidden_layers if layer is None else layer
        if not 1 <= n_layers <= self.sizes.num_hidden_layers:
            raise ValueError(f"layer {n_layers} of {self.sizes.num_hidden_layers}")
        if audio.shape[-1] < HOP_SAMPLES:
            raise ValueError(f"{audio.shape[-1]} samples are too few for one frame")
        if project:
            raise ValueError("this content encoder has no final_proj")
        mel = normalised_mel(self.levels(audio), loudest)
        frames = -(-mel.shape[-1] // MEL_FRAMES)
        chunk, context = self.sizes.chunk_frames, self.sizes.context_frames
        found = []
        for start in range(0, frames, chunk):
            low, high = max(start - context, 0), start + chunk + context
            heard = self._chunk(mel[..., MEL_FRAMES * low : MEL_FRAMES * high], n_layers)
            found.append(heard[:, start - low : start - low + chunk])
        features = torch.cat(found, dim=1)
        if self.layer_norm is not None and n_layers == len(self.layers):
            features = self.layer_norm(features)
        if self.sizes.normalised:
            features = (features - self.feature_mean) / self.feature_spread
        return features.float()

    def _chunk(self, mel: Tensor, n_layers: int) -> Tensor:
        """Mel [B, bands, M] -> output of a block [B, ceil(M / 2), C]; positions count from here."""
        x = activated(self.conv1, mel, F.gelu)
        x = activated(self.conv2, x, F.gelu).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for block in self.layers[:n_layers]:
            x = block(x)
        return x


def normalised_mel(levels: Tensor, loudest: Tensor | None = None) -> Tensor:
    """What the convolutions are given, [B, bands, M] -> the same, about -1..1.5."""
    if loudest is None:
        loudest = levels.amax(dim=(1, 2))
    return (torch.maximum(levels, (loudest - RANGE)[:, None, None]) + 4.0) / 4.0


def positions(frames: int, width: int) -> Tensor:
    """Sines and cosines of each position, float32 [frames, width], made on the CPU."""
    half = width // 2
    step = math.log(_LONGEST_PERIOD) / (half - 1)
    speeds = torch.exp(-step * torch.arange(half, dtype=torch.float32, device="cpu"))
    angles = torch.arange(frames, dtype=torch.float32, device="cpu")[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], dim=1)
