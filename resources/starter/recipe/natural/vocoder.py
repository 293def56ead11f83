"""The vocoder, from true and from predicted mels of the target's speech and singing.

A predicted mel is smoother than a true one; a vocoder that knows both puts back what is missing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipe.chance import Chance
from recipe.distance import energy_distance
from recipe.natural.mel import HOP_SAMPLES, RATE_HZ, latent, log_mel
from recipe.natural.network import begin_vocoder, new_voice
from recipe.natural.prior import predicted_latents
from recipe.natural.speech import HELD_OUT
from recipe.network import autocast, vocode
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training
from recipe.vocoder import inner, segments

SEGMENT_FRAMES = 56
"""How much is made at once."""

SCHEDULE = Schedule(steps=12_000, rate=6e-4, warm_up_steps=100)
BATCH = 32


def train_vocoder(folder: Path, effort: Effort, former_set: Path | None = None) -> None:
    """Train ``folder/vocoder.safetensors`` to its end, or go on with it.

    As long as there is no trained prior, from true mels alone; started again after it, from both.

    Parameters
    ----------
    former_set : a 16 kHz set whose vocoder it begins with; None begins with random weights
    """
    device, count = effort.device, effort.batch or BATCH
    with np.load(folder / "targets.npz") as stored:
        samples = np.split(stored["samples"], stored["ends"][:-1])
        pitch = np.split(stored["f0_hz"], stored["ends"][:-1] // HOP_SAMPLES)
    sounds = Tracks.of(samples[:-HELD_OUT], device)
    pitches = Tracks.of(pitch[:-HELD_OUT], device)
    predicted = None
    if (folder / "prior.safetensors").exists():
        predicted = Tracks.of(predicted_latents(folder, device)[:-HELD_OUT], device)
    voice = new_voice(seed=0)
    if former_set is not None:
        begin_vocoder(voice, former_set / "voice.pth", _clips(samples[:200]))
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
        smooth_count = 0 if predicted is None else count // 2
        real, f0_hz = segments(
            sounds, pitches, count - smooth_count, chance, SEGMENT_FRAMES, HOP_SAMPLES
        )
        z = latent(real)
        if predicted is not None:
            smooth = smooth_segments(sounds, pitches, predicted, smooth_count, chance)
            drawn = zip((real, f0_hz, z), smooth, strict=True)
            real, f0_hz, z = (torch.cat([true, other]) for true, other in drawn)
        with autocast(device):
            made = vocode(voice, z.repeat(2, 1, 1), f0_hz.repeat(2, 1), chance)
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


def smooth_segments(
    sounds: Tracks, pitches: Tracks, predicted: Tracks, count: int, chance: Chance
) -> tuple[Tensor, Tensor, Tensor]:
    """Stretches that begin with a frame, and what the prior predicts of them.

    Returns
    -------
    samples float32 [B, 240 T], f0_hz float32 [B, T], z float32 [B, 100, T]
    """
    device = predicted.starts.device
    which = chance.below(torch.full((count,), len(predicted.lengths), device=device))
    start = chance.below((predicted.lengths[which] - SEGMENT_FRAMES).clamp(min=1))[:, None]
    frames = start + torch.arange(SEGMENT_FRAMES, device=device)
    places = start * HOP_SAMPLES + torch.arange(SEGMENT_FRAMES * HOP_SAMPLES, device=device)
    z = predicted.at(which, frames).float().transpose(1, 2)
    return sounds.sound_at(which, places.double()), pitches.at(which, frames), z


def _clips(samples: list[np.ndarray]) -> Tensor:
    """Two seconds of each that is long enough, float32 [B, 48000]."""
    long = [each[: 2 * RATE_HZ] for each in samples if len(each) >= 2 * RATE_HZ]
    return torch.from_numpy(np.stack(long)).float() / 32_768
