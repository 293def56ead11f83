"""The target's sentences as other voices say them: features on the target's own time line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.content_encoder import ContentEncoder
from engine.pitch.curve import coarse_pitch
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES, pad_context
from recipe.alignment import align
from recipe.augmentation import recorded
from recipe.encoder import FRAME_CENTRE, FRAME_SAMPLES
from recipe.mel import SILENCE, latent
from recipe.network import autocast, content
from recipe.speech_set import RATE_HZ, Utterance, load_set
from recipe.training import Chance

OWN_SHARE = 0.2
"""Of draws in which the target itself is heard."""

FEATURE_NOISE = 0.05

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Reading:
    """One sentence of the target.

    Attributes
    ----------
    views : float16 [V, T / 2, 256]  features of the target itself, then of others, all in its time
    z : float16 [80, T]
    f0_hz : float32 [T]
    samples : int16 [160 T]
    """

    views: NDArray[np.float16]
    z: NDArray[np.float16]
    f0_hz: NDArray[np.float32]
    samples: NDArray[np.int16]


def load_readings(
    folder: Path, encoder: ContentEncoder, device: torch.device, most: int | None = None
) -> list[Reading]:
    """Every sentence of the target, with its pseudo-speakers and the other flite voices."""
    chance = np.random.default_rng(5)
    target = load_set(folder / "slt.npz")[:most]
    others = [load_set(folder / f"{name}.npz")[:most] for name in ("awb", "rms")]
    readings = []
    for i, own in enumerate(target):
        frames = len(own.f0_hz) // 2 * 2
        views = [_features(encoder, own.samples, device)]
        views += [_features(encoder, _heard(copy, chance), device) for copy in own.copies]
        for other in (each[i] for each in others):
            voice = other.samples if chance.random() < 0.5 else other.copies[0]
            found = _moved(_features(encoder, _heard(voice, chance), device), other, own, frames)
            views.append(views[0] if found is None else found)
        sound = own.samples[: frames * HOP_SAMPLES]
        z = latent(torch.from_numpy(sound.astype(np.float32) / 32_768)[None])[0]
        stacked = np.stack([view[: frames // 2] for view in views])
        readings.append(Reading(stacked, z.numpy().astype(np.float16), own.f0_hz[:frames], sound))
        if i % 200 == 0:
            log.info("features of %d of %d sentences", i, len(target))
    return readings


def _heard(samples: NDArray[np.int16], chance: np.random.Generator) -> NDArray[np.int16]:
    return (recorded(samples / 32_768, chance) * 32_767).astype(np.int16)


@torch.no_grad()
def _features(
    encoder: ContentEncoder, samples: NDArray[np.int16], device: torch.device
) -> NDArray[np.float16]:
    """As the engine takes them: with a second of mirrored sound at both ends, [T, 256]."""
    frames = -(-len(samples) // HOP_SAMPLES)
    padded = pad_context((samples / 32_768).astype(np.float32), frames)
    with autocast(device):
        found = content(encoder, torch.from_numpy(padded)[None].to(device))[0]
    inside = found[CONTEXT_FRAMES // 2 : CONTEXT_FRAMES // 2 + frames // 2 + 1]
    return inside.cpu().numpy().astype(np.float16)


def _moved(
    features: NDArray[np.float16], here: Utterance, there: Utterance, frames: int
) -> NDArray[np.float16] | None:
    """Features of `here` put where `there` says the same; None where the phones differ."""
    alignment = align(there, here)
    if alignment is None:
        return None
    centres_s = (np.arange(frames // 2) * FRAME_SAMPLES + FRAME_CENTRE) / RATE_HZ
    at = np.rint((alignment.there(centres_s) * RATE_HZ - FRAME_CENTRE) / FRAME_SAMPLES).astype(int)
    moved: NDArray[np.float16] = features[at.clip(0, len(features) - 1)]
    return moved


@dataclass(frozen=True, eq=False)
class Batch:
    """Features [B, T, 256] at 100 a second, levels of pitch and f0 [B, T], z [B, 80, T], sound."""

    features: Tensor
    coarse: Tensor
    f0_hz: Tensor
    z: Tensor
    samples: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        parts = (self.features, self.coarse, self.f0_hz, self.z, self.samples)
        return Batch(*(part.to(device) for part in parts))


def batch_of(readings: Sequence[Reading], count: int, pairs: int, chance: Chance) -> Batch:
    """Stretches of 2 x `pairs` frames, filled up with silence where a sentence is shorter."""
    features, pitches, latents, sounds = [], [], [], []
    numbers = chance.numbers
    for _ in range(count):
        reading = readings[int(numbers.integers(len(readings)))]
        own = numbers.random() < OWN_SHARE
        view = 0 if own else int(numbers.integers(1, len(reading.views)))
        start = int(numbers.integers(max(reading.views.shape[1] - pairs, 0) + 1))
        part = slice(start, start + pairs)
        twice = slice(2 * start, 2 * (start + pairs))
        taken = reading.views[view, part].astype(np.float32)
        missing = pairs - len(taken)
        features.append(np.pad(taken, ((0, missing), (0, 0)), mode="edge"))
        pitches.append(np.pad(reading.f0_hz[twice], (0, 2 * missing)))
        z = reading.z[:, twice].astype(np.float32)
        latents.append(np.pad(z, ((0, 0), (0, 2 * missing)), constant_values=SILENCE))
        sound = reading.samples[2 * start * HOP_SAMPLES :][: 2 * pairs * HOP_SAMPLES]
        sound = np.pad(sound, (0, 2 * pairs * HOP_SAMPLES - len(sound)))
        sounds.append(sound.astype(np.float32) / 32_768)
    heard = torch.from_numpy(np.stack(features))
    heard = heard + FEATURE_NOISE * chance.normal(*heard.shape)
    f0_hz = torch.from_numpy(np.stack(pitches))
    return Batch(
        heard.repeat_interleave(2, dim=1),
        coarse_pitch(f0_hz),
        f0_hz,
        torch.from_numpy(np.stack(latents)),
        torch.from_numpy(np.stack(sounds)),
    )


def whole(reading: Reading, view: int) -> Batch:
    """A sentence from beginning to end, without noise."""
    f0_hz = torch.from_numpy(reading.f0_hz)[None]
    features = torch.from_numpy(reading.views[view].astype(np.float32))[None]
    return Batch(
        features.repeat_interleave(2, dim=1),
        coarse_pitch(f0_hz),
        f0_hz,
        torch.from_numpy(reading.z.astype(np.float32))[None],
        torch.from_numpy(reading.samples.astype(np.float32) / 32_768)[None],
    )
