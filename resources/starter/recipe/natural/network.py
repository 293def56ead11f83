"""The voice to be trained, and how its vocoder begins: as today's, at another rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.audio.resampling import resample
from engine.loading import load_content_encoder
from engine.models.synthesizer import Synthesizer
from engine.voice_checkpoint import load_voice
from recipe import mel as former
from recipe.natural.mel import BANDS, HOP_SAMPLES, RATE_HZ, latent
from recipe.network import VOICE_SIZES as FORMER_SIZES
from recipe.network import new_voice as new_voice_of

CONTENT_WIDTH = 384
VOICE_SIZES = replace(
    FORMER_SIZES,
    feature_channels=CONTENT_WIDTH,
    inter_channels=BANDS,
    upsample_rates=(8, 5, 6),
    upsample_kernel_sizes=(16, 11, 12),
    sample_rate_hz=RATE_HZ,
)
_RIDGE = 1e-3


def new_voice(seed: int) -> Synthesizer:
    """A voice to be trained; see `recipe.network.new_voice`."""
    return new_voice_of(seed, VOICE_SIZES)


def begin_vocoder(voice: Synthesizer, former_voice: Path, sounds: Tensor) -> None:
    """Give the vocoder the weights of a 16 kHz voice of the same widths, stretched to 24 kHz.

    The first convolution is led through the best linear map from the new bands to the old ones;
    kernels at the sound's own rate become longer, so that they last as long as before.

    Parameters
    ----------
    former_voice : its ``.pth``; 80 bands, upsampled 8, 5 and 4 times
    sounds : float32 [B, N] at 24 kHz, to find the map with
    """
    state = load_voice(former_voice).state
    own = voice.state_dict()
    with torch.no_grad():
        for name, value in own.items():
            if name.startswith("dec."):
                value.copy_(_begun(name, value, state, sounds))


def begin_prior(voice: Synthesizer, former_set: Path, sounds: Tensor, features: Tensor) -> None:
    """Give the prior the weights of a 16 kHz set; its two ends are fitted to the new set's.

    Parameters
    ----------
    former_set : folder with ``voice.pth`` and the ``encoder`` that belongs to it
    sounds : float32 [B, N] at 24 kHz, N a whole number of the encoder's frames
    features : float32 [B, N // 480, C], what the new encoder hears in them
    """
    state = load_voice(former_set / "voice.pth").state
    encoder = load_content_encoder(former_set / "encoder")
    heard = _narrow(sounds)
    with torch.no_grad():
        old = torch.cat([encoder(each[None])[0] for each in heard])
        new = features.flatten(0, 1)[: len(old)]
        wanted = F.linear(old, state["enc_p.emb_phone.weight"], state["enc_p.emb_phone.bias"])
        begun = {name: value for name, value in state.items() if name.startswith("enc_p.")}
        begun["enc_p.emb_phone.weight"], begun["enc_p.emb_phone.bias"] = _linear_map(new, wanted)
        matrix, offset = _linear_map(*reversed(_latents(sounds, heard)))
        own = voice.state_dict()
        mean = begun["enc_p.proj.weight"][: former.BANDS, :, 0]
        bias = begun["enc_p.proj.bias"][: former.BANDS]
        for name, value in (
            ("weight", (matrix @ mean)[..., None]),
            ("bias", matrix @ bias + offset),
        ):
            begun[f"enc_p.proj.{name}"] = own[f"enc_p.proj.{name}"].clone()
            begun[f"enc_p.proj.{name}"][:BANDS] = value
        for name, value in begun.items():
            own[name].copy_(value)


def _begun(name: str, value: Tensor, state: Mapping[str, Tensor], sounds: Tensor) -> Tensor:
    former_value = state[name]
    if name.startswith("dec.conv_pre."):
        matrix, offset = _bands_map(sounds)
        weight = state["dec.conv_pre.weight"]
        if name.endswith("weight"):
            return torch.einsum("obk,bn->onk", weight, matrix)
        return former_value + torch.einsum("obk,b->o", weight, offset)
    if former_value.shape == value.shape:
        return former_value
    stretched = F.interpolate(former_value, value.shape[-1], mode="linear")
    summed = name.startswith("dec.noise_convs.")  # a sum over more samples of the source
    return stretched * (former_value.shape[-1] / value.shape[-1] if summed else 1.0)


def _bands_map(sounds: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix [80, 100] and offset [80] that turn latents of 24 kHz into those of 16 kHz."""
    return _linear_map(*_latents(sounds, _narrow(sounds)))


def _narrow(sounds: Tensor) -> list[Tensor]:
    """Sounds [B, N] of 24 kHz at 16 kHz."""
    return [torch.from_numpy(resample(each.numpy(), RATE_HZ, former.RATE_HZ)) for each in sounds]


def _latents(sounds: Tensor, heard: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The same frames at 24 kHz [T, 100] and at 16 kHz [T, 80]."""
    new, old = [], []
    for sound, lower in zip(sounds, heard, strict=True):
        frames = len(sound) // HOP_SAMPLES
        new.append(latent(sound[None])[0, :, :frames].T)
        old.append(former.latent(lower[None])[0, :, :frames].T)
    return torch.cat(new), torch.cat(old)


def _linear_map(given: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix [D, C] and offset [D] by which [T, C] comes nearest to [T, D]."""
    inputs = torch.cat([given, torch.ones(len(given), 1)], dim=1).double()
    gram = inputs.T @ inputs + _RIDGE * len(inputs) * torch.eye(inputs.shape[1])
    found = torch.linalg.solve(gram, inputs.T @ wanted.double()).float()
    return found[:-1].T, found[-1]
