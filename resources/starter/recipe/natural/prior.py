"""Prior and flow learn the target's mel from anybody's features and the asked pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from engine.pitch.contour import coarse_pitch
from recipe.chance import Chance
from recipe.natural.mel import HOP_SAMPLES, latent
from recipe.natural.network import begin_prior, new_voice
from recipe.natural.speech import FRAME_SAMPLES, HELD_OUT, load_speech
from recipe.natural.views import READ, VIEWS
from recipe.network import autocast, prior
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training, averaged
from recipe.whisper_file import statistics_of

SCHEDULE = Schedule(steps=15_000, rate=1e-3, warm_up_steps=200)
BATCH, PAIRS = 32, 100
"""Clips a step, and encoder frames of each: two seconds."""

SHARES = (0.12, 0.2, 0.13, 0.275, 0.275)
"""Of each view among what is drawn."""

EXACT = [view for view, read in enumerate(READ) if not read]
BEGINNING = 200
"""Clips to which the ends of a former prior are fitted."""

SLOPE_WEIGHT = 0.5
FARTHEST_FRAMES, NEARBY_FRAMES = 5, 21
"""Of 10 ms: how far a reading may be beside the target, and over how many that hardly changes."""


def statistics(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature of the target's own sentences, float32 [C]."""
    features = load_file(folder / "views.safetensors")[VIEWS[0]].float()
    return statistics_of(features)


class Pairs:
    """Features of each view beside latent and pitch of the target saying, or singing, the same."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder = folder
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

    def draw(self, count: int, chance: Chance) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Clips of utterances that are not held out, any view of each.

        Returns
        -------
        (features float32 [B, 2 P, C], coarse pitch int64 [B, 2 P], z float32 [B, 100, 2 P]), and
        bool [B]: which are readings, see `views.READ`
        """
        device = self._origins.device
        which = chance.below(torch.full((count,), self._seen, device=device))
        shares = torch.tensor(SHARES, device=device).cumsum(0)
        views = (chance.uniform(0.0, 1.0, count, 1) > shares).sum(1).clamp(max=len(VIEWS) - 1)
        origins = self._origins[which]
        pairs = self._views[0].lengths[origins]
        start = chance.below((pairs - PAIRS).clamp(min=1))
        readings = torch.tensor(READ, device=device)[views]
        return self._clips(which, views, start, PAIRS), readings

    def held_out(self, number: int, view: int) -> tuple[Tensor, Tensor, Tensor]:
        """One view of a whole target, counted from the end."""
        return self.whole(len(self) - 1 - number, view)

    def whole(self, number: int, view: int) -> tuple[Tensor, Tensor, Tensor]:
        """One view of a target from its beginning to its end, as `draw`."""
        device = self._origins.device
        which = torch.tensor([number], device=device)
        pairs = int(self._views[0].lengths[self._origins[which]])
        chosen = torch.tensor([view], device=device)
        return self._clips(which, chosen, torch.zeros(1, dtype=torch.long, device=device), pairs)

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

    def beginning(self) -> tuple[Tensor, Tensor]:
        """Sound float32 [B, N] of the target, and the features of it, to fit first weights with."""
        pairs = self._views[0].lengths[self._origins] >= PAIRS
        which = pairs.nonzero()[:BEGINNING, 0]
        start = torch.zeros_like(which)
        features = self._clips(which, start, start, PAIRS)[0][:, ::2]
        with np.load(self._folder / "targets.npz") as stored:
            samples, ends = stored["samples"], stored["ends"]
        starts = np.append(0, ends)[which.cpu().numpy()]
        sounds = np.stack([samples[at : at + PAIRS * FRAME_SAMPLES] for at in starts])
        return torch.from_numpy(sounds).float() / 32_768, features.cpu()


def train_prior(folder: Path, effort: Effort, former_set: Path | None = None) -> None:
    """Train ``folder/prior.safetensors``: z from features and pitch, by L1 and L1 of its slope.

    Parameters
    ----------
    former_set : a 16 kHz set whose prior it begins with; None begins with random weights
    """
    device, count = effort.device, effort.batch or BATCH
    pairs = Pairs(folder, device)
    voice = new_voice(seed=0)
    if former_set is not None:
        begin_prior(voice, former_set, *pairs.beginning())
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
        (features, coarse, wanted), readings = pairs.draw(count, chance)
        with autocast(device):
            z = prior(voice, features, coarse)
        off = (z - wanted).abs().mean()
        return latent_error(z, wanted, readings), {"z": off}

    def held_out_error() -> dict[str, float]:
        errors = {}
        for view, name in enumerate(VIEWS):
            found = []
            for number in range(HELD_OUT):
                features, coarse, wanted = pairs.held_out(number, view)
                with torch.no_grad():
                    z = prior(voice, features, coarse)
                    reading = torch.tensor([READ[view]], device=device)
                    found.append(float(latent_error(z, wanted, reading, slope_weight=0.0)))
            errors[f"held-out z, {name}"] = float(np.mean(found))
        return errors

    training.run(loss_of, held_out_error)


def latent_error(
    z: Tensor, wanted: Tensor, readings: Tensor, slope_weight: float = SLOPE_WEIGHT
) -> Tensor:
    """L1 of z and of its slope; a reading may come a little before or after the target.

    A reading is brought to the target's timing only to some frames. Compared frame by frame, the
    average of every timing would be the best answer, and that is a blurred one.

    Parameters
    ----------
    z, wanted : float32 [B, C, T]
    readings : bool [B], which of them are readings
    """
    padded = F.pad(wanted, (FARTHEST_FRAMES, FARTHEST_FRAMES), mode="replicate")
    aside = []
    for frames in range(2 * FARTHEST_FRAMES + 1):
        if frames != FARTHEST_FRAMES and not readings.any():
            continue
        other = padded[..., frames : frames + z.shape[-1]]
        off = (z - other).abs().mean(1)
        slope = (z.diff(dim=2) - other.diff(dim=2)).abs().mean(1)
        aside.append(off + slope_weight * F.pad(slope, (0, 1)))
    exact = aside[len(aside) // 2]
    nearby = F.avg_pool1d(
        torch.stack(aside, dim=1), NEARBY_FRAMES, 1, NEARBY_FRAMES // 2, count_include_pad=False
    )
    return torch.where(readings[:, None], nearby.amin(1), exact).mean()


def predicted_latents(folder: Path, device: torch.device) -> list[NDArray[np.float16]]:
    """What the trained prior makes of each target, float16 [T, 100].

    The views take turns, but for the readings: the sound has the target's timing.
    """
    pairs = Pairs(folder, device)
    voice = new_voice(seed=0).to(device)
    voice.load_state_dict(averaged(folder / "prior.safetensors", "voice"))
    found = []
    for number in range(len(pairs)):
        features, coarse, _ = pairs.whole(number, EXACT[number % len(EXACT)])
        with torch.no_grad(), autocast(device):
            z = prior(voice, features, coarse)
        found.append(z[0].T.half().cpu().numpy())
    return found
