"""Prior and flow learn the target's mel from anybody's features and the asked pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from engine.pitch.contour import coarse_pitch
from recipe.chance import Chance
from recipe.natural.mel import HOP_SAMPLES, latent
from recipe.natural.network import new_voice
from recipe.natural.speech import FRAME_SAMPLES, HELD_OUT, load_speech
from recipe.natural.views import VIEWS
from recipe.network import autocast, prior
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training, averaged
from recipe.whisper_file import statistics_of

SCHEDULE = Schedule(steps=15_000, rate=1e-3, warm_up_steps=200)
BATCH, PAIRS = 32, 100
"""Clips a step, and encoder frames of each: two seconds."""

SLOPE_WEIGHT = 0.5


def statistics(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature of the target's own sentences, float32 [C]."""
    features = load_file(folder / "views.safetensors")[VIEWS[0]].float()
    return statistics_of(features)


class Pairs:
    """Features of each view beside latent and pitch of the target saying, or singing, the same."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        mean, spread = statistics(folder)
        ends = load_speech(folder).ends // FRAME_SAMPLES
        self._views = [
            Tracks.of(np.split(((view.float() - mean) / spread).half().numpy(), ends[:-1]), device)
            for view in (load_file(folder / "views.safetensors")[name] for name in VIEWS)
        ]
        with np.load(folder / "targets.npz") as stored:
            samples = np.split(stored["samples"], stored["ends"][:-1])
            pitches = np.split(stored["f0_hz"], stored["ends"][:-1] // HOP_SAMPLES)
            self._origins = torch.from_numpy(stored["origins"]).to(device)
        sounds = (torch.from_numpy(each).float()[None] / 32_768 for each in samples)
        self._latents = Tracks.of([latent(s)[0].T.half().numpy() for s in sounds], device)
        self._coarse = Tracks.of(
            [coarse_pitch(torch.from_numpy(f0_hz)).numpy() for f0_hz in pitches], device
        )
        last = int(self._origins[-HELD_OUT])
        self._seen = int((self._origins < last).sum())

    def draw(self, count: int, chance: Chance) -> tuple[Tensor, Tensor, Tensor]:
        """Clips of utterances that are not held out, any view of each.

        Returns
        -------
        features float32 [B, 2 P, C], coarse pitch int64 [B, 2 P], z float32 [B, 100, 2 P]
        """
        device = self._origins.device
        which = chance.below(torch.full((count,), self._seen, device=device))
        views = chance.below(torch.full((count,), len(VIEWS), device=device))
        origins = self._origins[which]
        pairs = self._views[0].lengths[origins]
        start = chance.below((pairs - PAIRS).clamp(min=1))
        return self._clips(which, views, start, PAIRS)

    def held_out(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """One whole target, counted from the end."""
        return self.whole(len(self) - 1 - number)

    def whole(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """One target from its beginning to its end, as `draw`; the views take turns."""
        device = self._origins.device
        which = torch.tensor([number], device=device)
        pairs = int(self._views[0].lengths[self._origins[which]])
        view = torch.tensor([number % len(VIEWS)], device=device)
        return self._clips(which, view, torch.zeros(1, dtype=torch.long, device=device), pairs)

    def __len__(self) -> int:
        return len(self._origins)

    def _clips(
        self, which: Tensor, views: Tensor, start: Tensor, pairs: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames = start[:, None] + torch.arange(pairs, device=start.device)
        origins = self._origins[which]
        heard = torch.stack([view.at(origins, frames) for view in self._views])
        chosen = heard[views, torch.arange(len(which), device=which.device)]
        halves = 2 * start[:, None] + torch.arange(2 * pairs, device=start.device)
        coarse, z = self._coarse.at(which, halves), self._latents.at(which, halves)
        return chosen.float().repeat_interleave(2, dim=1), coarse, z.float().transpose(1, 2)


def train_prior(folder: Path, effort: Effort) -> None:
    """Train ``folder/prior.safetensors``: z from features and pitch, by L1 and L1 of its slope."""
    device, count = effort.device, effort.batch or BATCH
    pairs = Pairs(folder, device)
    voice = new_voice(seed=0).to(device)
    training = Training(
        {"voice": voice},
        [*voice.enc_p.parameters(), *voice.flow.parameters()],
        SCHEDULE,
        folder / "prior.safetensors",
        effort=effort,
        seed=2,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        features, coarse, wanted = pairs.draw(count, chance)
        with autocast(device):
            z = prior(voice, features, coarse)
        off = (z - wanted).abs().mean()
        slope = (z.diff(dim=2) - wanted.diff(dim=2)).abs().mean()
        return off + SLOPE_WEIGHT * slope, {"z": off}

    def held_out_error() -> dict[str, float]:
        errors = []
        for number in range(HELD_OUT):
            features, coarse, wanted = pairs.held_out(number)
            with torch.no_grad():
                errors.append(float((prior(voice, features, coarse) - wanted).abs().mean()))
        return {"held-out z": float(np.mean(errors))}

    training.run(loss_of, held_out_error)


def predicted_latents(folder: Path, device: torch.device) -> list[NDArray[np.float16]]:
    """What the trained prior makes of each target, float16 [T, 100]; the views take turns."""
    pairs = Pairs(folder, device)
    voice = new_voice(seed=0).to(device)
    voice.load_state_dict(averaged(folder / "prior.safetensors", "voice"))
    found = []
    for number in range(len(pairs)):
        features, coarse, _ = pairs.whole(number)
        with torch.no_grad(), autocast(device):
            z = prior(voice, features, coarse)
        found.append(z[0].T.half().cpu().numpy())
    return found
