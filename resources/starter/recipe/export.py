"""From checkpoints of the training to the files that ship: float16, in the layouts of the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.models.synthesizer_sizes import SynthesizerSizes
from engine.retrieval.index_file import write_flat_index
from engine.voice import index_pair_id
from engine.voice_record import read_record, write_checkpoint
from recipe.network import ENCODER_SIZES, VOICE_SIZES
from recipe.whisper_file import write_encoder

CENTROIDS = 1024
SMALLEST_LOG_SCALE = -6.0
"""Of the prior's spread: z is a spectrum, and noise in it would be heard as such."""

EMBEDDER = "urvc-starter"
_NORMED = re.compile(
    r"(dec\.(ups\.\d+|resblocks\.\d+\.convs[12]\.\d+)"
    r"|flow\.flows\.\d+\.enc\.(in_layers\.\d+|res_skip_layers\.\d+|cond_layer))\.weight"
)
_VOCODER = ("dec.", "emb_g.")
_POSITIONAL = "encoder.pos_conv_embed.conv"


def export_index(path: Path, features: NDArray[np.float32]) -> str:
    """Centroids of the target's own features; returns the pair's id, which is made from them."""
    rows = np.ascontiguousarray(features, np.float32)
    means = faiss.Kmeans(rows.shape[1], CENTROIDS, niter=20, seed=0)
    means.train(rows)
    centroids = np.asarray(means.centroids).astype(np.float16).astype(np.float32)
    write_flat_index(centroids, path)
    return index_pair_id(centroids)


def export_encoder(folder: Path, state: Mapping[str, Tensor], pair_id: str) -> None:
    """``config.json`` and ``model.safetensors``, as Hugging Face lays out a HuBERT."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {name: value for name, value in asdict(ENCODER_SIZES).items() if value is not None}
    config = {"model_type": "hubert", "architectures": ["HubertModel"], **sizes}
    config["num_feat_extract_layers"] = len(ENCODER_SIZES.conv_dim)
    config["pair_id"] = pair_id
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    tensors = dict(state)
    direction = tensors.pop(f"{_POSITIONAL}.weight")
    length = direction.float().norm(dim=(0, 1), keepdim=True)
    tensors[f"{_POSITIONAL}.parametrizations.weight.original0"] = length
    tensors[f"{_POSITIONAL}.parametrizations.weight.original1"] = direction
    halves = {name: value.half().contiguous() for name, value in tensors.items()}
    save_file(halves, folder / "model.safetensors", {"format": "pt"})


def export_whisper(folder: Path, source: Path, pair_id: str) -> None:
    """The same of the Whisper that the features came from."""
    tensors = load_file(source / "model.safetensors")
    statistics = tensors.pop("encoder.feature_mean"), tensors.pop("encoder.feature_spread")
    write_encoder(folder, tensors, statistics, pair_id)


def export_voice(
    path: Path,
    state: Mapping[str, Tensor],
    pair_id: str,
    sizes: SynthesizerSizes = VOICE_SIZES,
    former_voice: Path | None = None,
) -> None:
    """An RVC v2 ``.pth`` with its weights normed, as trainers write it.

    Parameters
    ----------
    former_voice : whose vocoder is taken as it is in the file
    """
    weights: dict[str, Tensor] = {}
    for name, value in _quiet_prior(state, sizes.inter_channels).items():
        if _NORMED.fullmatch(name):
            stem = name.removesuffix("weight")
            length = value.float().flatten(1).norm(dim=1).reshape(-1, 1, 1)
            weights[f"{stem}weight_g"] = length.half()
            weights[f"{stem}weight_v"] = value.half()
        else:
            weights[name] = value.half()
    if former_voice is not None:
        former = read_record(former_voice)["weight"]
        weights |= {name: former[name] for name in weights if name.startswith(_VOCODER)}
    record = {
        "weight": weights,
        "config": _config(sizes),
        "info": "starter voice",
        "sr": f"{sizes.sample_rate_hz // 1000}k",
        "f0": 1,
        "version": "v2",
        "embedder_model": EMBEDDER,
        "model_name": "Starter",
        "pair_id": pair_id,
    }
    with path.open("wb") as file:
        write_checkpoint(record, file)


def _quiet_prior(state: Mapping[str, Tensor], bands: int) -> dict[str, Tensor]:
    """The prior's spread pinned to next to nothing, whatever the training left there."""
    quiet = {name: value.clone() for name, value in state.items()}
    quiet["enc_p.proj.weight"][bands:] = 0.0
    quiet["enc_p.proj.bias"][bands:] = SMALLEST_LOG_SCALE
    return quiet


def _config(sizes: SynthesizerSizes) -> list[object]:
    """The 18 sizes in the order of RVC's trainers; the first two and dropout serve training."""
    return [
        513,
        sizes.sample_rate_hz // sizes.hop_samples // 2,
        sizes.inter_channels,
        sizes.hidden_channels,
        sizes.filter_channels,
        sizes.heads,
        sizes.layers,
        sizes.kernel_size,
        0,
        sizes.resblock,
        list(sizes.resblock_kernel_sizes),
        [list(each) for each in sizes.resblock_dilations],
        list(sizes.upsample_rates),
        sizes.upsample_initial_channels,
        list(sizes.upsample_kernel_sizes),
        sizes.speakers,
        sizes.gin_channels,
        sizes.sample_rate_hz,
    ]


def export(
    folder: Path,
    encoder: Mapping[str, Tensor] | Path,
    voice: Mapping[str, Tensor],
    features: NDArray[np.float32],
    former_voice: Path | None = None,
) -> None:
    """Write ``encoder/``, ``voice.pth`` and ``starter.index`` into a folder.

    Parameters
    ----------
    encoder : its own weights, or the folder of a Whisper
    """
    folder.mkdir(parents=True, exist_ok=True)
    pair_id = export_index(folder / "starter.index", features)
    if isinstance(encoder, Path):
        export_whisper(folder / "encoder", encoder, pair_id)
    else:
        export_encoder(folder / "encoder", encoder, pair_id)
    sizes = replace(VOICE_SIZES, feature_channels=features.shape[1])
    export_voice(folder / "voice.pth", voice, pair_id, sizes, former_voice)
