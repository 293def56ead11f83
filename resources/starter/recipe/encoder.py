"""Stage 2: the content encoder learns which sound is spoken, and how the target would say it.

Three losses: the phoneme of each frame; the same features for two voices that say the same at the
same time; and the target's smoothed spectrum, whichever flite voice is heard, so that what the
later stages need besides the phoneme stays in the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.content_encoder import ContentEncoder
from recipe.alignment import align
from recipe.augmentation import recorded
from recipe.chance import Chance
from recipe.data import ESPEAK, HELD_OUT, OTHERS, TARGET
from recipe.mel import BANDS, latent
from recipe.network import CONTENT_WIDTH, autocast, content, new_encoder
from recipe.phoneme import CLASSES
from recipe.speech_set import HOP_SAMPLES, RATE_HZ, Utterance, load_set
from recipe.track import Tracks
from recipe.training import Effort, Figures, Schedule, Training

SCHEDULE = Schedule(steps=2250, rate=8e-4, warm_up_steps=300)
BATCH = 48
CLIP_SAMPLES = 32_000
FRAME_SAMPLES, FRAME_CENTRE = 320, 200
FRAMES = (CLIP_SAMPLES - FRAME_CENTRE * 2) // FRAME_SAMPLES + 1
PACES = (0.78, 1.28)
"""Played so much faster: pitch, formants and pace move together."""

RESAMPLED = 0.8
MARGIN_SAMPLES = 3000
SHARES = {ESPEAK: 0.4, TARGET: 0.15, **dict.fromkeys(OTHERS, 0.15)}
LABEL_SAMPLES = 16
"""So finely are phonemes kept: a millisecond."""

SMOOTH = 24
"""Cosines of the target's spectrum that are asked for: formants, but no harmonics."""

CONSISTENCY_WEIGHT, SPECTRUM_WEIGHT = 0.5, 0.5
DROPPED = 0.1
"""Share of the features that the phoneme has to be found without."""

UNKNOWN = -1e4


def train_encoder(folder: Path, effort: Effort, start: Mapping[str, Tensor] | None) -> None:
    """Train ``folder/encoder.safetensors`` to its end, or go on with it.

    Parameters
    ----------
    start : weights to begin with instead of a filter bank and chance
    """
    device = effort.device
    lessons = load_lessons(folder, device)
    unseen = load_set(folder / f"{HELD_OUT}.npz")
    encoder = new_encoder(seed=1)
    if start is not None:
        encoder.load_state_dict(dict(start))
    heads = new_heads()
    encoder.to(device)
    heads.to(device)
    training = Training(
        {"encoder": encoder, "heads": heads},
        [*encoder.parameters(), *heads.parameters()],
        SCHEDULE,
        folder / "encoder.safetensors",
        effort=effort,
        clip=2.0,
        seed=1,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, Figures]:
        clips, classes, spectrum = clips_of(lessons, effort.batch or BATCH, chance)
        with autocast(device):
            features = content(encoder, clips)
        return _loss(features, heads, classes, spectrum, chance)

    training.run(
        loss_of, lambda: {"held-out voice": frame_accuracy(encoder, heads["phoneme"], unseen)}
    )


def new_heads() -> nn.ModuleDict:
    """What the losses read from the features; no part of what ships."""
    return nn.ModuleDict(
        {
            "phoneme": nn.Linear(CONTENT_WIDTH, len(CLASSES)),
            "spectrum": nn.Linear(CONTENT_WIDTH, 2 * SMOOTH),
        }
    )


def _loss(
    features: Tensor, heads: nn.ModuleDict, classes: Tensor, spectrum: Tensor, chance: Chance
) -> tuple[Tensor, Figures]:
    both = classes.repeat(2, 1)
    kept = chance.happens(1 - DROPPED, *features.shape) / (1 - DROPPED)
    scores = heads["phoneme"](features * kept)
    phoneme = F.cross_entropy(scores.transpose(1, 2), both, label_smoothing=0.05)
    first, second = features.chunk(2)
    apart = (1 - F.cosine_similarity(first, second, dim=-1)).mean()
    known = (spectrum[..., :1] > UNKNOWN / 2).float().repeat(2, 1, 1)
    off = (heads["spectrum"](features) - spectrum.repeat(2, 1, 1)).abs() * known
    smooth = off.sum() / (known.sum().clamp(min=1) * spectrum.shape[-1])
    right = (scores.argmax(-1) == both).float().mean()
    figures = {"phoneme": phoneme, "right": right, "apart": apart, "spectrum": smooth}
    return phoneme + CONSISTENCY_WEIGHT * apart + SPECTRUM_WEIGHT * smooth, figures


@dataclass(frozen=True, eq=False)
class Lessons:
    """Every set end to end, ready to be drawn from.

    Attributes
    ----------
    sounds : each utterance in each of its voices, one after another
    first, voices : int64 [U]  where an utterance's voices begin, and how many there are
    classes : phonemes by the millisecond
    spectra : the target's smoothed spectrum every 10 ms of this voice's time; one row of
        `UNKNOWN` where the target does not read the same
    sets : int64 [S, 2]  first utterance of each set, and how many it has; in `SHARES`' order
    """

    sounds: Tracks
    first: Tensor
    voices: Tensor
    classes: Tracks
    spectra: Tracks
    sets: Tensor


def load_lessons(folder: Path, device: torch.device) -> Lessons:
    """Every set, the target's spectrum beside the sentences that it reads too."""
    sets = [load_set(folder / f"{name}.npz") for name in SHARES]
    targets = {each.text: each for each in sets[[*SHARES].index(TARGET)]}
    spectra = {text: smoothed(each, device) for text, each in targets.items()}
    utterances = [each for one in sets for each in one]
    voices = [1 + len(each.copies) for each in utterances]
    counts = np.array([len(each) for each in sets])
    spans = np.stack([counts.cumsum() - counts, counts], axis=1)

    def numbers(values: list[int] | NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(values, device=device)

    return Lessons(
        Tracks.of([voice for each in utterances for voice in (each.samples, *each.copies)], device),
        numbers([0, *accumulate(voices)][:-1]),
        numbers(voices),
        Tracks.of([_labels(each) for each in utterances], device),
        Tracks.of([_spectrum_here(each, targets, spectra) for each in utterances], device),
        numbers(spans),
    )


def _labels(utterance: Utterance) -> NDArray[np.uint8]:
    middles = np.arange(len(utterance.samples) // LABEL_SAMPLES) * LABEL_SAMPLES + LABEL_SAMPLES / 2
    return utterance.classes_at(middles / RATE_HZ).astype(np.uint8)


def _spectrum_here(
    utterance: Utterance,
    targets: Mapping[str, Utterance],
    spectra: Mapping[str, NDArray[np.float16]],
) -> NDArray[np.float16]:
    """The target's spectrum where it says the same, float16 [T, 24]; one unknown row else."""
    target = targets.get(utterance.text)
    alignment = None if target is None else align(utterance, target)
    if alignment is None:
        return np.full((1, SMOOTH), UNKNOWN, np.float16)
    spectrum = spectra[utterance.text]
    middles_s = (np.arange(len(utterance.samples) // HOP_SAMPLES) + 0.5) * HOP_SAMPLES / RATE_HZ
    at = np.floor(alignment.there(middles_s) * RATE_HZ / HOP_SAMPLES).astype(int)
    found: NDArray[np.float16] = spectrum[at.clip(0, len(spectrum) - 1)]
    return found


def smoothed(utterance: Utterance, device: torch.device) -> NDArray[np.float16]:
    """The first cosines of the latent of each 10 ms frame, float16 [T, 24]."""
    sound = torch.from_numpy(utterance.samples.astype(np.float32) / 32_768).to(device)
    z = latent(sound[None])[0].cpu()
    bands = (torch.arange(BANDS) + 0.5) * (torch.pi / BANDS)
    cosines = (bands[None] * torch.arange(SMOOTH)[:, None]).cos() * (2 / BANDS) ** 0.5
    found: NDArray[np.float16] = (0.5 * cosines @ z).T.numpy().astype(np.float16)
    return found


@torch.no_grad()
def clips_of(lessons: Lessons, count: int, chance: Chance) -> tuple[Tensor, Tensor, Tensor]:
    """A batch: two views of each clip, first all first ones.

    Returns
    -------
    float32 [2 B, N], classes int64 [B, T], spectrum float32 [B, T, 48] (far below 0 if unknown)
    """
    device = lessons.sets.device
    shares = torch.tensor([*accumulate(SHARES.values())], device=device)
    which_set = torch.searchsorted(shares, chance.uniform(0.0, 1.0, count)).clamp(
        max=len(SHARES) - 1
    )
    first, counts = lessons.sets[which_set].unbind(1)
    which = first + chance.below(counts)
    paces = torch.where(chance.happens(RESAMPLED, count), chance.log_uniform(PACES, count), 1.0)
    voices = lessons.voices[which]
    one = chance.below(voices)
    other = (one + 1 + chance.below((voices - 1).clamp(min=1))) % voices
    sounding = lessons.first[which] + one
    spare = lessons.sounds.lengths[sounding] - CLIP_SAMPLES * paces + MARGIN_SAMPLES
    start = chance.below((spare + MARGIN_SAMPLES).long().clamp(min=1)) - MARGIN_SAMPLES
    pace, begin = paces[:, None].double(), start[:, None]
    places = begin + torch.arange(CLIP_SAMPLES, device=device) * pace
    clips = [lessons.sounds.sound_at(lessons.first[which] + each, places) for each in (one, other)]
    centres = begin + (torch.arange(FRAMES, device=device) * FRAME_SAMPLES + FRAME_CENTRE) * pace
    label_at = (centres / LABEL_SAMPLES).floor().long()
    classes = lessons.classes.at(which, label_at) * lessons.classes.inside(which, label_at)
    halves = [
        lessons.spectra.at(which, (middle / HOP_SAMPLES).floor().long())
        for middle in (centres - HOP_SAMPLES / 2 * pace, centres + HOP_SAMPLES / 2 * pace)
    ]
    return recorded(torch.cat(clips), chance), classes.long(), torch.cat(halves, dim=2).float()


@torch.no_grad()
def frame_accuracy(encoder: ContentEncoder, head: nn.Module, utterances: list[Utterance]) -> float:
    """Share of frames whose phoneme is found, over whole utterances."""
    device = next(encoder.parameters()).device
    right = total = 0
    for utterance in utterances:
        sound = utterance.samples.astype(np.float32) / 32_768
        features = content(encoder, torch.from_numpy(sound)[None].to(device))
        found = head(features)[0].argmax(-1).cpu().numpy()
        centres = np.arange(len(found)) * FRAME_SAMPLES + FRAME_CENTRE
        truth = utterance.classes_at(centres / RATE_HZ)
        right += int((found == truth).sum())
        total += len(truth)
    return right / total
