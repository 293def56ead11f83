"""Stages 3 and 4: prior and flow learn the target's mel from anybody's features; then, together
with the vocoder, its sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.models.synthesizer import Synthesizer
from recipe.chance import Chance
from recipe.distance import energy_distance
from recipe.mel import log_mel
from recipe.network import autocast, new_voice, prior, vocode
from recipe.reading import Batch, Readings
from recipe.speech_set import HOP_SAMPLES
from recipe.training import Effort, Figures, Group, Schedule, Training
from recipe.vocoder import HELD_OUT, SEGMENT_FRAMES, inner

PRIOR_SCHEDULE = Schedule(steps=1500, rate=1e-3, warm_up_steps=200)
JOINT_SCHEDULE = Schedule(steps=1700, rate=3e-4, plateau=0.2, warm_up_steps=200)
PRIOR_BATCH, JOINT_BATCH = 48, 32
PRIOR_PAIRS, JOINT_PAIRS = 75, 50
SLOPE_WEIGHT = 0.5
LATENT_WEIGHT = 3.0
VOCODER_SHARE = 0.7
"""Of the learning rate: a vocoder that is taught too fast unlearns first."""


def train_prior(folder: Path, effort: Effort, readings: Readings) -> None:
    """Train ``folder/prior.safetensors``: z from features and pitch, by L1 and L1 of its slope."""
    device, count = effort.device, effort.batch or PRIOR_BATCH
    voice = new_voice(seed=0).to(device)
    training = Training(
        {"voice": voice},
        [Group([*voice.enc_p.parameters(), *voice.flow.parameters()])],
        PRIOR_SCHEDULE,
        folder / "prior.safetensors",
        effort=effort,
        seed=2,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        drawn = readings.draw(count, PRIOR_PAIRS, chance, HELD_OUT)
        with autocast(device):
            z = prior(voice, drawn.features, drawn.coarse)
        off = _latent_error(z, drawn)
        slope = (z.diff(dim=2) - drawn.z.diff(dim=2)).abs().mean()
        return off + SLOPE_WEIGHT * slope, {"z": off}

    training.run(loss_of, lambda: held_out_error(voice, readings, sound=False))


def train_joint(
    folder: Path, effort: Effort, readings: Readings, start: Mapping[str, Tensor]
) -> None:
    """Train ``folder/joint.safetensors``: the sound, from features and pitch.

    Parameters
    ----------
    start : weights of all parts, see `joined`
    """
    device, count = effort.device, effort.batch or JOINT_BATCH
    voice = new_voice(seed=0)
    voice.load_state_dict(dict(start))
    voice.to(device)
    training = Training(
        {"voice": voice},
        [
            Group([*voice.dec.parameters()], VOCODER_SHARE),
            Group([*voice.enc_p.parameters(), *voice.flow.parameters()]),
        ],
        JOINT_SCHEDULE,
        folder / "joint.safetensors",
        effort=effort,
        betas=(0.8, 0.99),
        clip=20.0,
        seed=3,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        drawn = readings.draw(count, JOINT_PAIRS, chance, HELD_OUT)
        with autocast(device):
            z = prior(voice, drawn.features, drawn.coarse)
        last = torch.full((count,), 2 * JOINT_PAIRS - SEGMENT_FRAMES + 1, device=device)
        starts = chance.below(last)
        f0_hz = _cut(drawn.f0_hz, starts, SEGMENT_FRAMES).repeat(2, 1)
        real = _cut(drawn.samples, starts * HOP_SAMPLES, SEGMENT_FRAMES * HOP_SAMPLES)
        with autocast(device):
            made = vocode(voice, _cut(z, starts, SEGMENT_FRAMES).repeat(2, 1, 1), f0_hz, chance)
        loss, figures = energy_distance(inner(real), *inner(made).chunk(2))
        off = _latent_error(z, drawn)
        return loss + LATENT_WEIGHT * off, {**figures, "z": off}

    training.run(loss_of, lambda: held_out_error(voice, readings), validate_every=500)


def joined(vocoder: Mapping[str, Tensor], prior_part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of stage 1's vocoder and of stage 3's other parts."""
    return {
        name: vocoder[name] if name.startswith("dec.") else value
        for name, value in prior_part.items()
    }


def _latent_error(z: Tensor, drawn: Batch) -> Tensor:
    return (z - drawn.z).abs().mean()


def _cut(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """Another stretch of the last axis for each row, [B, ..., T] -> [B, ..., length]."""
    at = starts[:, None] + torch.arange(length, device=starts.device)
    at = at.reshape(len(at), *[1] * (values.dim() - 2), length)
    return values.gather(-1, at.expand(*values.shape[:-1], length))


@torch.no_grad()
def held_out_error(
    voice: Synthesizer, readings: Readings, *, sound: bool = True
) -> dict[str, float]:
    """L1 of z, and of the log-mel of the sound, of sentences never trained on, others speaking."""
    latents, sounds = [], []
    for i in range(HELD_OUT):
        drawn = readings.whole(i, view=1 + i % (readings.views - 1))
        z = prior(voice, drawn.features, drawn.coarse)
        latents.append(float(_latent_error(z, drawn)))
        if sound:
            made = vocode(voice, z, drawn.f0_hz, Chance.of_step(1, i, z.device))
            sounds.append(float((log_mel(made) - log_mel(drawn.samples)).abs().mean()))
    figures = {"held-out z": float(np.mean(latents))}
    return {**figures, "held-out mel": float(np.mean(sounds))} if sounds else figures
