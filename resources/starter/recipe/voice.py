"""Stages 3 and 4: prior and flow learn the target's mel from anybody's features; then, together
with the vocoder, its sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.models.synthesizer import Synthesizer
from recipe.distance import energy_distance
from recipe.mel import log_mel
from recipe.network import autocast, new_voice, prior, vocode
from recipe.reading import Batch, Reading, batch_of, whole
from recipe.speech_set import HOP_SAMPLES
from recipe.training import Chance, Group, Schedule, Training
from recipe.vocoder import HELD_OUT, SEGMENT_FRAMES

PRIOR_SCHEDULE = Schedule(steps=3000, rate=1e-3)
JOINT_SCHEDULE = Schedule(steps=6000, rate=3e-4, plateau=0.2)
PRIOR_PAIRS, JOINT_PAIRS = 75, 50
SLOPE_WEIGHT = 0.5
LATENT_WEIGHT = 3.0
VOCODER_SHARE = 0.7
"""Of the learning rate: a vocoder that is taught too fast unlearns first."""


def train_prior(
    folder: Path,
    device: torch.device,
    readings: Sequence[Reading],
    vocoder: Mapping[str, Tensor],
    batch: int = 12,
) -> None:
    """Train ``folder/prior.safetensors``: z from features and pitch, by L1 and L1 of its slope."""
    voice = new_voice(seed=2)
    voice.load_state_dict({**voice.state_dict(), **vocoder_part(vocoder)})
    voice.to(device)
    held_out, seen = readings[:HELD_OUT], readings[HELD_OUT:]
    trained = [*voice.enc_p.parameters(), *voice.flow.parameters()]
    training = Training(
        {"voice": voice}, [Group(trained)], PRIOR_SCHEDULE, folder / "prior.safetensors", seed=2
    )

    def loss_of(chance: Chance) -> tuple[Tensor, dict[str, float]]:
        drawn = batch_of(seen, batch, PRIOR_PAIRS, chance).to(device)
        with autocast(device):
            z = prior(voice, drawn.features, drawn.coarse)
        off = _latent_error(z, drawn)
        slope = (z.diff(dim=2) - drawn.z.diff(dim=2)).abs().mean()
        return off + SLOPE_WEIGHT * slope, {"z": float(off.detach())}

    training.run(loss_of, lambda: held_out_error(voice, held_out, device, sound=False))


def train_joint(
    folder: Path,
    device: torch.device,
    readings: Sequence[Reading],
    start: Mapping[str, Tensor],
    batch: int = 4,
) -> None:
    """Train ``folder/joint.safetensors``: the sound, from features and pitch."""
    voice = new_voice(seed=3)
    voice.load_state_dict(dict(start))
    voice.to(device)
    held_out, seen = readings[:HELD_OUT], readings[HELD_OUT:]
    training = Training(
        {"voice": voice},
        [
            Group([*voice.dec.parameters(), *voice.emb_g.parameters()], VOCODER_SHARE),
            Group([*voice.enc_p.parameters(), *voice.flow.parameters()]),
        ],
        JOINT_SCHEDULE,
        folder / "joint.safetensors",
        betas=(0.8, 0.99),
        clip=20.0,
        seed=3,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, dict[str, float]]:
        drawn = batch_of(seen, batch, JOINT_PAIRS, chance).to(device)
        with autocast(device):
            z = prior(voice, drawn.features, drawn.coarse)
        starts = chance.numbers.integers(2 * JOINT_PAIRS - SEGMENT_FRAMES + 1, size=batch)
        cut = _cut(z, starts)
        f0_hz = _cut(drawn.f0_hz, starts)
        real = _cut(drawn.samples, starts * HOP_SAMPLES, SEGMENT_FRAMES * HOP_SAMPLES)
        with autocast(device):
            made = vocode(voice, cut.repeat(2, 1, 1), f0_hz.repeat(2, 1), chance)
        loss, figures = energy_distance(real, *made.chunk(2))
        off = _latent_error(z, drawn)
        return loss + LATENT_WEIGHT * off, {**figures, "z": float(off.detach())}

    training.run(loss_of, lambda: held_out_error(voice, held_out, device), validate_every=250)


def vocoder_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that stage 1 trained."""
    return {name: value for name, value in state.items() if name.startswith(("dec.", "emb_g."))}


def _latent_error(z: Tensor, drawn: Batch) -> Tensor:
    return (z - drawn.z).abs().mean()


def _cut(values: Tensor, starts: np.ndarray, length: int = SEGMENT_FRAMES) -> Tensor:
    """Another stretch of the last axis for each row."""
    rows = [row[..., start : start + length] for row, start in zip(values, starts, strict=True)]
    return torch.stack(rows)


@torch.no_grad()
def held_out_error(
    voice: Synthesizer, readings: Sequence[Reading], device: torch.device, *, sound: bool = True
) -> dict[str, float]:
    """L1 of z, and of the log-mel of the sound, of sentences never trained on, others speaking."""
    latents, sounds = [], []
    for i, reading in enumerate(readings):
        drawn = whole(reading, view=1 + i % (len(reading.views) - 1)).to(device)
        z = prior(voice, drawn.features, drawn.coarse)
        latents.append(float(_latent_error(z, drawn)))
        if sound:
            made = vocode(voice, z, drawn.f0_hz, Chance.of_step(1, i))
            sounds.append(float((log_mel(made) - log_mel(drawn.samples)).abs().mean()))
    figures = {"held-out z": float(np.mean(latents))}
    return {**figures, "held-out mel": float(np.mean(sounds))} if sounds else figures
