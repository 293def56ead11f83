"""One part of a conversion run on a test signal, on any device and accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.audio.filters import highpass_48hz, highpass_48hz_on_device
from engine.models.context import NO_CONTEXT
from engine.models.source import SourceInput
from engine.networks import Models
from engine.options import ConversionOptions
from engine.pitch.contour import coarse_pitch
from engine.segments import ANALYSIS_RATE_HZ, FRAMES_PER_SECOND
from engine.stages import CPU, Part

_FUNDAMENTAL_HZ = 180.0
_HARMONICS = 12


@dataclass(frozen=True)
class Given:
    """Inputs of the parts: always results of the CPU, so that no error is passed on.

    Attributes
    ----------
    audio : float32 [1, n]  16 kHz
    f0_hz : float32 [1, T]  100 frames a second
    features : float32 [1, T, W]  of the content encoder, 100 frames a second
    latent : float32 [1, C, T]  what the vocoder is given
    """

    audio: Tensor
    f0_hz: Tensor
    features: Tensor | None = None
    latent: Tensor | None = None

    def repeated(self, times: int) -> Given:
        """The same one after the other, to measure speed with a longer sound."""
        features, latent = self.features, self.latent
        return Given(
            self.audio.repeat(1, times),
            self.f0_hz.repeat(1, times),
            None if features is None else features.repeat(1, times, 1),
            None if latent is None else latent.repeat(1, 1, times),
        )


def test_signal(seconds: int) -> Given:
    """A gliding tone with harmonics, and some noise."""
    n = seconds * ANALYSIS_RATE_HZ
    time_s = np.arange(n) / ANALYSIS_RATE_HZ
    f0_hz = _FUNDAMENTAL_HZ * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time_s))
    cycles = np.cumsum(f0_hz) / ANALYSIS_RATE_HZ
    tone = sum(np.sin(2 * np.pi * k * cycles) / k for k in range(1, _HARMONICS + 1))
    hiss = np.random.default_rng(0).standard_normal(n)
    samples = (0.2 * tone + 0.01 * hiss).astype(np.float32)
    per_frame = f0_hz[:: ANALYSIS_RATE_HZ // FRAMES_PER_SECOND].astype(np.float32)
    return Given(torch.from_numpy(samples)[None], torch.from_numpy(per_frame)[None])


def part_run(part: Part, models: Models, given: Given, device: str) -> Callable[[], Tensor]:
    """A call that runs this part once and leaves its result on the device."""
    if part == "filter":
        return _filtering(given, device)
    if part == "pitch":
        return _tracking(models, given, device)
    if part == "content":
        audio, layer = given.audio.to(device), models.card.content_layer
        return lambda: models.content(audio, layer, project=layer is not None)
    if given.features is None or (part == "vocoder" and given.latent is None):
        raise ValueError("the parts must run in their order")
    if part == "retrieval":
        features = given.features[0, ::2].to(device)
        search = models.search
        if search is None:
            raise ValueError("there is no index to search")
        return lambda: search.blend(features)
    return _synthesizing(part, models, given, device)


def _filtering(given: Given, device: str) -> Callable[[], Tensor]:
    if device == CPU:
        return lambda: torch.from_numpy(highpass_48hz(given.audio[0].numpy()))[None]
    samples = given.audio.to(device)
    return lambda: highpass_48hz_on_device(samples)


def _tracking(models: Models, given: Given, device: str) -> Callable[[], Tensor]:
    if models.tracker is None:
        raise ValueError("a voice without pitch has no tracker")
    samples = given.audio[0].to(device)
    tracker = models.tracker(ConversionOptions(pitch_method=models.pitch_method), device)
    return lambda: tracker(samples)


def _synthesizing(part: Part, models: Models, given: Given, device: str) -> Callable[[], Tensor]:
    network, latent, features = models.synthesizer, models.latent, given.features
    frames = given.f0_hz.shape[1] if features is None else features.shape[1]
    f0_hz = given.f0_hz[:, :frames]
    speaker = torch.zeros(1, dtype=torch.int64)
    if part == "latent" and features is not None:
        phone, placed = features.to(device), speaker.to(device)
        coarse = coarse_pitch(f0_hz).to(device) if models.card.pitch_guided else None
        return lambda: latent.flow(*latent.prior(phone, coarse), None, placed)
    if given.latent is None:
        raise ValueError("the vocoder needs what comes before it")
    z, placed = given.latent.to(device), speaker.to(network.emb_g.weight.device)
    source = None
    if models.card.pitch_guided:
        phase = torch.from_numpy(network.frame_phase(f0_hz[0].numpy())).float()[None]
        source = SourceInput(f0_hz.to(device), phase.to(device))
    return lambda: models.vocode(z, source, placed, NO_CONTEXT)
