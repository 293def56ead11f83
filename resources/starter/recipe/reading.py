"""The target's sentences as other voices say them: features on the target's own time line."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.audio.resampling import resample
from engine.pitch.contour import coarse_pitch
from engine.segments import HOP_SAMPLES
from recipe.alignment import align
from recipe.augmentation import recorded
from recipe.chance import Chance
from recipe.data import OTHERS, READERS, TARGET
from recipe.encoder import FRAME_SAMPLES
from recipe.mel import SILENCE, latent
from recipe.network import autocast
from recipe.speech_set import RATE_HZ, Utterance, load_set
from recipe.track import Tracks
from recipe.whisper_file import (
    encoder_of,
    encoder_tensors,
    read_model,
    statistics_of,
    write_encoder,
)

OWN_SHARE = 0.2
"""Of draws in which the target itself is heard."""

FEATURE_NOISE = 0.05
SEED = 5
PLAYED, LENGTHS = 2, (0.75, 1.45)
"""How often the target is played at another speed, and how long it is then."""

REPORT_EVERY = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Batch:
    """Features [B, T, C] at 100 a second, levels of pitch [B, T], z [B, 80, T]."""

    features: Tensor
    coarse: Tensor
    z: Tensor


@dataclass(frozen=True, eq=False)
class Readings:
    """Sentences of the target, each heard in as many views as every other.

    Attributes
    ----------
    features : float16 [T / 2, C] of every view of every sentence, all in the target's time;
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


def make_readings(folder: Path, encoder: nn.Module, device: torch.device) -> Readings:
    """Every sentence of the target, as it is, played at other speeds, and by the other voices.

    All but the first view of each is recorded through some room and microphone.
    """
    target = load_set(folder / f"{TARGET}.npz")
    others = [load_set(folder / f"{name}.npz") for name in (*OTHERS, *READERS)]
    features: list[NDArray[np.float16]] = []
    for number, (own, *said) in enumerate(zip(target, *others, strict=True)):
        chance = Chance.of_step(SEED, number, device)
        for view, heard in enumerate(_heard(own, said, (SEED, number))):
            found = _features(encoder, heard.samples, chance if view else None)
            features.append(found[np.rint(heard.at).astype(int).clip(0, len(found) - 1)])
        if (number + 1) % REPORT_EVERY == 0:
            log.info("features of %d of %d sentences", number + 1, len(target))
    sounds = [each.samples[: _frames(each) * HOP_SAMPLES] for each in target]
    latents = [_latent(sound, device) for sound in sounds]
    pitches = [each.f0_hz[: _frames(each)] for each in target]
    return Readings(*(Tracks.of(each, device) for each in (features, latents, pitches)))


def target_features(folder: Path, encoder: nn.Module, most: int) -> NDArray[np.float32]:
    """Features of the target as it is, of so many sentences, float32 [N, C]."""
    sentences = load_set(folder / f"{TARGET}.plain.npz")[:most]
    found = [_features(encoder, _as_float(each.samples), None) for each in sentences]
    return np.concatenate(found).astype(np.float32)


def write_normalised(folder: Path, model: Path) -> None:
    """Write ``folder/encoder``: the first blocks of a Whisper, with the target's mean and spread.

    Parameters
    ----------
    model : ``model.bin`` of a Whisper, as CTranslate2 keeps it
    """
    whisper = read_model(model)
    with tempfile.TemporaryDirectory() as scratch:
        plain = encoder_of(whisper, Path(scratch, "encoder"))
        features = torch.from_numpy(target_features(folder, plain, most=400))
    write_encoder(folder / "encoder", encoder_tensors(whisper), statistics_of(features))


def _frames(own: Utterance) -> int:
    """An even number: two for each feature."""
    return len(own.f0_hz) // 2 * 2


def _latent(sound: NDArray[np.int16], device: torch.device) -> NDArray[np.float16]:
    heard = torch.from_numpy(_as_float(sound)).to(device)
    return latent(heard[None])[0].T.half().cpu().numpy()


@dataclass(frozen=True, eq=False)
class _Heard:
    """A sound, and which of its features, counted with fractions, belongs to each of the target's.

    `samples` float32 [N], `at` float64 [T]
    """

    samples: NDArray[np.float32]
    at: NDArray[np.float64]


def _heard(own: Utterance, said: Sequence[Utterance], seed: tuple[int, int]) -> list[_Heard]:
    """The target twice, once to be left as it is, and at other speeds; the others; their copies."""
    chance = np.random.default_rng(seed)
    pairs = np.arange(_frames(own) // 2, dtype=np.float64)
    itself = _Heard(_as_float(own.samples), pairs)
    heard = [itself, itself, *(_Heard(_as_float(copy), pairs) for copy in own.copies)]
    for _ in range(PLAYED):
        longer = float(chance.uniform(*LENGTHS))
        played = resample(itself.samples, RATE_HZ, round(RATE_HZ * longer))
        heard.append(_Heard(played, pairs * longer))
    for other in said:
        alignment = align(own, other)
        if alignment is None:
            heard += [itself] * (1 + len(other.copies))
            continue
        at = alignment.there(pairs * FRAME_SAMPLES / RATE_HZ) * RATE_HZ / FRAME_SAMPLES
        heard += [_Heard(_as_float(each), at) for each in (other.samples, *other.copies)]
    return heard


def _as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / 32_768


@torch.no_grad()
def _features(
    encoder: nn.Module, sound: NDArray[np.float32], chance: Chance | None
) -> NDArray[np.float16]:
    """Of one sound, float16 [T, C].

    Parameters
    ----------
    chance : records it through some room and microphone; None leaves it as it is
    """
    device = next(encoder.parameters()).device
    heard = torch.from_numpy(sound)[None].to(device)
    if chance is not None:
        heard = recorded(heard, chance)
    with autocast(device):
        found: NDArray[np.float16] = encoder(heard)[0].half().cpu().numpy()
    return found
