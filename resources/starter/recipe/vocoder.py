"""Stage 1: the vocoder alone, from the true mel spectrogram of the target's speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.models.synthesizer import Synthesizer
from recipe.chance import Chance
from recipe.data import TARGET
from recipe.distance import energy_distance
from recipe.mel import latent, log_mel
from recipe.network import autocast, new_voice, vocode
from recipe.speech_set import HOP_SAMPLES, Utterance, load_set
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training

HELD_OUT = 12
"""Utterances of the target, the first ones, that no stage trains on."""

SEGMENT_FRAMES, EDGE_FRAMES = 64, 6
"""How much is made at once, and how much of that on either side only gives context."""

SCHEDULE = Schedule(steps=8400, rate=8e-4, warm_up_steps=200)
BATCH = 32


def train_vocoder(folder: Path, effort: Effort) -> None:
    """Train ``folder/vocoder.safetensors`` to its end, or go on with it."""
    device, count = effort.device, effort.batch or BATCH
    utterances = load_set(folder / f"{TARGET}.pitch.npz")
    held_out, seen = utterances[:HELD_OUT], utterances[HELD_OUT:]
    sounds = Tracks.of([each.samples for each in seen], device)
    pitches = Tracks.of([each.f0_hz for each in seen], device)
    voice = new_voice(seed=0).to(device)
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
        real, f0_hz = segments(sounds, pitches, count, chance)
        z = latent(real)
        with autocast(device):
            made = vocode(voice, z.repeat(2, 1, 1), f0_hz.repeat(2, 1), chance)
        return energy_distance(inner(real), *inner(made).chunk(2))

    training.run(loss_of, lambda: {"held-out mel": copy_error(voice, held_out, device)})


def inner(sounds: Tensor, hop_samples: int = HOP_SAMPLES) -> Tensor:
    """Without the frames at both ends, which lack their neighbours."""
    edge = EDGE_FRAMES * hop_samples
    return sounds[:, edge:-edge]


def segments(
    sounds: Tracks,
    pitches: Tracks,
    count: int,
    chance: Chance,
    frames: int = SEGMENT_FRAMES,
    hop_samples: int = HOP_SAMPLES,
) -> tuple[Tensor, Tensor]:
    """Stretches that begin anywhere, also between two frames.

    Returns
    -------
    samples float32 [B, hop T], f0_hz float32 [B, T]
    """
    device = sounds.starts.device
    which = chance.below(torch.full((count,), len(sounds.lengths), device=device))
    length = frames * hop_samples
    start = chance.below((sounds.lengths[which] - length).clamp(min=1))[:, None]
    places = start + torch.arange(length, device=device)
    frame = start / hop_samples + torch.arange(frames, device=device)
    return sounds.sound_at(which, places.double()), pitch_between(pitches, which, frame)


def pitch_between(pitches: Tracks, which: Tensor, frames: Tensor) -> Tensor:
    """Pitch at fractional frames: a line between voiced neighbours, else the nearer one."""
    low = frames.floor()
    part = frames - low
    before, after = (pitches.at(which, low.long() + step) for step in (0, 1))
    nearer = torch.where(part < 0.5, before, after)
    return torch.where((before > 0) & (after > 0), torch.lerp(before, after, part), nearer)


@torch.no_grad()
def copy_error(voice: Synthesizer, utterances: list[Utterance], device: torch.device) -> float:
    """Log-mel L1 between speech and what the vocoder makes of its true mel."""
    errors = []
    for i, utterance in enumerate(utterances):
        frames = len(utterance.f0_hz)
        sound = utterance.samples[: frames * HOP_SAMPLES].astype(np.float32) / 32_768
        real = torch.from_numpy(sound)[None].to(device)
        f0_hz = torch.from_numpy(utterance.f0_hz)[None].to(device)
        made = vocode(voice, latent(real), f0_hz, Chance.of_step(1, i, device))
        errors.append(float((log_mel(made) - log_mel(real)).abs().mean()))
    return float(np.mean(errors))
