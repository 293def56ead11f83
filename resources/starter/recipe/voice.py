"""Stage 3: prior and flow learn the target's mel from anybody's features and the asked pitch.

They are then put before the vocoder as it is. A stage that went on with all three together, on the
sound, was tried and left out: after it fewer words were understood, not more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.models.synthesizer import Synthesizer
from engine.voice_checkpoint import load_voice
from recipe.chance import Chance
from recipe.network import VOICE_SIZES, autocast, new_voice, prior
from recipe.reading import Batch, Readings
from recipe.training import Effort, Figures, Schedule, Training
from recipe.vocoder import HELD_OUT

SCHEDULE = Schedule(steps=1500, rate=1e-3, warm_up_steps=200)
BATCH, PAIRS = 48, 75
SLOPE_WEIGHT = 0.5


def train_prior(
    folder: Path, effort: Effort, readings: Readings, former_voice: Path | None = None
) -> None:
    """Train ``folder/prior.safetensors``: z from features and pitch, by L1 and L1 of its slope.

    Parameters
    ----------
    former_voice : whose vocoder stays; what else of it fits is begun with
    """
    device, count = effort.device, effort.batch or BATCH
    sizes = replace(VOICE_SIZES, feature_channels=readings.features.values.shape[1])
    voice = new_voice(seed=0, sizes=sizes)
    if former_voice is not None:
        begin(voice, former_voice)
    voice.to(device)
    training = Training(
        {"voice": voice},
        [*voice.enc_p.parameters(), *voice.flow.parameters()],
        SCHEDULE,
        folder / "prior.safetensors",
        effort=effort,
        seed=2,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        drawn = readings.draw(count, PAIRS, chance, HELD_OUT)
        with autocast(device):
            z = prior(voice, drawn.features, drawn.coarse)
        off = _latent_error(z, drawn)
        slope = (z.diff(dim=2) - drawn.z.diff(dim=2)).abs().mean()
        return off + SLOPE_WEIGHT * slope, {"z": off}

    training.run(loss_of, lambda: held_out_error(voice, readings))


def begin(voice: Synthesizer, former_voice: Path) -> None:
    """Give a voice every weight of another one that has the same size."""
    former = load_voice(former_voice).state
    with torch.no_grad():
        for name, value in voice.state_dict().items():
            if former[name].shape == value.shape:
                value.copy_(former[name])


def joined(vocoder: Mapping[str, Tensor], prior_part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of stage 1's vocoder and of stage 3's prior and flow."""
    return {
        name: vocoder[name] if name.startswith("dec.") else value
        for name, value in prior_part.items()
    }


def _latent_error(z: Tensor, drawn: Batch) -> Tensor:
    return (z - drawn.z).abs().mean()


@torch.no_grad()
def held_out_error(voice: Synthesizer, readings: Readings) -> dict[str, float]:
    """L1 of z of sentences never trained on, others speaking."""
    errors = []
    for i in range(HELD_OUT):
        drawn = readings.whole(i, view=1 + i % (readings.views - 1))
        errors.append(float(_latent_error(prior(voice, drawn.features, drawn.coarse), drawn)))
    return {"held-out z": float(np.mean(errors))}
