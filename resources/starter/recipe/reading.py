"""The target's sentences as other voices say them: features on the target's own time line."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.models.content_encoder import ContentEncoder
from engine.pitch.contour import coarse_pitch
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES
from recipe.alignment import align
from recipe.augmentation import recorded
from recipe.chance import Chance
from recipe.data import OTHERS, TARGET
from recipe.encoder import FRAME_CENTRE, FRAME_SAMPLES
from recipe.mel import SILENCE, latent
from recipe.network import autocast, content
from recipe.speech_set import RATE_HZ, Utterance, load_set
from recipe.track import Tracks

OWN_SHARE = 0.2
"""Of draws in which the target itself is heard."""

FEATURE_NOISE = 0.05
SEED = 5
AT_ONCE = 8
"""Sentences whose features are taken together."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Batch:
    """Features [B, T, 256] at 100 a second, levels of pitch [B, T], z [B, 80, T]."""

    features: Tensor
    coarse: Tensor
    z: Tensor


@dataclass(frozen=True, eq=False)
class Readings:
    """Sentences of the target, each heard in as many views as every other.

    Attributes
    ----------
    features : float16 [T / 2, 256] of every view of every sentence, all in the target's time;
        the first view is the target itself as it is
    z : float16 [T, 80] of every sentence
    pitches : float32 [T]
    """

    features: Tracks
    z: Tracks
    pitches: Tracks

    @property
    def count(self) -> int:
        """How many sentences."""
        return len(self.z.lengths)

    @property
    def views(self) -> int:
        """How often each is heard."""
        return len(self.features.lengths) // self.count

    def draw(self, count: int, pairs: int, chance: Chance, first: int) -> Batch:
        """Stretches of 2 x `pairs` frames, filled up with silence where a sentence is shorter.

        Parameters
        ----------
        first : only from this sentence on
        """
        device = self.z.starts.device
        which = first + chance.below(torch.full((count,), self.count - first, device=device))
        others = torch.full((count,), self.views - 1, device=device)
        view = torch.where(chance.happens(OWN_SHARE, count), 0, 1 + chance.below(others))
        start = chance.below((self.z.lengths[which] // 2 - pairs).clamp(min=0) + 1)
        drawn = self._stretch(which, view, start, pairs)
        noise = chance.normal(count, pairs, drawn.features.shape[2])
        return self._batch(drawn.features + FEATURE_NOISE * noise, drawn)

    def whole(self, which: int, view: int) -> Batch:
        """A sentence from beginning to end, without noise."""
        device = self.z.starts.device
        pairs = int(self.z.lengths[which]) // 2
        one, heard, start = (torch.tensor([n], device=device) for n in (which, view, 0))
        drawn = self._stretch(one, heard, start, pairs)
        return self._batch(drawn.features, drawn)

    def _stretch(self, which: Tensor, view: Tensor, start: Tensor, pairs: int) -> Batch:
        """Values as they lie, features still at 50 a second."""
        halves = start[:, None] + torch.arange(pairs, device=start.device)
        frames = 2 * start[:, None] + torch.arange(2 * pairs, device=start.device)
        inside = self.z.inside(which, frames)
        z = torch.where(inside[..., None], self.z.at(which, frames).float(), SILENCE)
        f0_hz = self.pitches.at(which, frames) * inside
        return Batch(
            self.features.at(which * self.views + view, halves).float(),
            coarse_pitch(f0_hz),
            z.transpose(1, 2),
        )

    @staticmethod
    def _batch(features: Tensor, drawn: Batch) -> Batch:
        doubled = features.repeat_interleave(2, dim=1)
        return Batch(doubled, drawn.coarse, drawn.z)

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        parts = {"features": self.features, "z": self.z, "f0": self.pitches}
        tensors = {
            f"{name}.{field}": getattr(part, field).cpu()
            for name, part in parts.items()
            for field in ("values", "starts", "lengths")
        }
        partial = path.with_name(path.name + ".partial")
        save_file(tensors, partial)
        partial.replace(path)


def load_readings(path: Path, device: torch.device) -> Readings:
    """What `Readings.save` wrote."""
    stored = load_file(path, str(device))
    features, z, f0_hz = (
        Tracks(*(stored[f"{name}.{field}"] for field in ("values", "starts", "lengths")))
        for name in ("features", "z", "f0")
    )
    return Readings(features, z, f0_hz)


def make_readings(folder: Path, encoder: ContentEncoder, device: torch.device) -> Readings:
    """Every sentence of the target, with its pseudo-speakers and the other flite voices."""
    target = load_set(folder / f"{TARGET}.npz")
    others = [load_set(folder / f"{name}.npz") for name in OTHERS]
    features: list[NDArray[np.float16]] = []
    for first in range(0, len(target), AT_ONCE):
        told = [*zip(target, *others, strict=True)][first : first + AT_ONCE]
        chance = Chance.of_step(SEED, first, device)
        found = iter(_features(encoder, [v for each in told for v in _voices(*each)], chance))
        for own, *said in told:
            features += _views(found, own, said)
        log.info("features of %d of %d sentences", first + len(told), len(target))
    sounds = [each.samples[: _frames(each) * HOP_SAMPLES] for each in target]
    latents = [_latent(sound, device) for sound in sounds]
    pitches = [each.f0_hz[: _frames(each)] for each in target]
    return Readings(*(Tracks.of(each, device) for each in (features, latents, pitches)))


def target_features(folder: Path, encoder: ContentEncoder, most: int) -> NDArray[np.float32]:
    """Features of the target as it is, of so many sentences, float32 [N, 256]."""
    sentences = load_set(folder / f"{TARGET}.plain.npz")[:most]
    found = [_features(encoder, [each.samples], None)[0] for each in sentences]
    return np.concatenate(found).astype(np.float32)


def _frames(own: Utterance) -> int:
    """An even number: two for each feature."""
    return len(own.f0_hz) // 2 * 2


def _latent(sound: NDArray[np.int16], device: torch.device) -> NDArray[np.float16]:
    heard = torch.from_numpy(sound.astype(np.float32) / 32_768).to(device)
    return latent(heard[None])[0].T.half().cpu().numpy()


def _voices(own: Utterance, *said: Utterance) -> list[NDArray[np.int16]]:
    """The target twice, once to be left as it is; its pseudo-speakers; the others, likewise."""
    voices = [own.samples]
    for each in (own, *said):
        voices += [each.samples, *each.copies]
    return voices


def _views(
    found: Iterator[NDArray[np.float16]], own: Utterance, said: Sequence[Utterance]
) -> list[NDArray[np.float16]]:
    """Features of `_voices`, all on the target's time line."""
    pairs = _frames(own) // 2
    views = [*islice(found, 2 + len(own.copies))]
    for other in said:
        heard = [*islice(found, 1 + len(other.copies))]
        at = _moved(other, own, pairs)
        views += views[1 : 1 + len(heard)] if at is None else _taken(heard, at)
    return [view[:pairs] for view in views]


@torch.no_grad()
def _features(
    encoder: ContentEncoder, voices: Sequence[NDArray[np.int16]], chance: Chance | None
) -> list[NDArray[np.float16]]:
    """As the engine takes them, with a second or more of mirrored sound at both ends.

    Parameters
    ----------
    chance : records all but every sentence's first voice; None leaves all as they are

    Returns
    -------
    float16 [T, 256] of each voice
    """
    device = next(encoder.parameters()).device
    frames = [-(-len(each) // HOP_SAMPLES) for each in voices]
    total = max(frames) + 2 * CONTEXT_FRAMES
    mirrored = [
        _padded((each[: count * HOP_SAMPLES] / 32_768).astype(np.float32), total)
        for each, count in zip(voices, frames, strict=True)
    ]
    heard = torch.from_numpy(np.stack(mirrored)).to(device)
    if chance is not None:
        again = [i > 0 and each is voices[i - 1] for i, each in enumerate(voices)]
        clean = torch.tensor([*again[1:], False], device=device)
        heard = torch.where(clean[:, None], heard, recorded(heard, chance))
    with autocast(device):
        found = content(encoder, heard).half().cpu().numpy()
    begin = CONTEXT_FRAMES // 2
    return [row[begin : begin + n // 2 + 1] for row, n in zip(found, frames, strict=True)]


def _padded(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Mirrored by one second before, and behind as far as needed."""
    before = CONTEXT_FRAMES * HOP_SAMPLES
    after = frames * HOP_SAMPLES - before - len(samples)
    return np.pad(samples, (before, after), mode="reflect")


def _moved(here: Utterance, there: Utterance, pairs: int) -> NDArray[np.int64] | None:
    """Which feature of `here` belongs where `there` says the same; None where phones differ."""
    alignment = align(there, here)
    if alignment is None:
        return None
    centres_s = (np.arange(pairs) * FRAME_SAMPLES + FRAME_CENTRE) / RATE_HZ
    at = (alignment.there(centres_s) * RATE_HZ - FRAME_CENTRE) / FRAME_SAMPLES
    return np.rint(at).astype(np.int64)


def _taken(
    views: Sequence[NDArray[np.float16]], at: NDArray[np.int64]
) -> list[NDArray[np.float16]]:
    return [view[at.clip(0, len(view) - 1)] for view in views]
