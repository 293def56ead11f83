"""Stage 1: the vocoder alone, from the true mel spectrogram of the target's speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models.synthesizer import Synthesizer
from recipe.distance import energy_distance
from recipe.mel import latent, log_mel
from recipe.network import autocast, new_voice, vocode
from recipe.speech_set import HOP_SAMPLES, Utterance, load_set
from recipe.training import Chance, Group, Schedule, Training

HELD_OUT = 12
"""Utterances of the target, the first ones, that no stage trains on."""

SEGMENT_FRAMES = 32
SCHEDULE = Schedule(steps=9000, rate=8e-4)


def train_vocoder(folder: Path, device: torch.device, batch: int = 4) -> None:
    """Train ``folder/vocoder.safetensors`` to its end, or go on with it."""
    utterances = load_set(folder / "slt.pitch.npz")
    held_out, seen = utterances[:HELD_OUT], utterances[HELD_OUT:]
    voice = new_voice(seed=0).to(device)
    trained = [*voice.dec.parameters(), *voice.emb_g.parameters()]
    training = Training(
        {"voice": voice},
        [Group(trained)],
        SCHEDULE,
        folder / "vocoder.safetensors",
        betas=(0.8, 0.99),
        clip=20.0,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, dict[str, float]]:
        real, f0_hz = (each.to(device) for each in segments(seen, batch, chance))
        z = latent(real)
        with autocast(device):
            made = vocode(voice, z.repeat(2, 1, 1), f0_hz.repeat(2, 1), chance)
        return energy_distance(real, *made.chunk(2))

    training.run(loss_of, lambda: {"held-out mel": copy_error(voice, held_out, device)})


def segments(
    utterances: list[Utterance], count: int, chance: Chance, frames: int = SEGMENT_FRAMES
) -> tuple[Tensor, Tensor]:
    """Stretches that begin anywhere, also between two frames.

    Returns
    -------
    samples float32 [B, 160 T], f0_hz float32 [B, T]
    """
    sounds, pitches = [], []
    for _ in range(count):
        utterance = utterances[chance.numbers.integers(len(utterances))]
        length = frames * HOP_SAMPLES
        start = int(chance.numbers.integers(max(len(utterance.samples) - length, 1)))
        sound = utterance.samples[start : start + length].astype(np.float32) / 32_768
        sounds.append(np.pad(sound, (0, length - len(sound))))
        pitches.append(pitch_between(utterance.f0_hz, start / HOP_SAMPLES + np.arange(frames)))
    return torch.from_numpy(np.stack(sounds)), torch.from_numpy(np.stack(pitches))


def pitch_between(f0_hz: NDArray[np.float32], frames: NDArray[np.floating]) -> NDArray[np.float32]:
    """Pitch at fractional frames: a line between voiced neighbours, else the nearer one."""
    low = np.clip(np.floor(frames).astype(int), 0, len(f0_hz) - 1)
    high = np.minimum(low + 1, len(f0_hz) - 1)
    part = frames - low
    before, after = f0_hz[low], f0_hz[high]
    line = before + part * (after - before)
    nearer = np.where(part < 0.5, before, after)
    found: NDArray[np.float32] = np.where((before > 0) & (after > 0), line, nearer)
    return found.astype(np.float32)


@torch.no_grad()
def copy_error(voice: Synthesizer, utterances: list[Utterance], device: torch.device) -> float:
    """Log-mel L1 between speech and what the vocoder makes of its true mel."""
    errors = []
    for i, utterance in enumerate(utterances):
        frames = len(utterance.f0_hz)
        sound = utterance.samples[: frames * HOP_SAMPLES].astype(np.float32) / 32_768
        real = torch.from_numpy(sound)[None].to(device)
        f0_hz = torch.from_numpy(utterance.f0_hz)[None].to(device)
        made = vocode(voice, latent(real), f0_hz, Chance.of_step(1, i))
        errors.append(float((log_mel(made) - log_mel(real)).abs().mean()))
    return float(np.mean(errors))
