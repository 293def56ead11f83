"""The networks to be trained: the product's own, with weights that can still learn."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from engine.device import half_type
from engine.models.content_encoder import ContentEncoder, ContentEncoderSizes
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from recipe.chance import Chance
from recipe.mel import BANDS
from recipe.speech_set import HOP_SAMPLES, RATE_HZ

CONTENT_WIDTH = 256
VOICE_SIZES = SynthesizerSizes(
    vocoder=Vocoder.NSF,
    feature_channels=CONTENT_WIDTH,
    inter_channels=BANDS,
    hidden_channels=192,
    filter_channels=512,
    heads=2,
    layers=4,
    kernel_size=3,
    resblock="1",
    resblock_kernel_sizes=(3, 7),
    resblock_dilations=((1, 3, 5), (1, 3, 5)),
    upsample_rates=(8, 5, 4),
    upsample_initial_channels=256,
    upsample_kernel_sizes=(16, 11, 8),
    speakers=1,
    gin_channels=32,
    sample_rate_hz=RATE_HZ,
    flow_channels=64,
)
ENCODER_SIZES = ContentEncoderSizes(
    conv_dim=(256, 256, 256),
    conv_kernel=(320, 3, 2),
    conv_stride=(80, 2, 2),
    conv_bias=False,
    feat_extract_norm="group",
    feat_extract_activation="gelu",
    feat_proj_layer_norm=True,
    hidden_size=CONTENT_WIDTH,
    intermediate_size=1024,
    num_hidden_layers=6,
    num_attention_heads=4,
    hidden_act="gelu",
    num_conv_pos_embeddings=48,
    num_conv_pos_embedding_groups=16,
    do_stable_layer_norm=False,
    layer_norm_eps=1e-5,
    classifier_proj_size=None,
)
_VOCODER_STD = 0.03
_LOWEST_FILTER_HZ, _HIGHEST_FILTER_HZ = 90.0, 7600.0
_FILTER_PHASES = 4


def new_voice(seed: int, sizes: SynthesizerSizes = VOICE_SIZES) -> Synthesizer:
    """A voice to be trained; its flow is the identity, its prior's spread nothing."""
    torch.manual_seed(seed)
    voice = Synthesizer(sizes)
    for name, parameter in voice.named_parameters():
        _fill(name, parameter)
    return voice.requires_grad_()


def _fill(name: str, parameter: nn.Parameter) -> None:
    """Where the network's classes leave a weight empty, or their default trains slowly."""
    with torch.no_grad():
        if name.endswith("gamma"):
            parameter.fill_(1.0)
        elif name.endswith("beta"):
            parameter.zero_()
        elif name in ("emb_g.weight", "enc_p.emb_pitch.weight"):
            parameter.normal_()
        elif "emb_rel" in name:
            parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
        elif ".post." in name:
            parameter.zero_()
        elif name.startswith(("dec.ups", "dec.resblocks")) and name.endswith("weight"):
            parameter.normal_(0.0, _VOCODER_STD)
        elif name.startswith("dec.m_source"):
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)


def new_encoder(seed: int) -> ContentEncoder:
    """A content encoder to be trained; its first convolution starts as a bank of mel filters."""
    torch.manual_seed(seed)
    encoder = ContentEncoder(ENCODER_SIZES)
    with torch.no_grad():
        first = encoder.get_parameter("feature_extractor.conv_layers.0.conv.weight")
        first[:, 0].copy_(_filter_bank())
    return encoder


def _filter_bank() -> Tensor:
    """float32 [channels, taps]: windowed cosines, four phases for each of 64 mel bands.

    A front end of many short convolutions has to find such filters first, at its highest rate.
    """
    channels, taps = ENCODER_SIZES.conv_dim[0], ENCODER_SIZES.conv_kernel[0]
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (_LOWEST_FILTER_HZ, _HIGHEST_FILTER_HZ))
    mels = np.linspace(low, high, channels // _FILTER_PHASES)
    step = mels[1] - mels[0]
    time = np.arange(taps) - taps / 2
    filters = []
    for mel in mels:
        centre_hz, next_hz = (700 * (10 ** (each / 2595) - 1) for each in (mel, mel + step))
        length = np.clip(RATE_HZ / (next_hz - centre_hz), 80, taps)
        inside = np.abs(time) < length / 2
        window = np.where(inside, 0.5 + 0.5 * np.cos(2 * np.pi * time / length), 0.0)
        for quarter in range(_FILTER_PHASES):
            wave = np.cos(2 * np.pi * centre_hz * time / RATE_HZ + quarter * np.pi / 2)
            filters.append(window * wave / np.linalg.norm(window * wave))
    return torch.from_numpy(np.array(filters, np.float32))


def content(encoder: ContentEncoder, samples: Tensor) -> Tensor:
    """`ContentEncoder.forward` with gradients: [B, N] -> float32 [B, T, 256]."""
    features = encoder.feature_projection(encoder.conv_features(samples))
    found: Tensor = encoder.encoder(features, ENCODER_SIZES.num_hidden_layers)
    return found.float()


def source_of(f0_hz: Tensor, chance: Chance, hop_samples: int = HOP_SAMPLES) -> SourceInput:
    """The vocoder's source for a stretch of speech, at a phase that it cannot know."""
    batch, frames = f0_hz.shape
    first = chance.uniform(0.0, 1.0, batch, 1).double()
    cycles = (f0_hz.double() * (HOP_SAMPLES / RATE_HZ)).cumsum(1)
    phase = torch.cat([first, first + cycles[:, :-1]], dim=1) % 1.0
    return SourceInput(f0_hz, phase.float(), chance.normal(batch, frames * hop_samples, 1))


def autocast(device: torch.device) -> torch.autocast:
    """Convolutions and products in bfloat16, where the device does that far faster."""
    faster = half_type(device.type) is not None
    return torch.autocast(device.type, torch.bfloat16, enabled=faster)


def vocode(voice: Synthesizer, z: Tensor, f0_hz: Tensor, chance: Chance) -> Tensor:
    """Latent [B, C, T] and pitch [B, T] to sound, float32 [B, hop T]."""
    speaker = torch.zeros(len(z), dtype=torch.long, device=z.device)
    source = source_of(f0_hz, chance, voice.sizes.hop_samples)
    return voice.vocode(z, source, speaker).float()


def prior(voice: Synthesizer, features: Tensor, coarse: Tensor) -> Tensor:
    """Features [B, T, 256] and levels of pitch [B, T] to the latent, float32 [B, 80, T]."""
    speaker = torch.zeros(len(features), dtype=torch.long, device=features.device)
    mean, log_scale = voice.prior(features, coarse)
    return voice.latent(mean, log_scale, None, speaker).float()
