"""The vocoder alone, from the true mel of the target's speech and singing, by energy distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipe.chance import Chance
from recipe.distance import energy_distance
from recipe.natural.mel import HOP_SAMPLES, RATE_HZ, latent, log_mel
from recipe.natural.network import begin_vocoder, new_voice
from recipe.network import autocast, vocode
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training
from recipe.vocoder import inner, segments

HELD_OUT = 12
"""Utterances, the last ones, that no stage trains on."""

SEGMENT_FRAMES = 56
"""How much is made at once."""

SCHEDULE = Schedule(steps=12_000, rate=6e-4, warm_up_steps=100)
BATCH = 32


def train_vocoder(folder: Path, effort: Effort, former_voice: Path | None = None) -> None:
    """Train ``folder/vocoder.safetensors`` to its end, or go on with it.

    Parameters
    ----------
    former_voice : a 16 kHz voice whose vocoder it begins with; None begins with random weights
    """
    device, count = effort.device, effort.batch or BATCH
    with np.load(folder / "targets.npz") as stored:
        samples = np.split(stored["samples"], stored["ends"][:-1])
        pitch = np.split(stored["f0_hz"], stored["ends"][:-1] // HOP_SAMPLES)
    sounds = Tracks.of(samples[:-HELD_OUT], device)
    pitches = Tracks.of(pitch[:-HELD_OUT], device)
    voice = new_voice(seed=0)
    if former_voice is not None:
        begin_vocoder(voice, former_voice, _clips(samples[:200]))
    voice.to(device)
    training = Training(
        {"voice": voice},
        voice.dec.parameters(),
        SCHEDULE,
        folder / "vocoder.safetensors",
        effort=effort,
        betas=(0.8, 0.99),
        clip=20.0,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        real, f0_hz = segments(sounds, pitches, count, chance, SEGMENT_FRAMES, HOP_SAMPLES)
        with autocast(device):
            made = vocode(voice, latent(real).repeat(2, 1, 1), f0_hz.repeat(2, 1), chance)
        kept = [inner(sound, HOP_SAMPLES) for sound in (real, *made.chunk(2))]
        return energy_distance(*kept, log_mel)

    held_out = list(zip(samples[-HELD_OUT:], pitch[-HELD_OUT:], strict=True))

    def copy_error() -> dict[str, float]:
        errors = []
        for number, (sound, f0_hz) in enumerate(held_out):
            real = torch.from_numpy(sound)[None].to(device) / 32_768
            with torch.no_grad():
                f0 = torch.from_numpy(f0_hz)[None].to(device)
                made = vocode(voice, latent(real), f0, Chance.of_step(1, number, device))
            errors.append(float((log_mel(made) - log_mel(real)).abs().mean()))
        return {"held-out mel": float(np.mean(errors))}

    training.run(loss_of, copy_error)


def _clips(samples: list[np.ndarray]) -> Tensor:
    """Two seconds of each that is long enough, float32 [B, 48000]."""
    long = [each[: 2 * RATE_HZ] for each in samples if len(each) >= 2 * RATE_HZ]
    return torch.from_numpy(np.stack(long)).float() / 32_768
