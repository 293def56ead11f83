"""Small seeded networks in the files that people have, and the songs of the golden data."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.layers import without_weights
from engine.models.roformer import Roformer, RoformerSizes
from tests.weights_maker import GOLDEN, make_tensors

DATA = GOLDEN / "separation"
RATE_HZ = 44_100
CHUNK = 22_050
"""What the small networks take at a time."""

DEMUCS = HTDemucsSizes(
    channels=8,
    bottom_channels=48,
    hidden=96,
    dconv_hidden=1,
    segment_samples=CHUNK,
)
MEL = RoformerSizes(
    mel=True, width=32, depth=2, heads=2, head_width=16, mask_layers=3, mask_hidden=128
)
BS = replace(MEL, mel=False, mask_layers=2)
KINDS = ("htdemucs", "mel", "bs")

LENGTHS = {
    "C-1": CHUNK - 1,
    "C": CHUNK,
    "C+1": CHUNK + 1,
    "2.5 C": CHUNK * 5 // 2,
    "1 s": RATE_HZ,
    "1 sample": 1,
}


@cache
def tensors(kind: str) -> OrderedDict[str, torch.Tensor]:
    """The weights of a small network, a function of the names alone."""
    with without_weights():
        network = HTDemucs(DEMUCS) if kind == "htdemucs" else Roformer(MEL if kind == "mel" else BS)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    made = make_tensors(shapes, f"separation {kind}")
    for name, tensor in made.items():
        if name.endswith(".scale"):
            tensor += 0.3
        if name.endswith("rotary_embed.freqs"):
            tensor.copy_(10_000 ** (-2 * torch.arange(len(tensor)) / (2 * len(tensor))))
    return made


def save_demucs(record: dict[str, Any], path: Path) -> None:
    """Write a ``.th`` as demucs does: with the class of the network, by its name."""
    module = ModuleType("demucs.htdemucs")
    klass = type("HTDemucs", (), {"__module__": module.__name__})
    module.HTDemucs = klass  # type: ignore[attr-defined]
    # Not by `patch.dict`, which also takes back what other threads import meanwhile.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "demucs", ModuleType("demucs"))
        patch.setitem(sys.modules, module.__name__, module)
        torch.save({"klass": klass, **record}, path)


def demucs_record(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What lies beside the class in a ``.th``: all that the published files are known to hold."""
    return {
        "args": (),
        "kwargs": {
            "sources": ["drums", "bass", "other", "vocals"],
            "segment": Fraction(DEMUCS.segment_samples, RATE_HZ),
            "channels": DEMUCS.channels,
            "dconv_mode": 3,
            "emb_smooth": True,
            "multi_freqs": [],
            "t_cape_glob_loc_scale": [5000.0, 1.0, 1.4],
            "t_emb": "sin",
            "t_heads": DEMUCS.heads,
            "t_lr": None,
        },
        "state": state,
        "training_args": {"dset": {"samplerate": RATE_HZ}, "dora": {"exclude": ["misc.*"]}},
        "metrics": {"nsdr": np.float64(8.9), "test": {"sdr": np.float32(9.3), "n": np.int64(50)}},
    }


def write_network(kind: str, folder: Path) -> Path:
    """A file of a small network, with the settings of a RoFormer beside it."""
    state = tensors(kind)
    if kind == "htdemucs":
        path = folder / "small.th"
        save_demucs(demucs_record(state), path)
        return path
    path = folder / f"small_{kind}.ckpt"
    torch.save(state, path)
    path.with_suffix(".yaml").write_text(
        f"audio:\n  chunk_size: {CHUNK}\ninference:\n  num_overlap: 2\n", encoding="utf-8"
    )
    return path


def song_samples(n: int) -> NDArray[np.float32]:
    """Chords with beats, a voice-like sweep and hiss, float32 [n, 2], the channels different.

    Without the hiss some bands would hold nothing but the rounding of the FFT, another one on each
    kind of processor, which the networks bring up to the level of the others.
    """
    rng = np.random.default_rng(5)
    t = np.arange(999, 999 + n) / RATE_HZ
    sweep = np.sin(2 * np.pi * (220 * t + 30 * np.sin(2 * np.pi * 5 * t)))
    chord = sum(np.sin(2 * np.pi * f * t) for f in (110.0, 138.6, 164.8))
    beat = rng.standard_normal(n) * np.exp(-((t * 4) % 1) * 9)
    left, right = 0.3 * sweep + 0.1 * chord, 0.3 * sweep + 0.15 * beat + 0.05 * chord
    hiss = 0.03 * rng.standard_normal((n, 2))
    return (np.stack((left, right), 1) + hiss).astype(np.float32)
