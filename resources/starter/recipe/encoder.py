"""Stage 2: the content encoder learns which sound is spoken, and how the target would say it.

Three losses: the phoneme of each frame; the same features for two voices that say the same at the
same time; and the target's smoothed spectrum, whichever flite voice is heard, so that what the
later stages need besides the phoneme stays in the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.content_encoder import ContentEncoder
from recipe.alignment import Alignment, align
from recipe.augmentation import recorded
from recipe.mel import BANDS, latent
from recipe.network import CONTENT_WIDTH, autocast, content, new_encoder
from recipe.phoneme import CLASSES
from recipe.speech_set import HOP_SAMPLES, RATE_HZ, Utterance, load_set
from recipe.training import Chance, Group, Schedule, Training

SCHEDULE = Schedule(steps=6000, rate=8e-4)
CLIP_SAMPLES = 32_000
FRAME_SAMPLES, FRAME_CENTRE = 320, 200
FRAMES = (CLIP_SAMPLES - FRAME_CENTRE * 2) // FRAME_SAMPLES + 1
PACES = (0.78, 1.28)
"""Played so much faster: pitch, formants and pace move together."""

RESAMPLED = 0.8
MARGIN_SAMPLES = 3000
SHARES = {"espeak": 0.4, "slt": 0.22, "awb": 0.19, "rms": 0.19}
SMOOTH = 24
"""Cosines of the target's spectrum that are asked for: formants, but no harmonics."""

CONSISTENCY_WEIGHT, SPECTRUM_WEIGHT = 0.5, 0.5
NO_SPECTRUM = -1.0


@dataclass(frozen=True, eq=False)
class Lesson:
    """An utterance and, where the target reads the same, its smoothed spectrum over time."""

    utterance: Utterance
    spectrum: NDArray[np.float32] | None = None
    alignment: Alignment | None = None


def train_encoder(
    folder: Path, device: torch.device, start: Mapping[str, Tensor] | None, batch: int = 8
) -> None:
    """Train ``folder/encoder.safetensors`` to its end, or go on with it.

    Parameters
    ----------
    start : weights to begin with instead of a filter bank and chance
    """
    lessons = load_lessons(folder)
    unseen = load_set(folder / "kal16.plain.npz")
    encoder = new_encoder(seed=1)
    if start is not None:
        encoder.load_state_dict(dict(start))
    heads = nn.ModuleDict(
        {
            "phoneme": nn.Linear(CONTENT_WIDTH, len(CLASSES)),
            "spectrum": nn.Linear(CONTENT_WIDTH, 2 * SMOOTH),
        }
    )
    encoder.to(device)
    heads.to(device)
    trained = [*encoder.parameters(), *heads.parameters()]
    training = Training(
        {"encoder": encoder, "heads": heads},
        [Group(trained)],
        SCHEDULE,
        folder / "encoder.safetensors",
        clip=2.0,
        seed=1,
    )

    def loss_of(chance: Chance) -> tuple[Tensor, dict[str, float]]:
        clips, classes, spectrum = (each.to(device) for each in clips_of(lessons, batch, chance))
        with autocast(device):
            features = content(encoder, clips)
        return _loss(features, heads, classes, spectrum, chance)

    training.run(
        loss_of, lambda: {"held-out voice": frame_accuracy(encoder, heads["phoneme"], unseen)}
    )


def _loss(
    features: Tensor, heads: nn.ModuleDict, classes: Tensor, spectrum: Tensor, chance: Chance
) -> tuple[Tensor, dict[str, float]]:
    both = classes.repeat(2, 1)
    kept = torch.rand(features.shape, generator=chance.tensors).to(features.device) > 0.1
    scores = heads["phoneme"](features * kept / 0.9)
    phoneme = F.cross_entropy(scores.transpose(1, 2), both, label_smoothing=0.05)
    first, second = features.chunk(2)
    apart = (1 - F.cosine_similarity(first, second, dim=-1)).mean()
    known = (spectrum[..., :1] > NO_SPECTRUM * 1e3).float().repeat(2, 1, 1)
    off = (heads["spectrum"](features) - spectrum.repeat(2, 1, 1)).abs() * known
    smooth = off.sum() / (known.sum().clamp(min=1) * spectrum.shape[-1])
    right = (scores.argmax(-1) == both).float().mean()
    figures = {
        "phoneme": float(phoneme.detach()),
        "right": float(right),
        "apart": float(apart.detach()),
        "spectrum": float(smooth.detach()),
    }
    return phoneme + CONSISTENCY_WEIGHT * apart + SPECTRUM_WEIGHT * smooth, figures


def load_lessons(folder: Path) -> dict[str, list[Lesson]]:
    """Every set, the target's spectrum beside the sentences that it reads too."""
    sets = {name: load_set(folder / f"{name}.npz") for name in SHARES}
    targets = {each.text: (each, smoothed(each)) for each in sets["slt"]}
    lessons = {"espeak": [Lesson(each) for each in sets["espeak"]]}
    for name in ("slt", "awb", "rms"):
        lessons[name] = [_lesson(each, targets) for each in sets[name]]
    return lessons


def _lesson(
    utterance: Utterance, targets: Mapping[str, tuple[Utterance, NDArray[np.float32]]]
) -> Lesson:
    target, spectrum = targets[utterance.text]
    alignment = align(utterance, target)
    return Lesson(utterance) if alignment is None else Lesson(utterance, spectrum, alignment)


def smoothed(utterance: Utterance) -> NDArray[np.float32]:
    """The first cosines of the latent of each 10 ms frame, float32 [T, 24]."""
    sound = utterance.samples.astype(np.float32) / 32_768
    z = latent(torch.from_numpy(sound)[None])[0]
    bands = (torch.arange(BANDS) + 0.5) * (torch.pi / BANDS)
    cosines = (bands[None] * torch.arange(SMOOTH)[:, None]).cos() * (2 / BANDS) ** 0.5
    found: NDArray[np.float32] = (0.5 * cosines @ z).T.numpy()
    return found


def clips_of(
    lessons: Mapping[str, list[Lesson]], count: int, chance: Chance
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch: two views of each clip, first all first ones.

    Returns
    -------
    float32 [2 B, N], classes int64 [B, T], spectrum float32 [B, T, 48] (far below 0 if unknown)
    """
    numbers = chance.numbers
    first, second, classes, spectra = [], [], [], []
    for _ in range(count):
        name = numbers.choice(list(SHARES), p=list(SHARES.values()))
        lesson = lessons[name][numbers.integers(len(lessons[name]))]
        pace = np.exp(numbers.uniform(*np.log(PACES))) if numbers.random() < RESAMPLED else 1.0
        wanted = int(CLIP_SAMPLES * pace) + 2
        spare = len(lesson.utterance.samples) - wanted + MARGIN_SAMPLES
        start = int(numbers.integers(-MARGIN_SAMPLES, max(spare, 1 - MARGIN_SAMPLES)))
        voices = [lesson.utterance.samples, *lesson.utterance.copies]
        one, other = numbers.permutation(len(voices))[[0, -1]]
        first.append(recorded(_played(voices[one], start, wanted, pace), numbers))
        second.append(recorded(_played(voices[other], start, wanted, pace), numbers))
        centres = (np.arange(FRAMES) * FRAME_SAMPLES + FRAME_CENTRE) * pace + start
        classes.append(lesson.utterance.classes_at(centres / RATE_HZ))
        spectra.append(_spectrum_at(lesson, centres, pace))
    stacked = np.stack([*first, *second])
    return (
        torch.from_numpy(stacked),
        torch.from_numpy(np.stack(classes)),
        torch.from_numpy(np.stack(spectra)),
    )


def _played(
    samples: NDArray[np.int16], start: int, wanted: int, pace: float
) -> NDArray[np.float64]:
    """A stretch, silent where the utterance has not begun or is over, at another pace."""
    stretch = np.zeros(wanted)
    low, high = max(start, 0), min(start + wanted, len(samples))
    stretch[low - start : high - start] = samples[low:high] / 32_768
    played: NDArray[np.float64] = np.interp(
        np.arange(CLIP_SAMPLES) * pace, np.arange(wanted), stretch
    )
    return played


def _spectrum_at(lesson: Lesson, centres: NDArray[np.floating], pace: float) -> NDArray[np.float32]:
    """The target's two 10 ms frames for each feature frame, float32 [T, 48]."""
    if lesson.spectrum is None or lesson.alignment is None:
        return np.full((FRAMES, 2 * SMOOTH), NO_SPECTRUM * 1e4, np.float32)
    halves = []
    for side in (-0.5, 0.5):
        there_s = lesson.alignment.there((centres + side * HOP_SAMPLES * pace) / RATE_HZ)
        at = np.floor(there_s * RATE_HZ / HOP_SAMPLES).astype(int)
        halves.append(lesson.spectrum[at.clip(0, len(lesson.spectrum) - 1)])
    return np.concatenate(halves, axis=1)


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
