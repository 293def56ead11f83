"""Whoever says a sentence, and however fast: its features lie where the target says the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recipe.data import OTHERS, READERS, TARGET
from recipe.phoneme import INDEX
from recipe.reading import FRAME_SAMPLES, PLAYED, load_readings, make_readings
from recipe.speech_set import HOP_SAMPLES, RATE_HZ, Utterance, save_set
from torch import Tensor, nn

CPU = torch.device("cpu")
SECONDS, BURST_S = 2.0, 0.1


class Loudness(nn.Module):
    """An encoder whose only feature is how loud each frame is, against the sound's loudest."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, audio: Tensor) -> Tensor:
        """[B, N] -> [B, T, 1], frame j centred on sample 320 j."""
        padded = nn.functional.pad(audio, (FRAME_SAMPLES // 2, FRAME_SAMPLES // 2))
        level = padded.unfold(1, FRAME_SAMPLES, FRAME_SAMPLES).square().mean(2)
        return (level / level.amax() * self.scale)[..., None]


def utterance(burst_at_s: float, name: str = "t") -> Utterance:
    """A pause, a burst of noise, and a pause."""
    samples = np.zeros(int(SECONDS * RATE_HZ), np.int16)
    first = int(burst_at_s * RATE_HZ)
    noise = np.random.default_rng(1).normal(size=int(BURST_S * RATE_HZ)) * 5000
    samples[first : first + len(noise)] = noise.astype(np.int16)
    ends_s = np.array([burst_at_s, burst_at_s + BURST_S, SECONDS], np.float32)
    classes = np.array([0, INDEX[name], 0], np.uint8)
    f0_hz = np.full(int(SECONDS * RATE_HZ) // HOP_SAMPLES, 150.0, np.float32)
    return Utterance("one burst", samples, ends_s, classes, f0_hz)


@pytest.mark.parametrize("other_phone", ["t", "s"])
def test_every_view_hears_the_burst_where_the_target_has_it(
    other_phone: str, tmp_path: Path
) -> None:
    save_set(tmp_path / f"{TARGET}.npz", [utterance(1.2)])
    for number, name in enumerate((*OTHERS, *READERS)):
        save_set(tmp_path / f"{name}.npz", [utterance(0.3 + 0.1 * number, other_phone)])
    make_readings(tmp_path, Loudness(), CPU).save(tmp_path / "readings.safetensors")
    readings = load_readings(tmp_path / "readings.safetensors", CPU)
    assert (readings.count, readings.views) == (1, 2 + PLAYED + len(OTHERS) + len(READERS))
    for view in range(readings.views):
        heard = readings.whole(0, view).features[0, ::2, 0]
        burst = torch.nonzero(heard > 0.3)[:, 0] * FRAME_SAMPLES / RATE_HZ
        assert float(burst.min()) == pytest.approx(1.2, abs=0.05)
        assert float(burst.max()) == pytest.approx(1.2 + BURST_S, abs=0.05)
